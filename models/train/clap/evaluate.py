#!/usr/bin/env python3
"""Figures of a checkpoint on the sets of sets.py: evaluate.py few|named|detect SETS RUN.pt.

few: 20-way recognition from five examples, with and without three degraded copies of each, and open sets with thresholds from the examples.
named: families by captions. detect: events in recordings, with thresholds from the examples, and after twenty corrections.
"""
import collections
import os
import pickle
import sys

import numpy as np
import torch

import captions
import data
import features
import rooms
import sounds
import speech
from embed import clap, load, melstat
from model import STRIDE

OTHER = speech.training_words()[::37]


def unit(x):
    return x / (np.linalg.norm(x, axis=-1, keepdims=True) + 1e-9)


def read(tests, name):
    with open(os.path.join(tests, name + ".pkl"), "rb") as f:
        return pickle.load(f)


# ---------------------------------------------------------------- few shots

def left_out(shots):
    """Similarity of each shot to the mean of the others."""
    return np.array([s @ unit(np.delete(shots, i, 0).mean(0)) for i, s in enumerate(shots)])


def thresholds(shots, cohort):
    """From leave-one-out alone, the mean less two deviations; and halfway between that mean and the 99th percentile of a cohort."""
    loo, p = left_out(shots), unit(shots.mean(0))
    return loo.mean() - 2 * max(loo.std(ddof=1), .01), .5 * (loo.mean() + np.quantile(cohort @ p, .99))


def copies(r, x, each=3):
    """A clip as it is, and copies of it in rooms and under noise at 4 to 18 dB, as the server makes them."""
    y, out = np.asarray(x, np.float64) / 32768, [x]
    for _ in range(each):
        z = rooms.equalise(r, rooms.reverberate(r, np.concatenate([y, np.zeros(800)]), r.uniform(.2, .7)))
        n = data.background(r, ["pink", "babble", "brown"][r.integers(3)], len(z) / features.RATE + .01, OTHER, speech.VOICES)[:len(z)]
        z = z + n * 10 ** (-r.uniform(4, 18) / 20) * np.sqrt((y ** 2).mean()) / .1
        out.append(np.round(np.clip(z, -1, 1) * 32767).astype(np.int16))
    return out


def report(method, got):
    for key in sorted(got, key=str):
        print(f"{method:13s} {key[0]:17s} {key[1]:6s} {key[2]:24s} {np.mean(got[key]):.3f}  of {len(got[key])}")


def few(tests, run):
    net, _ = load(run)
    cohort = read(tests, "cohort")
    base = melstat(cohort)
    mean, deviation = base.mean(0), base.std(0) + 1e-5
    methods = {"pattern": lambda c: clap(net, c)[:, 1], "caption": lambda c: clap(net, c)[:, 0], "melstat": lambda c: unit((melstat(c) - mean) / deviation)}
    for method, vectors in methods.items():
        r, got, others = np.random.default_rng(9), collections.defaultdict(list), vectors(cohort)
        for task, classes in read(tests, "few"):
            plain = [vectors(shots) for _, shots, *_ in classes]
            full = [np.stack([vectors(copies(r, x)) for x in shots]) for _, shots, *_ in classes]
            p, p2 = unit(np.stack([s.mean(0) for s in plain])), unit(np.stack([f.mean((0, 1)) for f in full]))
            loo = [np.concatenate([f[i] @ unit(np.delete(f, i, 0).mean((0, 1))) for i in range(5)]) for f in full]
            alone = np.array([thresholds(s, others) for s in plain])
            copied = np.array([(a.mean() - 1.5 * a.std(), .5 * (a.mean() + np.quantile(others @ b, .99))) for a, b in zip(loo, p2)])
            copied = np.c_[copied, copied.max(1)]
            for k, (_, _, clean, hard) in enumerate(classes):
                for name, clips in (("clean", clean), ("hard", hard)):
                    for x in vectors(clips):
                        for prototypes, t, suffix in ((p, alone, ""), (p2, copied, "+copies")):
                            s = prototypes @ x
                            got[task, name, "20-way" + suffix].append(s.argmax() == k)
                            # ten of the classes are known, twice, so that each is known once
                            for known in (np.arange(0, 20, 2), np.arange(1, 20, 2)):
                                best = known[s[known].argmax()]
                                for j, rule in enumerate(("loo", "cohort", "stricter")[:t.shape[1]]):
                                    passed = s[best] >= t[best, j]
                                    what = "known right " if k in known else "unknown accepted "
                                    got[task, name, what + rule + suffix].append(passed and (k not in known or best == k))
        report(method, got)


