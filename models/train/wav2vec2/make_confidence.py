#!/usr/bin/env python3
"""Speak the clips that confidence is calibrated and measured with.

  make_confidence.py DIR [PEOPLE]

DIR gets the clips as WAV and clips.json: file, text, set (calibration, development or measured), kind
(listed, unlisted or people) and voice. PEOPLE is a folder with the recordings that
phrases.py names; without it there are none of people. Needs espeak-ng.
"""
import json
import os
import random
import shutil
import subprocess
import sys

import numpy as np
from scipy.io import wavfile
from scipy.signal import resample_poly

import phrases

RATE = 16000


def speak(path, words, voice, r):
    """One clip: drawn speed, pitch, level and noise, silence at both ends."""
    subprocess.run(["espeak-ng", "-v", voice, "-s", str(r.randint(130, 190)), "-p", str(r.randint(30, 70)), "-w", path, words], check=True)
    rate, x = wavfile.read(path)
    g = np.gcd(rate, RATE)
    x = resample_poly(x.astype(np.float32) / 32768, RATE // g, rate // g)
    n = np.random.RandomState(r.randint(0, 1 << 30))
    x = np.concatenate([np.zeros(int(r.uniform(.1, .4) * RATE)), x * r.uniform(.3, .9), np.zeros(int(r.uniform(.1, .4) * RATE))])
    x = np.clip(x + n.randn(len(x)) * 10 ** r.uniform(-4, -2.6), -1, 1)
    wavfile.write(path, RATE, (x * 32767).astype(np.int16))


def main():
    out, people = sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else None
    os.makedirs(out, exist_ok=True)
    clips, r = [], random.Random(77)

    def add(which, kind, words, voice):
        clips.append({"file": "%s-%04d.wav" % (which, len(clips)), "set": which, "kind": kind, "text": words, "voice": voice})
        speak(os.path.join(out, clips[-1]["file"]), words, voice, r)

    used = []
    for which, count, seed in (("development", 40, 2), ("calibration", 80, 1), ("measured", 40, 3)):
        voices, unlisted = phrases.SETS[which]
        listed = phrases.listed(count, seed, used)
        used += listed
        for kind, texts in (("listed", listed), ("unlisted", unlisted)):
            for k, words in enumerate(texts):  # each of calibration in half of the voices
                for voice in voices if which != "calibration" else [voices[(k + j) % len(voices)] for j in (0, 1, 2)]:
                    add(which, kind, words, voice)
    if people:
        for name, words in phrases.PEOPLE.items():
            shutil.copy(os.path.join(people, name + ".wav"), out)
            clips.append({"file": name + ".wav", "set": "measured", "kind": "people", "text": words, "voice": "people"})
    with open(os.path.join(out, "clips.json"), "w", encoding="utf8") as f:
        json.dump(clips, f, indent=1)


main()
