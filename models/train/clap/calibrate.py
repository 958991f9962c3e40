#!/usr/bin/env python3
"""The terms of ../../../services/patterns/calibrate.go: how probable it is that a window is the pattern, from its score and those of its surroundings.

    calibrate.py vectors RUN.pt SETS FOLDER   the vectors of a folder of sets.py as the server has them, into FOLDER/NAME.pkl
    calibrate.py fit FOLDER                   fits on all of FOLDER, and prints F1 of each left out in turn

The server's copies and background are written by `GRYM_COPIES=SETS/copies go test ./services/patterns -run Copies`, which reads the shots that `vectors` has put there;
without them `vectors` stops after that. The numbers here and there must stay the same. Recordings have seven events in a minute; some are left without most of theirs and others
are searched for patterns that they do not have, so that the terms do not count on seven.
"""
import glob
import os
import pickle
import sys

import numpy as np
from scipy.optimize import minimize

from evaluate import f1, frames_of, iou, logistic, pooled, unit

SHORTEST, RATIO, LENGTHS = .1, 1.3, 18  # windows, as lengths.go has them
KINDS = ("easy", "hard", "babble")
EXAMPLES = "one s t q c z med gap t10 sc smx".split()
FEEDBACK = "one s t q z h uz ugap ut1 t10 smx sc c med".split()
LEAST, MOST, MIXTURE = .3, .5, .15


# ---------------------------------------------------------------- vectors

def window(n):
    return round(SHORTEST * RATIO ** n * 100) / 100


def numbers(seconds):
    n = min(LENGTHS - 1, int(np.floor(np.log(max(seconds, SHORTEST) / SHORTEST) / np.log(RATIO) + .5)))
    return range(max(0, n - 1), min(LENGTHS - 1, n + 1) + 1)


def spans(n, frames):
    hop = .08 if window(n) <= .9 else .2 if window(n) <= 3 else .5
    length = round(window(n) * 25)
    return [(a, a + length) for a in range(0, frames - length + 1, round(hop * 25))]


def vectors(run, sets, folder):
    from embed import clap, load
    from evaluate import read
    copies, patterns = os.path.join(sets, "copies"), read(sets, "detect")
    os.makedirs(copies, exist_ok=True)
    for i, (_, _, shots, _) in enumerate(patterns):
        for j, x in enumerate(shots):
            x.tofile(f"{copies}/{i:02d}_{j}.s16")
    if not os.path.exists(copies + "/cohort.f32"):
        sys.exit(f"now run GRYM_COPIES={copies} go test ./services/patterns -run Copies, and this again")
    net, _ = load(run)
    raw = np.fromfile(copies + "/cohort.f32", np.float32)
    cohort = [frames_of(net, raw[a:a + 480000] * 32768) for a in range(0, len(raw), 480000) if len(raw) - a > 9 * 16000]
    background, rows = {}, []
    for i, (name, word, shots, recordings) in enumerate(patterns):
        clips = [c for j, x in enumerate(shots) for c in (x, *(np.fromfile(f"{copies}/{i:02d}_{j}.s16.{k}.f32", np.float32) * 32768 for k in range(3)))]
        series = numbers(np.median([len(x) / 16000 for x in shots]))
        for n in series:
            if n not in background:
                length = round(window(n) * 25)
                background[n] = np.concatenate([pooled(net, f, [(a, a + length) for a in range(0, len(f) - length + 1, 5)]) for f in cohort])
        found = {}
        for kind, two in recordings.items():
            for which, (x, truth) in enumerate(two):
                f = frames_of(net, x)
                at = [s for n in series for s in spans(n, len(f))]
                found[kind, which] = np.array(at) * .04, pooled(net, f, at), truth
        rows.append({"name": name, "word": word, "shots": clap(net, clips)[:, 1].reshape(len(shots), 4, -1), "found": found,
                     "background": np.concatenate([background[n] for n in series])})
        print(name, flush=True)
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, os.path.basename(os.path.normpath(sets)) + ".pkl"), "wb") as out:
        pickle.dump(rows, out)


# ---------------------------------------------------------------- numbers

def near(x):
    return -np.log(np.maximum(1 - x, 1e-3))


def peaks(at, score, most=60):
    chosen, a, b = [], np.empty(0), np.empty(0)
    for i in np.argsort(-score, kind="stable"):
        s, e = at[i]
        if not (np.minimum(e, b) - np.maximum(s, a) > .25 * np.minimum(e - s, b - a) + 1e-9).any():
            chosen.append(i)
            a, b = np.append(a, s), np.append(b, e)
            if len(chosen) == most:
                break
    return np.array(chosen)


