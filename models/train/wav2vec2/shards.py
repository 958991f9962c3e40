"""Shards of synthesised utterances on disk.

A shard NAME is three files: NAME.audio.npy (int16, 16 kHz, all utterances one
after another), NAME.labels.npy (uint16 phoneme label of each 20 ms, 0 = none)
and NAME.json (offsets of both, texts, voices, names of the labels). The label named
UNTOLD is that of frames whose phoneme the synthesiser does not tell.
"""
import json
import os

import numpy as np
from scipy.signal import resample_poly

RATE = 16000
HOP = 320
UNTOLD = "?"


def resample(x, rate):
    """float32 from `rate` to 16 kHz. A false `rate` shifts pitch and formants together."""
    g = np.gcd(int(rate), RATE)
    return resample_poly(x.astype(np.float32), RATE // g, int(rate) // g)


def trim(x, threshold=200, keep=1600):
    """Cut silence at both ends (int16 scale) down to `keep` samples; returns (audio, samples cut)."""
    nz = np.nonzero(np.abs(x) > threshold)[0]
    if len(nz) == 0:
        return None, 0
    a = max(0, nz[0] - keep)
    return x[a:nz[-1] + keep], a


def frame_labels(phones, n, cut=0):
    """[(start second, label)] to one label per 20 ms of n samples."""
    out = np.zeros(n // HOP + 1, np.uint16)
    for (s, lab), (e, _) in zip(phones, phones[1:] + [(1e9, 0)]):
        a = int(max(0, s * RATE - cut) / HOP)
        b = int(min(len(out) * HOP, max(0, e * RATE - cut)) / HOP)
        out[a:b] = lab
    return out


class Writer:
    def __init__(self, path):
        self.path = path
        self.audio, self.labels, self.texts, self.voices = [], [], [], []
        self.names = {"": 0}

    def label(self, name):
        return self.names.setdefault(name, len(self.names))

    def add(self, audio, labels, text, voice):
        self.audio.append(np.clip(audio, -32768, 32767).astype(np.int16))
        self.labels.append(labels)
        self.texts.append(text.upper())
        self.voices.append(voice)

    def hours(self):
        return sum(map(len, self.audio)) / RATE / 3600

    def save(self):
        """The json is written last and moved into place: a shard with a json is whole."""
        np.save(self.path + ".audio.npy", np.concatenate(self.audio))
        np.save(self.path + ".labels.npy", np.concatenate(self.labels))
        j = dict(texts=self.texts, voices=self.voices, names=self.names,
                 offsets=np.cumsum([0] + [len(a) for a in self.audio]).tolist(),
                 label_offsets=np.cumsum([0] + [len(a) for a in self.labels]).tolist())
        with open(self.path + ".tmp", "w") as f:
            json.dump(j, f)
        os.replace(self.path + ".tmp", self.path + ".json")


class Shard:
    def __init__(self, path):
        with open(path + ".json") as f:
            j = json.load(f)
        self.name = os.path.basename(path)
        self.audio = np.load(path + ".audio.npy", mmap_mode="r")
        self.labels = np.load(path + ".labels.npy", mmap_mode="r")
        self.off, self.loff = j["offsets"], j["label_offsets"]
        self.texts, self.voices, self.names = j["texts"], j["voices"], j["names"]

    def __len__(self):
        return len(self.texts)

    def get(self, i):
        """float32 in -1..1, and the labels."""
        return (self.audio[self.off[i]:self.off[i + 1]].astype(np.float32) / 32768,
                self.labels[self.loff[i]:self.loff[i + 1]])
