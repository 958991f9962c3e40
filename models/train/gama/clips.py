#!/usr/bin/env python3
"""Compose clips with what is known about them: clips.py OUT COUNT SEED train|test|strangers.

OUT.features.npy has the log-mel rows of all clips (float16 [frames, 128]), OUT.json
the offsets and each clip's facts; with `test` and `strangers` also OUT.wav/*.wav.

Facts: kind one, seq (one after the other), over (at once), unknown, silence or word
(one spoken word); events [name, start, end, direction]; loud "loud", "soft", "silent" or
"" where it is neither; seconds, rounded; words that a voice says.
"""
import json
import os
import sys
import time
import wave

import numpy as np
import torch
import torchaudio

import families
import rooms
import strangers
import voices
from families import RATE

VOICE = "voice"
KNOWN = families.NAMES + [VOICE]
KINDS = {"one": .29, "seq": .23, "over": .20, "unknown": .15, "silence": .04, "word": .09}
LONGEST = 9  # seconds; GAMA's window has 10.24


def rms(x):
    return np.sqrt((x ** 2).mean() + 1e-12)


def peak_level(x, window=800):
    """The level of the loudest 50 ms."""
    m = len(x) // window
    return np.sqrt((x[:m * window].reshape(m, window) ** 2).mean(1).max() + 1e-12)


def event(r, name, n, spoken):
    """n samples of level 1, and the direction of a sweep or what was said."""
    detail = ""
    if name == VOICE:
        x, detail = voices.talk(r, n, spoken)
    elif name in families.FAMILIES:
        x, attributes = families.make(r, name, n)
        if "direction" in attributes:
            detail = ["rising", "falling"][attributes["direction"]]
    else:
        x = np.zeros(n)
        while not np.isfinite(x).all() or rms(x) < 1e-3:  # by chance a generator may be silent
            x = strangers.make(r, name, n)
            x = x / (np.abs(x).max() + 1e-12)
    if r.random() < .25:
        x = rooms.reverberate(r, x, r.uniform(.2, 1.2))
    if r.random() < .3:
        x = rooms.equalise(r, x)
    edge = np.linspace(0, 1, 80)
    x[:80] *= edge
    x[-80:] *= edge[::-1]
    return x / rms(x), detail


