#!/usr/bin/env python3
"""Spectrograms of the twenty families, synthesised above and generated below: picture.py --data FOLDER MODEL_FOLDER OUT.png"""
import argparse
import os
import struct
import zlib

import numpy as np
import torch

import captions
import families
from evaluate import Torch
from mel import log_mel

GAP, STRIDE, COLUMNS = 6, 2, 5


def png(path, grey):
    """8-bit greyscale [h, w]."""
    def chunk(name, data):
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
    h, w = grey.shape
    raw = b"".join(b"\0" + row.tobytes() for row in grey)
    with open(path, "wb") as f:
        f.write(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", w, h, 8, 0, 0, 0, 0)) + chunk(b"IDAT", zlib.compress(raw, 9)) + chunk(b"IEND", b""))


def tile(mel):
    """Time to the right, low bands below, loud is bright; each scaled to 60 dB below its own peak."""
    m = mel.numpy().T[::-1, ::STRIDE]
    m = (np.clip((m - m.max()) / 7 + 1, 0, 1) * 255).astype(np.uint8)
    return np.pad(m, ((0, GAP), (0, GAP)), constant_values=128)


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("--data", required=True)
    ap.add_argument("folder")
    ap.add_argument("out")
    a = ap.parse_args()
    torch.set_num_threads(1)
    test = torch.load(os.path.join(a.data, "test.pt"))
    made = log_mel(Torch(a.folder).sounds(["please play me some " + captions.CALLED[n][0] for n in families.NAMES], 5))
    rows = []
    for at in range(0, len(families.NAMES), COLUMNS):
        names = families.NAMES[at:at + COLUMNS]
        true = [next(m for m, s in zip(test["mel"], test["sounds"]) if s["family"] == n and not s["room"]) for n in names]
        rows += [np.concatenate([tile(m.float()) for m in true], 1), np.concatenate([tile(m) for m in made[at:at + COLUMNS]], 1)]
        rows.append(np.full((2 * GAP, rows[0].shape[1]), 255, np.uint8))
    png(a.out, np.concatenate(rows[:-1]))


if __name__ == "__main__":
    main()
