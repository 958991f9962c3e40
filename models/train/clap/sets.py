#!/usr/bin/env python3
"""Sets for measuring: sets.py DIR [SEED] writes those that are missing. Generators, words and voices are not those of training; clips are degraded as waves.

few.pkl has episodes of 20 classes with 5 shots, 3 clean and 3 hard queries each; detect.pkl recordings of a minute with events; named.pkl new patches of
the families of training, for captions; cohort.pkl clips of nothing in particular, for thresholds. SEED is 101 by default.
"""
import os
import pickle
import sys

import numpy as np

import data
import patches
import rooms
import sounds
import speech
import unseen
from features import RATE

OTHER = speech.training_words()[::37]  # words between events; they are in training


def quiet(x):
    return np.round(np.clip(x, -1, 1) * 32767).astype(np.int16)


def degrade(r, x, hard):
    """Adds a noise floor at -40 dB or, if hard, a room, an equaliser, another level, and noise or babble at 10 to 20 dB."""
    if not hard:
        return quiet(x * 10 ** (r.uniform(-3, 3) / 20) + r.standard_normal(len(x)) * .001)
    x = rooms.equalise(r, rooms.reverberate(r, np.concatenate([x, np.zeros(1600)]), r.uniform(.3, .8)))
    kind = ["white", "pink", "brown", "babble", "hum"][r.integers(5)]
    n = data.background(r, kind, len(x) / RATE + .01, OTHER, speech.VOICES)[:len(x)]
    return quiet((x + n * 10 ** (-r.uniform(10, 20) / 20)) * 10 ** (r.uniform(-12, 4) / 20))


def sound(r, name, patch, sibling=None):
    """One instance of a patch. Some patches are always silent: after a few tries another one is used."""
    for i in range(100):
        x = patches.render(name, patch + (i > 4) * i, int(r.integers(1 << 60)), sibling, .03)[0]
        if x is not None:
            return x
    raise RuntimeError("silent: " + name)


def word(r, w, voice=None):
    return speech.say(r, w, [voice] if voice else speech.TEST_VOICES)


def makers(r, task):
    """The names of 20 classes, each with a function that makes one more example."""
    seed = lambda: int(r.integers(1 << 60))
    names = list(unseen.UNSEEN)
    if task == "sounds":  # one patch of each unseen generator
        return [(n, lambda n=n, p=seed(): sound(r, n, p)) for n in names]
    if task == "siblings":  # five patches of each of four unseen generators
        return [(f"{n}{i}", lambda n=n, p=seed(): sound(r, n, p)) for n in r.choice(names, 4, replace=False) for i in range(5)]
    if task == "families":  # every example has other parameters
        return [(n, lambda n=n: sound(r, n, seed())) for n in names]
    words = list(r.choice(speech.HELD_WORDS, 20, replace=False))
    if task == "words":  # any of the held-out voices
        return [(w, lambda w=w: word(r, w)) for w in words]
    voice = speech.TEST_VOICES[r.integers(len(speech.TEST_VOICES))]
    return [(w, lambda w=w: word(r, w, voice)) for w in words]


TASKS = ["sounds", "siblings", "families", "words", "words, one voice"]


def few(r, episodes):
    out = []
    for task in TASKS:
        for _ in range(episodes):
            out.append((task, [(n, [degrade(r, f(), 0) for _ in range(5)], [degrade(r, f(), 0) for _ in range(3)], [degrade(r, f(), 1) for _ in range(3)])
                               for n, f in makers(r, task)]))
    return out


# ---- recordings