def spans(r, kind, n):
    """Start and end of each event, in samples."""
    def little(most):
        return int(r.uniform(0, most) * RATE)
    if kind == "seq":
        middle, gap = int(n * r.uniform(.4, .6)), int(r.uniform(.02, .35) * RATE)
        return [(little(.1), middle - gap // 2), (middle + gap // 2, n - little(.1))]
    return [(little(.1), n - little(.1)) for _ in range(2 if kind == "over" else 1)]


def lay_out(r, kind, n, names, spoken):
    """The mixture [n], its events, and the words that were said."""
    x, events, said = np.zeros(n), [], []
    balance = r.uniform(-4, 4)
    for i, (name, (a, b)) in enumerate(zip(names, spans(r, kind, n))):
        y, detail = event(r, name, b - a, spoken)
        if kind == "seq":
            y = y / peak_level(y)
        x[a:b] += y * 10 ** (balance / 20 if i else 0)
        if name == VOICE:
            said, detail = detail, ""
        events.append([name, a, b, detail])
    return x, events, said


def one_word(r, spoken):
    """A single spoken word with silence around."""
    word = voices.WORDS[r.integers(len(voices.WORDS))]
    y = voices.say(r, word, spoken)
    if r.random() < .25:
        y = rooms.reverberate(r, y, r.uniform(.2, .8))
    a = int(r.uniform(.05, .6) * RATE)
    n = min(max(RATE + 1, a + len(y) + int(r.uniform(.05, .8) * RATE)), 4 * RATE)
    x = np.zeros(n)
    x[a:a + len(y)] = y[:n - a]
    return x, [[VOICE, a, min(n, a + len(y)), ""]], [word]


def length(r, kind):
    """Samples: half to one and a half seconds around a whole number of seconds, not at the border between two."""
    whole = int(r.integers(2 if kind == "seq" else 1, 6)) if r.random() < .88 else int(r.integers(6, LONGEST + 1))
    return int(min(max(whole + r.uniform(-.38, .38), 1. if kind != "seq" else 1.7), LONGEST + .4) * RATE)


def compose(r, kind=None, names=None, spoken=voices.VOICES):
    """(samples float32 on 16-bit steps, facts)."""
    kind = kind or str(r.choice(list(KINDS), p=list(KINDS.values())))
    if kind == "word":
        x, events, said = one_word(r, spoken)
    else:
        n = length(r, kind)
        if names is None:
            chosen = r.choice(len(KNOWN), 2, replace=False)
            names = {"unknown": [strangers.TRAINING_NAMES[r.integers(len(strangers.TRAINING_NAMES))]], "silence": []}.get(
                kind, [KNOWN[i] for i in chosen][:2 if kind in ("seq", "over") else 1])
        x, events, said = lay_out(r, kind, n, names, spoken)
    u = r.random()
    loud = "loud" if u < .45 else "soft" if u < .9 else ""
    if kind == "silence":
        loud = "silent"
    else:
        low, high = {"loud": (-17, -6), "soft": (-42, -30), "": (-30, -17)}[loud]
        x = x / peak_level(x) * 10 ** (r.uniform(low, high) / 20)
    if r.random() < .6:
        x = x + r.standard_normal(len(x)) * 10 ** (r.uniform(-85, -62) / 20)
    x = np.round(np.clip(x, -1, 1) * 32767) / 32767
    return x.astype(np.float32), dict(kind=kind, events=events, loud=loud, seconds=int(len(x) / RATE + .5), words=said)


def features(x):
    """Kaldi's filter bank as GAMA computes it, float32 [frames, 128]."""
    w = torch.as_tensor(x)[None]
    return torchaudio.compliance.kaldi.fbank(w - w.mean(), num_mel_bins=128, sample_frequency=16000, window_type="hanning", htk_compat=True,
                                             use_energy=False, dither=0., frame_shift=10)


def write_wav(path, x):
    with wave.open(path, "wb") as f:
        f.setnchannels(1)
        f.setsampwidth(2)
        f.setframerate(RATE)
        f.writeframes(np.round(x * 32767).astype("<i2").tobytes())


def main():
    out, count, seed, mode = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
    torch.set_num_threads(1)
    r, begin = np.random.default_rng(seed), time.time()
    if mode != "train":
        os.makedirs(out + ".wav", exist_ok=True)
    rows, facts = [], []
    for i in range(count):
        spoken = voices.VOICES if mode == "train" else voices.TEST_VOICES
        if mode == "strangers":
            x, fact = compose(r, "unknown", [list(strangers.HELD_OUT)[i % len(strangers.HELD_OUT)]])
        else:
            x, fact = compose(r, spoken=spoken)
        rows.append(features(x).half().numpy())
        facts.append(fact)
        if mode != "train":
            write_wav(os.path.join(out + ".wav", "%04d.wav" % i), x)
    np.save(out + ".features.npy", np.concatenate(rows))
    with open(out + ".json.tmp", "w", encoding="utf8") as f:
        json.dump(dict(offsets=np.cumsum([0] + [len(x) for x in rows]).tolist(), facts=facts), f)
    os.replace(out + ".json.tmp", out + ".json")
    print(out, count, "clips", "%.0f s" % (time.time() - begin))


class Clips:
    def __init__(self, path):
        with open(path + ".json", encoding="utf8") as f:
            j = json.load(f)
        self.rows, self.offsets, self.facts = np.load(path + ".features.npy", mmap_mode="r"), j["offsets"], j["facts"]

    def __len__(self):
        return len(self.facts)

    def frames(self, i):
        return self.offsets[i + 1] - self.offsets[i]

    def batch(self, chosen, extra=0):
        """Log-mel float32 [b, longest + extra, 128]; padding is 0.0, as GAMA's."""
        x = np.zeros((len(chosen), min(1024, max(map(self.frames, chosen)) + extra), 128), np.float32)
        for row, i in zip(x, chosen):
            row[:self.frames(i)] = self.rows[self.offsets[i]:self.offsets[i + 1]]
        return torch.from_numpy(x)


if __name__ == "__main__":
    main()