# ---------------------------------------------------------------- captions

def embed_text(net, tok, texts):
    ids, mask = captions.batch([captions.encode(tok, t) for t in texts])
    with torch.no_grad():
        return net.text(torch.from_numpy(ids), torch.from_numpy(mask)).numpy()


def named(tests, run):
    net, tok = load(run)
    sets = read(tests, "named")
    v = clap(net, [x for _, *gs in sets for g in gs for x in g])[:, 0]
    names = [n for n, *_ in sets]
    each = len(sets[0][1])
    v = v.reshape(len(names), 2, each, -1)

    def prompts(pick, templates):
        return unit(np.stack([embed_text(net, tok, [t.format(n) for n in pick(sounds.NAMES[k]) for t in templates]).mean(0) for k in names]))
    r = np.random.default_rng(7)
    for title, t in (("names and templates of training", prompts(lambda a: a[:-2], captions.TEMPLATES[0][:6])), ("names of training, unseen templates", prompts(lambda a: a[:-2], captions.TEMPLATES[1])),
                     ("first name, one unseen template", prompts(lambda a: a[:1], captions.TEMPLATES[1][:1])),
                     ("unseen names, unseen templates", prompts(lambda a: a[-2:], captions.TEMPLATES[1])), ("one unseen name as it stands", prompts(lambda a: a[-1:], ["{}"]))):
        for j, cond in enumerate(("clean", "hard")):
            s = np.einsum("kqd,nd->kqn", v[:, j], t)
            right = s.argmax(-1) == np.arange(len(names))[:, None]
            five = (np.argsort(-s, -1)[..., :5] == np.arange(len(names))[:, None, None]).any(-1)
            twenty = []
            for _ in range(40):
                pick = r.choice(len(names), 20, replace=False)
                twenty.append((s[pick][:, :, pick].argmax(-1) == np.arange(20)[:, None]).mean())
            print(f"{title:38s} {cond:6s} 87-way {right.mean():.3f}  top five {five.mean():.3f}  20-way {np.mean(twenty):.3f}")
            if title.startswith("names of") and cond == "clean":
                worst = np.argsort(right.mean(1))[:12]
                print("   worst:", ", ".join(f"{names[i]} {right[i].mean():.2f} (as {names[np.bincount(s[i].argmax(-1)).argmax()]})" for i in worst))


# ---------------------------------------------------------------- detection

