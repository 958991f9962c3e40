"""Batches from shards: events on canvases of 1.92 s, with neighbours, rooms and noise, all on power spectra."""
import glob
import os

import numpy as np

from features import BANDS, FLOOR, STEP
from model import STRIDE

CANVAS = 192
POWER = (10 ** ((FLOOR + STEP * np.arange(256)) / 10)).astype(np.float32)


class Bank:
    def __init__(self, folder, seed=0):
        self.folder, self.r, self.shards = folder, np.random.default_rng(seed), []
        self.mel, self.start, self.length, self.cls, self.key, self.pair = [], [], [], [], [], []
        self.classes, self.keys, self.pairs = {}, {}, {}
        self.members, self.in_pair = [], []
        self.pairs_of_key, self.pairs_seen = [], -1
        self.background = np.load(os.path.join(folder, "background.npy"))
        self.refresh()

    def refresh(self):
        """Reads new shards and returns their number."""
        new = [p for p in sorted(glob.glob(os.path.join(self.folder, "*.npz"))) if p not in self.shards and ".tmp." not in p]
        for path in new:
            z = np.load(path)
            n, ends = len(self.mel), z["ends"]
            self.mel.append(z["mel"])
            for i, (c, k, p) in enumerate(zip(z["classes"], z["keys"], z["pairs"])):
                e = len(self.cls)
                a = 0 if i == 0 else ends[i - 1]
                c = self.classes.setdefault(str(c), len(self.classes))
                self.start.append((n, int(a)))
                self.length.append(int(min(ends[i] - a, CANVAS)))
                self.cls.append(c)
                self.key.append(self.keys.setdefault(str(k), len(self.keys)))
                if c == len(self.members):
                    self.members.append([])
                self.members[c].append(e)
                p = self.pairs.setdefault(str(p), len(self.pairs))
                if p == len(self.in_pair):
                    self.in_pair.append([])
                if c not in self.in_pair[p]:
                    self.in_pair[p].append(c)
            self.shards.append(path)
        self.key_names = list(self.keys)
        return len(new)

    def event(self, e):
        """The power [rows, 64] of an event."""
        k, a = self.start[e]
        return POWER[self.mel[k][a:a + self.length[e]]]

    def curve(self, db):
        """A smooth random equaliser: factors of power [64]."""
        k = np.interp(np.arange(BANDS), np.linspace(0, BANDS - 1, 5), self.r.uniform(-db, db, 5))
        return (10 ** (k / 10)).astype(np.float32)

    def stretched(self, x, most=.1):
        m = int(len(x) * self.r.uniform(1 - most, 1 + most))
        return x[(np.arange(m) * len(x) / m).astype(int)]

    def canvas(self, e):
        r = self.r
        x = self.event(e)
        if r.random() < .5:
            x = self.stretched(x)
        x = x[:CANVAS]
        n = len(x)
        x = x * self.curve(r.uniform(0, 8))
        level = x.mean() + 1e-9
        out = np.zeros((CANVAS, BANDS), np.float32)
        at = int(r.integers(0, CANVAS - n + 1))
        if r.random() < .5:
            for side in (0, 1):
                if r.random() < .3:
                    continue
                y = self.event(int(r.integers(len(self.cls)))) * np.float32(10 ** r.uniform(-1.2, .6))
                gap = int(r.integers(-3, 30))
                if side == 0:
                    end = at - gap
                    y = y[max(0, len(y) - max(end, 0)):]
                    out[max(end, 0) - len(y):max(end, 0)] += y
                else:
                    a = at + n + gap
                    y = y[:max(0, CANVAS - a)]
                    out[a:a + len(y)] += y
        out[at:at + n] += x
        a, b = at + r.normal(0, .04) * n, at + n + r.normal(0, .04) * n
        if b - a < 6:
            a, b = at, at + n
        frame = np.arange(CANVAS // STRIDE) * STRIDE
        w = np.clip((np.minimum(frame + STRIDE, b) - np.maximum(frame, a)) / STRIDE, 0, 1).astype(np.float32)
        return out, w, level

    def rooms(self, x):
        """Adds a decaying tail to half of the canvases [b, time, 64]."""
        r, b = self.r, len(x)
        on = np.flatnonzero(r.random(b) < .5)
        seconds = np.exp(r.uniform(np.log(.15), np.log(1.2), (len(on), 1))) * (1 - np.linspace(0, .5, BANDS) * r.uniform(0, 1, (len(on), 1)))
        keep = (10 ** (-6 * .01 / seconds)).astype(np.float32)
        gain = ((1 - keep) * 10 ** r.uniform(-1.5, .3, (len(on), 1))).astype(np.float32)
        y = x[on]
        tail = np.zeros((len(on), BANDS), np.float32)
        for t in range(y.shape[1]):
            dry = y[:, t].copy()
            y[:, t] += tail
            tail = tail * keep + gain * dry
        x[on] = y
        return x

    def compose(self, events):
        """Decibels [b, 192, 64] and the weights of frames [b, 48] for a list of events."""
        r, b = self.r, len(events)
        made = [self.canvas(e) for e in events]
        x, w, level = np.stack([m[0] for m in made]), np.stack([m[1] for m in made]), np.array([m[2] for m in made])
        x = self.rooms(x)
        for i in range(b):
            if r.random() < .75:
                k = self.background[r.integers(len(self.background))]
                a = int(r.integers(0, len(k) - CANVAS))
                y = POWER[k[a:a + CANVAS]] * self.curve(6)
                x[i] += y * (level[i] / (y.mean() + 1e-12) * 10 ** (-r.uniform(-3, 38) / 10))
            x[i] *= 10 ** (r.uniform(-14, 12) / 10)
            x[i] += 10 ** (r.uniform(-9.5, -6.5))
        x = 10 * np.log10(np.maximum(x, 1e-10))
        for i in np.flatnonzero(r.random(b) < .25):  # a few bands are missing
            f, k = int(r.integers(0, BANDS - 6)), int(r.integers(2, 7))
            x[i, :, f:f + k] = x[i].mean()
        return x.astype(np.float32), w

    def group(self):
        """Lists the pairs of siblings of each family."""
        self.pairs_of_key, self.pairs_seen = [[] for _ in self.key_names], len(self.in_pair)
        for p, members in enumerate(self.in_pair):
            self.pairs_of_key[self.key[self.members[members[0]][0]]].append(p)
        self.families = [k for k, n in enumerate(self.key_names) if n.startswith("family:") and len(self.pairs_of_key[k]) > 3]

    def draw(self, classes=64, views=2, siblings=.6):
        """Events, and the class and the caption key of each. In three of ten batches most pairs are of two families only: look-alikes."""
        r, chosen, among = self.r, [], None
        if r.random() < .3:
            if len(self.pairs_of_key) != len(self.key_names) or self.pairs_seen != len(self.in_pair):
                self.group()
            few = [self.pairs_of_key[k] for k in r.permutation(self.families)[:2]]
            among = [p for f in few for p in f]
        tries = 0
        while len(chosen) < classes:
            tries += 1
            if among and tries < 3 * classes:
                p = self.in_pair[among[r.integers(len(among))]]
            else:
                p = self.in_pair[r.integers(len(self.in_pair))]
            p = [c for c in p if c not in chosen and len(self.members[c]) >= views]
            if len(p) == 2 and r.random() > siblings:
                p = [p[r.integers(2)]]
            chosen += p
        chosen = chosen[:classes]
        events = [int(e) for c in chosen for e in r.permutation(self.members[c])[:views]]
        return events, np.repeat(np.arange(classes), views), np.array([self.key[e] for e in events])