def recording(r, kind, target, near, far, seconds=60, count=7):
    """Samples, and the spans of the target in seconds. target, near (which is confusable) and far make one event each."""
    n = int(seconds * RATE)
    x, spans, at = np.zeros(n), [], int(r.uniform(.3, 1.2) * RATE)
    todo = ["t"] * count + ["n"] * (10 if kind == "hard" else 2 if kind == "babble" else 0)
    todo += ["f"] * max(0, 30 - len(todo))
    events = [(k, (target if k == "t" else near if k == "n" else far)()) for k in r.permutation(todo)]
    for k, y in events:
        if at + len(y) > n - RATE // 4:
            break
        y = y * 10 ** (r.uniform(-4, 4) / 20)
        if kind == "hard":
            y = rooms.equalise(r, y)
        x[at:at + len(y)] += y
        if k == "t":
            spans.append((at / RATE, (at + len(y)) / RATE))
        at += len(y) + int(r.uniform(.15, 1.2) * RATE)
    x = x[:min(n, at + RATE // 2)]
    if kind == "hard":
        x = rooms.reverberate(r, x, r.uniform(.3, .7))
    if kind == "babble":
        x = x + speech.babble(r, len(x) / RATE + .01, OTHER, speech.VOICES, 6)[:len(x)] * 10 ** (-5 / 20)
    else:
        noise = data.background(r, "pink", len(x) / RATE + .01, OTHER, speech.VOICES)[:len(x)]
        x = x + noise * 10 ** (-(30 if kind == "easy" else 25) / 20)
    return quiet(x * .5), spans


def detection(r):
    """Ten unseen sounds and ten unseen words with 5 shots each, and for each kind a recording for corrections and one for measuring."""
    out = []
    partner = {a: b for a, b in speech.PAIRS}
    names = [n for n in r.choice(list(unseen.UNSEEN), 10, replace=False)]
    words = [a for a in r.choice(list(partner), 10, replace=False)]

    def far():
        u = r.random()
        if u < .3:
            return word(r, OTHER[r.integers(len(OTHER))])
        if u < .5:
            w = speech.HELD_WORDS[r.integers(len(speech.HELD_WORDS))]
            return far() if any(w in (a, partner[a]) for a in words) else word(r, w)
        pool = [n for n in [*unseen.UNSEEN, *sounds.ALL] if n not in names]
        return sound(r, pool[r.integers(len(pool))], int(r.integers(1 << 60)))
    for name in [*names, *words]:
        if name in partner:
            target, near = (lambda: word(r, name)), (lambda: word(r, partner[name]))
        else:
            p = int(r.integers(1 << 60))
            target = lambda: sound(r, name, p)
            near = lambda: sound(r, name, p, int(r.integers(1 << 30))) if r.random() < .6 else sound(r, name, int(r.integers(1 << 60)))
        shots = [degrade(r, target(), 0) for _ in range(5)]
        sets = {k: [recording(r, k, target, near, far) for _ in range(2)] for k in ("easy", "hard", "babble")}
        out.append((name, name in partner, shots, sets))
    return out


def named(r, each):
    return [(n, [degrade(r, sound(r, n, int(r.integers(1 << 60))), 0) for _ in range(each)], [degrade(r, sound(r, n, int(r.integers(1 << 60))), 1) for _ in range(each)]) for n in sounds.ALL]


def main():
    to, seed = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 101
    os.makedirs(to, exist_ok=True)
    for name, made in (("few", lambda: few(np.random.default_rng(seed), 6)), ("detect", lambda: detection(np.random.default_rng(seed + 1))),
                       ("named", lambda: named(np.random.default_rng(seed + 2), 5)),
                       # of training's own families and words
                       ("cohort", lambda: [degrade(r, sound(r, n, int(r.integers(1 << 60))), i % 2) for r in [np.random.default_rng(seed + 3)] for i in range(3) for n in sounds.ALL]
                        + [degrade(r, word(r, OTHER[r.integers(len(OTHER))]), i % 2) for r in [np.random.default_rng(seed + 4)] for i in range(150)])):
        path = os.path.join(to, name + ".pkl")
        if os.path.exists(path):
            continue
        made = made()
        with open(path, "wb") as f:
            pickle.dump(made, f)
        print(name, flush=True)


if __name__ == "__main__":
    main()
