#!/usr/bin/env python3
"""Sounds to learn from: data.py DIR NAME [SPOKEN PROGRAMS] writes DIR/NAME.npz, short events as log-mel bytes; data.py DIR background writes
DIR/background.npy, the noises.

SPOKEN and PROGRAMS are the shares of words and of random programs. The name is the seed. What is cheaper on power spectra (noise, rooms, gain, neighbours,
shifts) is added by bank.py during training.
"""
import collections
import os
import sys
import zlib

import numpy as np

import features
import patches
import sounds
import speech
from families import Canvas

NOISES = ["white", "pink", "brown", "hum", "fan", "rain", "wind", "engine", "waves", "vacuum", "crackle", "babble", "babble", "babble", "babble", "babble", "mix", "mix"]


def background(r, kind, seconds, words, voices):
    """Samples of a noise at level 0.1."""
    c = Canvas(r, int(seconds * features.RATE))
    if kind in ("white", "pink", "brown"):
        f = np.fft.rfftfreq(c.n, 1 / features.RATE) + 20
        x = np.fft.irfft(np.fft.rfft(c.noise()) / f ** {"white": 0, "pink": .5, "brown": 1}[kind], c.n)
    elif kind == "hum":
        x = sum(np.sin(c.phase(50 * k)) * r.uniform(0, 1) / k for k in range(1, 12)) + .1 * c.noise()
    elif kind == "babble":
        return speech.babble(r, seconds, words, voices, int(r.integers(2, 8)))
    elif kind == "mix":
        names = list(sounds.ALL)
        x = sum(patches.GENERATORS[names[r.integers(len(names))]](c) * r.uniform(.2, 1) for _ in range(3))
    else:
        x = patches.GENERATORS[kind](c)
    return x * .1 / (np.sqrt((x ** 2).mean()) + 1e-9)


# ---------------------------------------------------------------- shards

class Confused:
    """Words that are easily confused with a word: with another letter, with one more or less, rhymes, and neighbours in the list."""

    def __init__(self, words):
        self.words, self.rhymes, self.alike = words, sorted(words, key=lambda w: w[::-1]), collections.defaultdict(list)
        self.place, self.rhyme = ({w: i for i, w in enumerate(some)} for some in (words, self.rhymes))
        for w in words:
            for key in self.keys(w):
                self.alike[key].append(w)

    @staticmethod
    def keys(w):
        return [w[:i] + "." + w[i + 1:] for i in range(len(w))] + [w[:i] + "." + w[i:] for i in range(1, len(w))]

    def choose(self, r, w):
        near = [v for key in self.keys(w) for v in self.alike[key] if v != w]
        if near and r.random() < .6:
            return near[r.integers(len(near))]
        if r.random() < .6:
            return self.rhymes[(self.rhyme[w] + int(r.choice([-2, -1, 1, 2]))) % len(self.rhymes)]
        return self.words[(self.place[w] + int(r.choice([-1, 1]))) % len(self.words)]


def write_shard(path, seed, words, names, count=160, instances=3, spoken=.27, programs=.32):
    """Writes count pairs of siblings. Arrays: mel bytes of all events, their ends, and for each event its class, caption key and pair."""
    r = np.random.default_rng(seed)
    confused = Confused(words)
    mels, classes, keys, pairs = [], [], [], []
    for q in range(count):
        u = r.random()
        for s in range(2):
            cls = f"{seed}.{q}.{s}"
            if u < spoken:
                if s == 0:
                    w = words[r.integers(len(words))]
                else:
                    w = confused.choose(r, w)
                made, key = [speech.say(r, w, speech.VOICES) for _ in range(4)], "word:" + w
                cls = "w." + w
            else:
                if s == 0:
                    name = "gene" if u > 1 - programs else names[r.integers(len(names))]
                    patch = int(r.integers(1 << 60))
                got = [patches.render(name, patch, int(r.integers(1 << 60)), None if s == 0 else q + 1, r.choice([.01, .03, .06])) for _ in range(instances)]
                made = [g[0] for g in got if g[0] is not None]
                key = f"gene:{got[0][1]}" if name == "gene" else "family:" + name
            for x in made:
                mels.append(features.to_bytes(features.log_mel(x)))
                classes.append(cls)
                keys.append(key)
                pairs.append(f"{seed}.{q}")
    np.savez(path + ".tmp.npz", mel=np.concatenate(mels), ends=np.cumsum([len(m) for m in mels]), classes=np.array(classes), keys=np.array(keys), pairs=np.array(pairs))
    os.replace(path + ".tmp.npz", path)


def write_backgrounds(path, seed, words, count=150, seconds=5):
    r = np.random.default_rng(seed)
    out = [features.to_bytes(features.log_mel(background(r, NOISES[i % len(NOISES)], seconds, words, speech.VOICES)))[:500] for i in range(count)]
    np.save(path + ".tmp.npy", np.stack(out))
    os.replace(path + ".tmp.npy", path)


def main():
    to, name = sys.argv[1:3]
    os.makedirs(to, exist_ok=True)
    words, seed = speech.training_words(), zlib.crc32(name.encode())
    if name == "background":
        write_backgrounds(os.path.join(to, "background.npy"), seed, words)
    else:
        write_shard(os.path.join(to, name + ".npz"), seed, words, list(sounds.ALL), **dict(zip(("spoken", "programs"), map(float, sys.argv[3:5]))))
    print(name, flush=True)


if __name__ == "__main__":
    main()