def matched(at, chosen, truth):
    free, right = list(truth), np.zeros(len(chosen), bool)
    for k, i in enumerate(chosen):
        hit = next((t for t in free if iou(at[i], t) >= .3), None)
        if hit is not None:
            free.remove(hit)
            right[k] = True
    return right


class Pattern:
    def __init__(self, row):
        self.__dict__.update(row)
        z = self.shots
        self.prototype, self.original = unit(z.mean((0, 1))), unit(z[:, 0].mean(0))
        left = np.array([z[i] @ unit(np.delete(z, i, 0).mean((0, 1))) for i in range(len(z))])
        self.against = self.background @ self.prototype
        self.high = np.quantile(self.against, .999)
        self.m, self.c, self.q = near(left.mean()), near(left[:, 0].mean()), near(self.high)
        self.threshold = (left.mean() + self.high) / 2


def surroundings(score):
    low = score[10:40]
    median = np.median(low)
    return near(score[:2].mean()), near(score[:10]).mean(), median, np.median(abs(low - median)) * 1.5


def gaps(v):
    return v - np.r_[v, np.full(3, v[-1])][3:][:len(v)]


def by_examples(p, recording):
    at, z, truth = recording
    s = z @ p.prototype
    chosen = peaks(at, s)
    score, one = s[chosen], np.ones(len(chosen))
    top, ten, median, away = surroundings(score)
    x = np.stack([one, near(score) - p.m, (top - p.m) * one, (p.q - p.m) * one, (p.c - p.m) * one, (score - median) / (away + .02), (near(median) - p.m) * one,
                  gaps(near(score)), (ten - top) * one, near(z[chosen] @ p.original) - p.c, near((z[chosen] @ p.shots.reshape(-1, z.shape[1]).T).max(1)) - p.m], 1)
    return x, matched(at, chosen, truth), len(truth), score


def corrected(p, recording):
    """The regression on the twenty likeliest windows, as correct.go makes it."""
    at, z, truth = recording
    s = z @ p.prototype
    chosen = peaks(at, s, 20)
    right, about, touched = matched(at, chosen, truth), [], np.zeros(len(at), bool)
    for i in chosen:
        a, b = at[i]
        shared = np.minimum(b, at[:, 1]) - np.maximum(a, at[:, 0])
        v = np.maximum(shared, 0) / (np.maximum(b, at[:, 1]) - np.minimum(a, at[:, 0]))
        close = np.flatnonzero(v >= .65)
        about.append(close[np.argsort(-v[close], kind="stable")][:7])
        touched |= (at[:, 0] < b + .1) & (at[:, 1] > a - .1)
    weak = np.flatnonzero(~touched & (s < p.threshold))
    weak = weak[np.linspace(0, len(weak) - 1, min(240, len(weak))).astype(int)]
    shots, others = p.shots.reshape(-1, z.shape[1]), p.background[np.argsort(-p.against)[:400]]
    x = np.concatenate([shots, *(z[a] for a in about), others, z[weak]])
    y = np.concatenate([np.ones(len(shots)), *(np.full(len(a), float(ok)) for a, ok in zip(about, right)), np.zeros(len(others) + len(weak))])
    w = np.concatenate([np.ones(len(shots)), *(np.full(len(a), 4 / len(a)) for a in about), np.full(len(others) + len(weak), .1)])
    return logistic(x.astype(np.float32), y, w, l2=1e-2)


def by_feedback(p, recording, head):
    at, z, truth = recording
    s, h = z @ p.prototype, z @ head[0] + head[1]
    mixed = near(s) - p.m + MIXTURE * h
    chosen = peaks(at, mixed)
    u, one = mixed[chosen], np.ones(len(chosen))
    top, ten, median, away = surroundings(s[peaks(at, s)])
    usual = np.median(u[10:40])
    x = np.stack([one, near(s[chosen]) - p.m, (top - p.m) * one, (p.q - p.m) * one, (s[chosen] - median) / (away + .02), h[chosen],
                  (u - usual) / (np.median(abs(u[10:40] - usual)) * 1.5 + .2), gaps(u), u[:2].mean() * one, (ten - top) * one,
                  near((z[chosen] @ p.shots.reshape(-1, z.shape[1]).T).max(1)) - p.m, near(z[chosen] @ p.original) - p.m, (p.c - p.m) * one, (near(median) - p.m) * one], 1)
    return x, matched(at, chosen, truth), len(truth), s[chosen]


