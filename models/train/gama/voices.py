"""Spoken words of wav2vec2-tiny's list by espeak-ng, for the family "voice"."""
import os
import sys

import numpy as np

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.append(os.path.join(HERE, "..", "wav2vec2"))
import espeak  # noqa: E402
from families import RATE  # noqa: E402

with open(os.path.join(HERE, "..", "..", "wav2vec2-tiny", "words.txt"), encoding="utf8") as f:
    WORDS = [w.lower() for w in f.read().split()]

# Nobody trains on the last ones.
VOICES = [f"{lang}{variant}" for lang in ("en", "en-us") for variant in ("", "+m1", "+m2", "+m3", "+m5", "+m6", "+m8", "+f1", "+f2", "+f3", "+Annie", "+Denis", "+Mario", "+klatt", "+anika")] + ["en-gb-x-rp", "en-029"]
TEST_VOICES = ["en+m7", "en+f5", "en-us+m7", "en-us+f5", "en-gb-scotland"]


def say(r, text, voices):
    """float64 samples at 16 kHz without the silence around."""
    for _ in range(20):
        out = espeak.synth(text, voices[r.integers(len(voices))], speed=int(r.integers(120, 210)), pitch=int(r.integers(20, 85)),
                           intonation=int(r.integers(20, 80)))
        if out is None:
            continue
        x = out[0].astype(np.float64) / 32768
        loud = np.flatnonzero(np.abs(x) > .01)
        if len(loud) < 400:
            continue
        x = x[loud[0]:loud[-1] + 1]
        m = int(len(x) * RATE / espeak.RATE)
        # no aliasing: the spectrum is cut at the new rate
        z = np.fft.rfft(x)[:m // 2 + 1]
        return np.fft.irfft(z, m) * m / len(x)
    raise RuntimeError("espeak-ng said nothing")


def talk(r, n, voices):
    """Words with short rests that fill n samples, and the words."""
    x, said, at = np.zeros(n), [], int(r.uniform(0, .1) * RATE)
    voice = [voices[r.integers(len(voices))]]
    while at < n - RATE // 4:
        word = WORDS[r.integers(len(WORDS))]
        y = say(r, word, voice)
        if at + len(y) > n:
            if said:
                break
            y = y[:n - at]
        x[at:at + len(y)] += y
        at += len(y) + int(r.uniform(.03, .35) * RATE)
        said.append(word)
    return x, said
