"""Spoken words: training's words and voices, those for measuring only, and babble.

A word is a class, and its instances are voices: of espeak-ng, and for a share of the utterances (SECOND, 0.45) of flite, RHVoice and Pico. flite's slt
and rms are only measured with.
"""
import os

import numpy as np

import espeak
import flite
import pico
import rhvoice
from features import RATE
from patches import finish

SECOND_SHARE = float(os.environ.get("SECOND", ".45"))
# Words for measuring, each with one that is easily confused with it. None of them is in training.
PAIRS = [p.split("/") for p in """computer/commuter window/widow garden/pardon button/mutton table/cable coffee/copy battery/flattery camera/chimera hello/yellow monday/sunday
seven/heaven light/right sheep/ship morning/warning kitchen/chicken tiger/spider purple/people music/mystic doctor/proctor market/margin rocket/pocket silver/sliver
summer/summit water/waiter winter/printer yesterday/holiday banana/bandana thunder/wonder pencil/stencil orange/porridge""".split()]
HELD_WORDS = [w for p in PAIRS for w in p]
_SPEAKERS = "m1 m2 m3 m5 m6 m8 f1 f2 f3 Annie Denis Mario klatt klatt3 anika Alex Andy Diogo Gene Jacky Lee Marco Michael Mike adam antonio belinda boris david ed edward iven linda max michel miguel pablo quincy rob robert sandro shelby steph travis victor grandma grandpa".split()
VOICES = [v for lang in ("en", "en-us") for v in [lang, *(f"{lang}+{s}" for s in _SPEAKERS)]] + ["en-gb-x-rp", "en-029"]
TEST_VOICES = ["en+m7", "en+f5", "en-us+m7", "en-us+f5", "en-gb-scotland", "en+f4", "en-us+f4", "en+m4", "en-us+m4"]


def training_words(path=os.environ.get("WORDS", "/usr/share/dict/american-english-small")):
    with open(path, encoding="utf8") as f:
        words = sorted({w for w in f.read().split() if w.isascii() and w.isalpha() and w.islower() and 3 <= len(w) <= 10})
    near = lambda w: any(w.startswith(h[:-1]) or h.startswith(w) and len(w) > 3 for h in HELD_WORDS) or w in HELD_WORDS
    return [w for w in words if not near(w)]


SECOND = [("flite", "kal16", 105), ("flite", "awb", 120), ("rhvoice", "Alan", 0), ("rhvoice", "Bdl", 0), ("rhvoice", "Clb", 0), ("pico", "en-US", 0),
          ("pico", "en-GB", 0)]
TEST_SECOND = [("flite", "slt", 170), ("flite", "rms", 100)]


def shifted(x, rate, factor):
    """The samples at RATE. A factor above one raises pitch and formants, and shortens."""
    m = int(len(x) * RATE / rate / factor)
    z = np.fft.rfft(np.asarray(x, np.float64) / 32768)
    z = z[:m // 2 + 1] if len(z) >= m // 2 + 1 else np.pad(z, (0, m // 2 + 1 - len(z)))
    return np.fft.irfft(z, m) * m / len(x)


def say_second(r, text):
    """One utterance by flite, RHVoice or Pico, mostly with formants of a smaller or larger speaker."""
    engine, name, f0 = SECOND[r.integers(len(SECOND))]
    factor = float(np.exp(r.uniform(np.log(.8), np.log(1.28)))) if r.random() < .75 else 1.
    if engine == "flite":
        x, rate, _ = flite.synth(text, name, float(r.uniform(.8, 1.4)) * factor, float(f0 * np.exp(r.uniform(-.35, .55)) / factor))
    else:
        x, rate = {"rhvoice": rhvoice, "pico": pico}[engine].synth(text, name, float(np.exp(r.uniform(-.35, .25)) / factor), float(np.exp(r.uniform(-.3, .4)) / factor))
    return shifted(x, rate, factor)


def say_held(r, text):
    """The finished samples of one utterance by a voice of another synthesiser that training does not have."""
    _, name, f0 = TEST_SECOND[r.integers(len(TEST_SECOND))]
    x, rate, _ = flite.synth(text, name, float(r.uniform(.85, 1.2)), float(f0 * r.uniform(.85, 1.2)))
    return finish(shifted(x, rate, 1.))[:int(2.4 * RATE)]


def say(r, text, voices, speed=None, pitch=None):
    """The finished samples of one utterance. r is a numpy Generator. With VOICES, a share comes from the other synthesisers."""
    for _ in range(20):
        if voices is VOICES and r.random() < SECOND_SHARE:
            x = finish(say_second(r, text))
        else:
            out = espeak.synth(text, voices[r.integers(len(voices))], speed=int(speed or r.integers(120, 230)), pitch=int(pitch or r.integers(15, 90)),
                               intonation=int(r.integers(20, 80)))
            if out is None or len(out[0]) < 3000:
                continue
            x = finish(shifted(out[0], espeak.RATE, 1.))
        if x is not None:
            return x[:int(2.4 * RATE)]
    raise RuntimeError("no voice says " + text)


def speech(r, seconds, words, voices):
    n, at = int(seconds * RATE), 0
    x = np.zeros(n)
    voice = [voices[r.integers(len(voices))]]
    while at < n:
        y = say(r, " ".join(words[r.integers(len(words))] for _ in range(3)), voice)[:n - at]
        x[at:at + len(y)] += y
        at += len(y) + int(r.uniform(0, .2) * RATE)
    return x


def babble(r, seconds, words, voices, n=5):
    x = sum(speech(r, seconds, words, voices) * r.uniform(.4, 1) for _ in range(n))
    return x * .1 / np.sqrt((x ** 2).mean())
