#!/usr/bin/env python3
"""Synthesise clips of 2.56 s with their log-mel spectrograms: data.py OUT.pt CLIPS_PER_FAMILY SEED.

One clip in five stands in a room. The file holds wav int16 [clips, 40960], mel
float16 [clips, 256, 64], family [clips] and sounds (what captions.py needs).
"""
import os
import sys
import time

import numpy as np
import torch

import families
import rooms
from mel import log_mel

SAMPLES = 40960
LEVELS = [(.08, .3), (.35, .8), (.8, .98)]  # peak of a quiet, a usual, a loud clip


def sound(r, name):
    x, attributes = families.make(r, name, SAMPLES)
    room = name != "noise" and r.random() < .2
    if room:
        x = rooms.reverberate(r, x, r.uniform(.5, 1.6))
    level = int(r.choice(3, p=[.1, .8, .1]))
    x = x / (np.abs(x).max() + 1e-9) * r.uniform(*LEVELS[level])
    return x, dict(family=name, attributes=attributes, room=bool(room), level=level)


def main():
    out, per, seed = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    torch.set_num_threads(1)
    r, begin = np.random.default_rng(seed), time.time()
    wav, sounds = [], []
    for _ in range(per):
        for name in families.NAMES:
            x, info = sound(r, name)
            wav.append((x * 32767).astype(np.int16))
            sounds.append(info)
    wav = torch.tensor(np.stack(wav))
    mel = torch.cat([log_mel(wav[i:i + 64].float() / 32767).half() for i in range(0, len(wav), 64)])
    family = torch.tensor([families.NAMES.index(s["family"]) for s in sounds])
    torch.save(dict(wav=wav, mel=mel, family=family, sounds=sounds), out + ".tmp")
    os.replace(out + ".tmp", out)
    print(out, tuple(mel.shape), "mean %.2f std %.2f" % (mel.float().mean(), mel.float().std()), "%.0f s" % (time.time() - begin))


if __name__ == "__main__":
    main()