def frames_of(net, x):
    m = 10 ** (features.log_mel(np.asarray(x, np.float32) / 32768) / 10) + 1e-7
    m = m[:len(m) // STRIDE * STRIDE]
    with torch.no_grad():
        return net.audio.frames(torch.from_numpy(10 * np.log10(m).astype(np.float32))[None, None])[0].T.contiguous()


def pooled(net, f, spans, size=512):
    """Pattern vectors [n, 192] of windows (start, end in frames) of frames f."""
    n = max(b - a for a, b in spans)
    out = []
    for i in range(0, len(spans), size):
        part = spans[i:i + size]
        index = torch.tensor([a for a, _ in part])[:, None] + torch.arange(n)
        w = (torch.arange(n)[None] < torch.tensor([b - a for a, b in part])[:, None]).float()
        with torch.no_grad():
            out.append(net.audio.pool(f[index.clamp(max=len(f) - 1)], w)[1].numpy())
    return np.concatenate(out)


def windows(n, lengths, hop=2):
    return [(a, a + L) for L in lengths for a in range(0, n - L + 1, hop)]


def peaks(spans, scores, least):
    """The best windows first, without those that overlap a better one."""
    order, chosen = np.argsort(-scores), []
    for i in order:
        if scores[i] < least or len(chosen) > 80:
            break
        a, b = spans[i]
        if all(min(b, d) - max(a, c) <= .25 * min(b - a, d - c) for c, d, _, _ in chosen):
            chosen.append((a, b, scores[i], i))
    return chosen


def iou(a, b):
    inter = min(a[1], b[1]) - max(a[0], b[0])
    return max(0, inter) / (max(a[1], b[1]) - min(a[0], b[0]))


def matched(found, truth, least=.3):
    """Whether each of the spans, the best first, is one of the truth, each of which counts once."""
    free, out = list(truth), []
    for f in found:
        hit = next((t for t in free if iou((f[0] * .04, f[1] * .04), t) >= least), None)
        if hit:
            free.remove(hit)
        out.append(hit is not None)
    return np.array(out, bool)


def f1(tp, fp, fn):
    return 2 * tp / max(1, 2 * tp + fp + fn)


def logistic(x, y, weight, steps=300, l2=2e-3, scale=8.):
    """Weights and bias by gradient descent on cosines times scale."""
    x, y, weight = torch.tensor(x * scale), torch.tensor(y, dtype=torch.float32), torch.tensor(weight, dtype=torch.float32)
    w, b = torch.zeros(x.shape[1], requires_grad=True), torch.zeros(1, requires_grad=True)
    opt = torch.optim.LBFGS([w, b], max_iter=steps, line_search_fn="strong_wolfe")

    def loss():
        opt.zero_grad()
        out = (torch.nn.functional.binary_cross_entropy_with_logits(x @ w + b, y, weight, reduction="sum") / weight.sum() + l2 * (w ** 2).sum())
        out.backward()
        return out
    opt.step(loss)
    return w.detach().numpy() * scale, float(b.detach())


def detect(tests, run):
    net, _ = load(run)
    cohort_clips = read(tests, "cohort")
    r = np.random.default_rng(8)
    cohort_frames = [frames_of(net, x) for x in cohort_clips[::2]]
    noise_frames = [frames_of(net, np.round(data.background(r, k, 12, OTHER, speech.VOICES) * a * 32767).astype(np.int16))
                    for k in ("pink", "white", "brown", "babble", "babble", "mix", "rain", "fan") for a in (.05, .5)]
    rows = collections.defaultdict(list)
    for name, is_word, shots, sets in read(tests, "detect"):
        copied = np.stack([clap(net, copies(r, x))[:, 1] for x in shots])  # [5, 4, 192]
        p = unit(copied.mean((0, 1)))
        loo = np.array([copied[i] @ unit(np.delete(copied, i, 0).mean((0, 1))) for i in range(5)])
        length = np.median([len(x) for x in shots]) / 16000 * 25
        lengths = sorted({max(3, int(round(length * k))) for k in (.75, 1, 1.3)})
        negatives = np.concatenate([pooled(net, f, windows(len(f), [L for L in lengths if L < len(f)], 5)) for f in cohort_frames + noise_frames if len(f) > lengths[0]])
        against = np.sort(negatives @ p)[::-1]
        thr = {"half": .5 * (loo.mean() + np.quantile(against, .999)), "loo": loo.mean() - 1.5 * loo.std(), "max": max(np.quantile(against, .9995), loo.mean() - 2 * loo.std())}
        for kind, (first, second) in sets.items():
            f, truth = frames_of(net, second[0]), second[1]
            spans = windows(len(f), lengths)
            z = pooled(net, f, spans)
            found = peaks(spans, z @ p, -1)
            ok, score = matched(found, truth), np.array([x[2] for x in found])
            def at(t):
                k = score >= t
                # matching again: the best first
                hit = ok[k]
                return hit.sum(), (~hit).sum(), len(truth) - hit.sum()
            for rule, t in thr.items():
                rows[kind, is_word, rule].append(at(t))
            rows[kind, is_word, "best"].append(max((at(t) for t in np.r_[score, 2]), key=lambda c: f1(*c)))
            rows[kind, is_word, "curve"].append((score, ok, len(truth), score - thr["half"]))
            # twenty corrections on the other recording
            f2 = frames_of(net, first[0])
            spans2 = windows(len(f2), lengths)
            z2 = pooled(net, f2, spans2)
            found2 = peaks(spans2, z2 @ p, -1)[:20]
            ok2 = matched(found2, first[1])
            # each correction with up to six windows about it
            about = [sorted((i for i in range(len(spans2)) if iou(spans2[i], c) >= .65), key=lambda i: -iou(spans2[i], c))[:6] for c in found2]
            which = np.concatenate([[k] * len(a) for k, a in enumerate(about)]).astype(int)
            near, right = z2[np.concatenate(about)], ok2[which]
            some = negatives[np.argsort(-(negatives @ p))[:400]]
            x = np.concatenate([copied.reshape(-1, 192), near, some])
            y = np.r_[np.ones(20), right, np.zeros(len(some))]
            wt = np.r_[np.ones(20), 4 / np.bincount(which)[which], .1 * np.ones(len(some))]
            w, b = logistic(x.astype(np.float32), y, wt)
            found3 = peaks(spans, z @ w + b, 0)
            ok3 = matched(found3, truth)
            rows[kind, is_word, "corrected"].append((ok3.sum(), (~ok3).sum(), len(truth) - ok3.sum()))
            # the threshold that would have done best on the corrections themselves
            own = np.array([(z2[a] @ w + b).max() for a in about])
            if ok2.any() and not ok2.all():
                edge = np.sort(own)
                cuts = np.r_[edge[0] - 1, (edge[1:] + edge[:-1]) / 2]
                cut = max(cuts, key=lambda t: (f1(ok2[own >= t].sum(), (~ok2[own >= t]).sum(), ok2[own < t].sum()), t))
            else:
                cut = 0
            found3 = peaks(spans, z @ w + b, cut)
            ok3 = matched(found3, truth)
            rows[kind, is_word, "corrected, its cut"].append((ok3.sum(), (~ok3).sum(), len(truth) - ok3.sum()))
            found4 = peaks(spans, z @ w + b, -99)
            ok4, s4 = matched(found4, truth), np.array([x[2] for x in found4])
            rows[kind, is_word, "corrected, best"].append(max(((ok4[s4 >= t].sum(), (~ok4[s4 >= t]).sum(), len(truth) - ok4[s4 >= t].sum()) for t in np.r_[s4, 99]), key=lambda c: f1(*c)))
        print(name, "words" if is_word else "sound", f"loo {loo.mean():.2f} {loo.std():.2f} cohort .999 {np.quantile(against, .999):.2f}",
              *(f"{k}: half {f1(*rows[k, is_word, 'half'][-1]):.2f} best {f1(*rows[k, is_word, 'best'][-1]):.2f} corrected {f1(*rows[k, is_word, 'corrected'][-1]):.2f}" for k in sets), flush=True)
    for kind in ("easy", "hard", "babble"):
        for is_word in (False, True):
            curve = rows[kind, is_word, "curve"]
            total = sum(c[2] for c in curve)
            line = []
            for j, what in ((0, "one threshold for all"), (3, "one offset for all")):
                s, ok = np.concatenate([c[j] for c in curve]), np.concatenate([c[1] for c in curve])
                line.append(f"{what} {max(f1(ok[s >= t].sum(), (~ok[s >= t]).sum(), total - ok[s >= t].sum()) for t in np.quantile(s, np.linspace(0, 1, 400))):.3f}")
            for rule in ("half", "loo", "max", "best", "corrected", "corrected, its cut", "corrected, best"):
                c = np.array(rows[kind, is_word, rule]).sum(0)
                line.append(f"{rule} {f1(*c):.3f} (p {c[0] / max(1, c[0] + c[1]):.2f} r {c[0] / max(1, c[0] + c[2]):.2f})")
            print(kind, "words" if is_word else "sounds", total, "events:", "; ".join(line))


if __name__ == "__main__":
    {"few": few, "named": named, "detect": detect}[sys.argv[1]](*sys.argv[2:4])
