#!/usr/bin/env python3
"""Make a shard with voices of hidden Markov models: synth_hmm.py OUT COUNT SEED.

RHVoice's Alan (British, male), Bdl (American, male) and Clb (American, female), and
SVOX Pico's American and British women. RHVoice's slt is left out: it is a speaker
of the flite test. Neither synthesiser tells its phones: all frames are UNTOLD.
"""
import os
import random
import subprocess
import sys
import tempfile
import time

import numpy as np
from scipy.io import wavfile

import rhvoice
import shards
import text

VOICES = {"Alan": .18, "Bdl": .2, "Clb": .26, "en-US": .2, "en-GB": .16}


def pico(t, voice, rate, pitch, path):
    said = f'<speed level="{100 * rate:.0f}"><pitch level="{100 * pitch:.0f}">{t}</pitch></speed>'
    subprocess.run(["pico2wave", "-l", voice, "-w", path, said], check=True)
    rate, x = wavfile.read(path)
    return x, rate


def main():
    path, count, seed = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    r, w, t0 = random.Random(seed), shards.Writer(path), time.time()
    untold = w.label(shards.UNTOLD)
    with tempfile.TemporaryDirectory() as tmp:
        while len(w.texts) < count:
            v = r.choices(list(VOICES), list(VOICES.values()))[0]
            t = text.train_sentence(r)
            # read at a false rate, which moves the formants; the pitch near the voice's own or far from it
            shift, rate = r.uniform(.84, 1.22), r.uniform(.6, 1.2)
            pitch = (r.uniform(.85, 1.2) if r.random() < .6 else r.uniform(.6, 1.6)) / shift
            if "-" in v:
                x, hz = pico(t, v, rate / shift, pitch, os.path.join(tmp, "x.wav"))
            else:
                x, hz = rhvoice.synth(t, v, rate / shift, pitch)
            y, _ = shards.trim(shards.resample(x, round(hz * shift / 100) * 100))
            if y is None or len(y) > 8 * shards.RATE:
                continue
            w.add(y, np.full(len(y) // shards.HOP + 1, untold, np.uint16), t, v)
            if len(w.texts) % 1000 == 0:
                print(len(w.texts), "%.2f h" % w.hours(), "%.0f s" % (time.time() - t0), flush=True)
    w.save()
    print(path, len(w.texts), "utterances", "%.2f h" % w.hours())


if __name__ == "__main__":
    main()