# ---------------------------------------------------------------- terms

def thinned(r, recording):
    """The recording without most of its events."""
    at, z, truth = recording
    keep = set(r.permutation(len(truth))[:r.integers(1, 5)])
    on = np.ones(len(at), bool)
    for i, (a, b) in enumerate(truth):
        if i not in keep:
            on &= ~((at[:, 0] < b) & (at[:, 1] > a))
    return at[on], z[on], [t for i, t in enumerate(truth) if i in keep]


def without(recording):
    return recording[0], recording[1], []


def fitted(rows, l2=1e-4):
    """Weights by a regularised logistic regression; rows are numbers, what is right, and a weight."""
    x, y = np.concatenate([r[0] for r in rows]), np.concatenate([r[1] for r in rows]).astype(float)
    w = np.concatenate([np.full(len(r[1]), r[2]) for r in rows])
    w /= w.sum()
    mean, deviation = x.mean(0), x.std(0) + 1e-9
    mean[0], deviation[0] = 0, 1
    n, free = (x - mean) / deviation, np.r_[0, np.full(x.shape[1] - 1, l2)]

    def loss(v):
        u = n @ v
        return (w * (np.logaddexp(0, u) - y * u)).sum() + .5 * (free * v * v).sum(), n.T @ (w * (1 / (1 + np.exp(-u)) - y)) + free * v
    v = minimize(loss, np.zeros(x.shape[1]), jac=True, method="L-BFGS-B").x / deviation
    v[0] -= v[1:] @ mean[1:]
    return v


def probable(x, v):
    p = 1 / (1 + np.exp(-x @ v))
    o = np.sort(p)[::-1]
    best = (2 * np.cumsum(o) / (np.arange(1, len(o) + 1) + o.sum())).max()
    return p >= min(MOST, max(LEAST, best / 2))


def rows_of(r, patterns):
    """Rows to fit on, for both tables of terms."""
    plain, judged = [], []
    for p in patterns:
        for kind in KINDS:
            one, two = (p.found[kind, k] for k in (0, 1))
            other = next(o for o in r.permutation(patterns) if o.name != p.name)
            head = corrected(p, one)
            plain += [(*by_examples(p, x)[:2], weight) for x, weight in ((one, 1), (two, 1), (thinned(r, one), .15), (thinned(r, two), .15), (without(other.found[kind, 1]), .6))]
            judged += [(*by_feedback(p, x, head)[:2], weight) for x, weight in ((two, 1), (thinned(r, two), .15), (thinned(r, two), .15), (without(other.found[kind, 1]), .5))]
    return plain, judged


def fit(folder):
    sets = []
    for path in sorted(glob.glob(folder + "/*.pkl")):
        with open(path, "rb") as f:
            sets.append([Pattern(row) for row in pickle.load(f)])
    r, made = np.random.default_rng(1), []
    made = [rows_of(r, patterns) for patterns in sets]
    total = {}
    for k, patterns in enumerate(sets):
        terms = [fitted([row for j, m in enumerate(made) if j != k for row in m[i]]) for i in (0, 1)]
        for p in patterns:
            for kind in KINDS:
                head = corrected(p, p.found[kind, 0])
                for name, (x, right, count, score), rule in (
                        ("one threshold", by_examples(p, p.found[kind, 1]), lambda x, s: s >= p.threshold), ("examples", by_examples(p, p.found[kind, 1]), lambda x, s: probable(x, terms[0])),
                        ("corrections", by_feedback(p, p.found[kind, 1], head), lambda x, s: probable(x, terms[1]))):
                    on = rule(x, score)
                    total[name, kind, p.word] = total.get((name, kind, p.word), 0) + np.array([right[on].sum(), (~right[on]).sum(), count - right[on].sum()])
    for name in ("one threshold", "examples", "corrections"):
        print(f"{name:14s} F1, sounds / words:", "; ".join(f"{kind} {f1(*total[name, kind, False]):.3f} / {f1(*total[name, kind, True]):.3f}" for kind in KINDS))
    for names, i in ((EXAMPLES, 0), (FEEDBACK, 1)):
        print(", ".join(f"{name} {x:.4f}" for name, x in zip(names, fitted([row for m in made for row in m[i]]))))


if __name__ == "__main__":
    {"vectors": vectors, "fit": fit}[sys.argv[1]](*sys.argv[2:])
