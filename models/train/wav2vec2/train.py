#!/usr/bin/env python3
"""Train the CTC model on the shards of a folder; goes on from its checkpoint if there is one.

  train.py --data DIR --out RUN.pt --minutes 60 [--start FOLDER] [--lr 1e-3]

--start takes the weights of an exported model folder; without it training
begins from a filterbank (fbinit.py) and needs the log-mel loss (--mel 1).
The schedule runs on the time trained, kept in the checkpoint: an interrupted
run takes up its learning rate where it was.
"""
import argparse
import copy
import glob
import multiprocessing as mp
import os
import time

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F

import augment
import bfloat
import ctc
import fbinit
import model
import shards
import text
import together
from clock import Clock, save


def parse():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--data", required=True)
    ap.add_argument("--out", required=True)
    ap.add_argument("--start")
    ap.add_argument("--minutes", type=float, default=60)
    ap.add_argument("--processes", type=int, default=1, help="each learns from batches of its own at every step")
    ap.add_argument("--lr", type=float, default=1e-3)
    ap.add_argument("--warm", type=int, default=1000, help="steps until the full rate")
    ap.add_argument("--flat", type=float, default=.25, help="part of the time at the full rate")
    ap.add_argument("--seconds", type=float, default=20, help="audio in one step")
    ap.add_argument("--mel", type=float, default=0)
    ap.add_argument("--phone", type=float, default=.3)
    ap.add_argument("--weights", default="espeak-train=1,espeak-accent=0.4,flite-train=1.5,foreign-train=1,hmm-train=2",
                    help="how often an utterance of a kind of shard is drawn, against the others")
    ap.add_argument("--eval", type=float, default=6, help="minutes between looks at the development set")
    ap.add_argument("--ema", type=float, default=.999)
    ap.add_argument("--seed", type=int, default=0)
    return ap.parse_args()


class Data:
    """Shards in memory; new ones that appear while training are taken in."""

    def __init__(self, folder, weights):
        self.folder, self.weights = folder, dict(w.split("=") for w in weights.split(","))
        self.shards, self.names = {}, {}
        self.scan()

    def scan(self):
        for j in sorted(glob.glob(self.folder + "/*.json")):
            p = j[:-5]
            kind = next((k for k in self.weights if os.path.basename(p).startswith(k)), None)
            if kind and p not in self.shards:
                s = shards.Shard(p)
                s.weight = float(self.weights[kind])
                s.map = np.array([self._label(n) for n in sorted(s.names, key=s.names.get)])
                self.shards[p] = s
        self.list = list(self.shards.values())
        w = np.array([len(s) * s.weight for s in self.list])
        self.p = w / w.sum()

    def _label(self, n):
        """Labels are numbered by a hash, so that the head does not depend on the order of the shards."""
        if n == "":
            return 0
        if n == shards.UNTOLD:
            return -100  # what cross_entropy leaves out
        h = 0
        for c in n.encode():
            h = (h * 131 + c) % 1000003
        return 1 + h % (N_PHONES - 1)

    def draw(self, R):
        s = self.list[R.choice(len(self.list), p=self.p)]
        return s, R.randint(len(s))


N_PHONES = 1024


def utterance(R, s, i):
    """One phrase: audio, label per sample position (as a function), text."""
    x, lab = s.get(i)
    f = 1.0
    if R.rand() < .7:
        f = R.uniform(.86, 1.16)
        x = augment.speed(x, f)
    return x, s.map[lab], f, s.texts[i]


def compose(R, data, items, seconds):
    """Phrases with gaps between them, as one clip: audio, labels at 50 Hz, text."""
    parts, spans, texts, n = [], [], [], 0
    lead = int((R.uniform(0, .35) if R.rand() < .85 else 0) * 16000)
    parts.append(np.zeros(lead, np.float32))
    n = lead
    for s, i in items:
        x, lab, f, t = utterance(R, s, i)
        if texts and (n + len(x)) / 16000 > seconds:
            continue
        if text.holds_test_text(" ".join(texts + [t]).lower()):
            continue
        level = 10 ** (R.uniform(-7, 0) / 20) / (x.std() + 1e-4)
        spans.append((n, len(x), lab, f))
        gap = np.zeros(int((R.uniform(.02, .9) if R.rand() < .9 else 0) * 16000), np.float32)
        parts += [x * level, gap]
        n += len(x) + len(gap)
        texts.append(t)
    x = np.concatenate(parts)
    if R.rand() < .33:  # cut off close, as an editor or a voice detector would
        a, ln = spans[-1][:2]
        x = x[:a + ln]
        if R.rand() < .5:
            cut = max(0, spans[0][0] - 200)
            x, spans = x[cut:], [(a - cut, ln, lab, f) for a, ln, lab, f in spans]
    y = np.zeros(model.frames(len(x)), np.int64)
    c = np.arange(len(y)) * 320 + 200
    for a, ln, lab, f in spans:
        ok = (c >= a) & (c < a + ln)
        k = ((c[ok] - a) * f / 320).astype(int)
        y[ok] = lab[np.minimum(k, len(lab) - 1)]
    if R.rand() < .6:
        x = augment.room_and_eq(R, x)
    x = augment.coarse(R, augment.add_noise(R, x))
    return augment.normalise(x), y, " ".join(texts)


# clips are padded to these lengths, for few shapes (bfloat.py)
LENGTHS = [int(1.25 ** k * 16000) for k in range(12)]
CLIPS = 20  # of one batch, at most


def padded(n):
    return next((k for k in LENGTHS if k >= n), n)


def fill(clips, total):
    """As many of the clips as make a batch of total seconds, and what they are padded to."""
    taken, n = [], 0
    for clip in clips:
        taken.append(clip)
        n = padded(max(n, len(clip[0])))
        count = min(CLIPS, max(1, round(total * 16000 / n)))
        if len(taken) >= count:
            break
    return taken[:count], n


def phrases(R, data):
    """Single phrases, neighbours in length out of a larger draw."""
    draw = sorted((data.draw(R) for _ in range(64)), key=lambda q: q[0].off[q[1] + 1] - q[0].off[q[1]])
    k = R.randint(64)
    for item in draw[k:] + draw[:k][::-1]:
        yield compose(R, data, [item], 99)


def joined(R, data, seconds):
    """Phrases joined to clips of about so many seconds, of one speaker or of several."""
    while True:
        one = R.rand() < .5
        s, i = data.draw(R)
        yield compose(R, data, [(s, i)] + [(s, R.randint(len(s))) if one else data.draw(R) for _ in range(9)], seconds)


def batch(R, data, total):
    """Clips of about one length, so that little is padding; three in five batches have a clip without speech."""
    u = R.rand()
    clips, n = fill(phrases(R, data) if u < .5 else joined(R, data, R.uniform(2.5, 6) if u < .75 else R.uniform(6, 10.5)), total)
    if R.rand() < .6:
        clips[-1] = (augment.normalise(augment.not_speech(R, n)), np.zeros(model.frames(n), np.int64), "")
    t = model.frames(n)
    X = np.zeros((len(clips), n), np.float32)
    P = np.full((len(clips), t), -100)  # what cross_entropy leaves out
    M = np.zeros((len(clips), t), bool)
    for k, (x, y, _) in enumerate(clips):
        X[k, :len(x)] = x
        P[k, :len(y)] = y
        for _ in range(R.poisson(t * .008)):
            s = R.randint(t)
            M[k, s:s + R.randint(2, 7)] = True
    tg = [text.encode(c[2]) for c in clips]
    return X, np.array([len(c[0]) for c in clips]), P, M, np.array(sum(tg, []), np.int64), np.array([len(q) for q in tg], np.int64)


def feeder(q, a, seed):
    """Runs in a process of its own: mixing sound takes a third of the time of learning from it."""
    R = np.random.RandomState(seed)
    data = Data(a.data, a.weights)
    n = 0
    while True:
        q.put(batch(R, data, a.seconds))
        n += 1
        if n % 100 == 0:
            data.scan()


class LogMel(nn.Module):
    """Log-mel energies in step with the conv stack's frames, for training from nothing."""

    def __init__(self, n=40):
        super().__init__()
        f = np.linspace(0, 8000, 257)
        m = 1127 * np.log1p(f / 700)
        c = np.linspace(1127 * np.log1p(60 / 700), 1127 * np.log1p(7800 / 700), n + 2)
        w = [np.clip(np.minimum((m - c[i]) / (c[i + 1] - c[i]), (c[i + 2] - m) / (c[i + 2] - c[i + 1])), 0, 1) for i in range(n)]
        self.register_buffer("bank", torch.tensor(np.array(w).T, dtype=torch.float32))
        self.register_buffer("window", F.pad(torch.hann_window(400), (56, 56)))

    def forward(self, x):
        x = F.pad(x, (56, 56)).unfold(1, 512, 320) * self.window
        return ((torch.fft.rfft(x).abs() ** 2) @ self.bank + .1).log() / 2.5 - .5


@torch.no_grad()
def development(m, folder):
    """Greedy word error rates on the development shards: phrases, joined phrases, noise, flite."""
    m.eval()
    R, out = np.random.RandomState(1), {}

    def run(clips):
        return ctc.wer([(ctc.greedy(m(torch.from_numpy(augment.normalise(x))[None])[0].numpy()), t) for x, t in clips])

    for kind in ("espeak-dev", "flite-dev"):
        if not os.path.exists(f"{folder}/{kind}.json"):
            continue
        s = shards.Shard(f"{folder}/{kind}")
        c = [(s.get(i)[0], s.texts[i]) for i in range(0, len(s), 2)]
        out[kind] = run(c)
        j = []
        for k in range(0, len(c) - 8, 8):
            part = c[k:k + 8]
            j.append((np.concatenate([np.concatenate([x, np.zeros(int(R.uniform(.1, .6) * 16000), np.float32)]) for x, _ in part])[:200000],
                      " ".join(t for _, t in part)))
        j = [(x, t) for x, t in j if len(x) < 200000]
        if j:
            out[kind + " joined"] = run(j)
        if kind == "espeak-dev":
            out["espeak-dev 10 dB"] = run([(x + R.randn(len(x)).astype(np.float32) * x.std() * 10 ** -.5, t) for x, t in c])
    neg = [ctc.greedy(m(torch.from_numpy(augment.normalise(augment.not_speech(R, R.randint(16000, 80000))))[None])[0].numpy()) for _ in range(40)]
    out["not empty"] = sum(map(bool, neg)) / 40
    m.train()
    return out


def blank_first(m):
    """Most frames begin as blanks. Without it the first steps push every layer towards what says blank,
    the upper ones as far as a constant output, from which they do not come back."""
    with torch.no_grad():
        m.lm_head.bias[0] = 5


class Training:
    """The model, the heads that help it while training, the optimiser, and how far they are."""

    def __init__(self, a):
        self.a, self.mels = a, LogMel()
        torch.manual_seed(a.seed)
        if a.start:
            self.model = model.from_onnx(a.start)
        else:
            self.model = model.CTC()
            fbinit.start(self.model)
            blank_first(self.model)
        h, c = self.model.sizes["hidden"], self.model.sizes["dims"][-1]
        self.heads = nn.ModuleDict(dict(phone=nn.Linear(h, N_PHONES), mel=nn.Sequential(nn.LayerNorm(c), nn.Linear(c, 40))))
        self.params = list(self.model.parameters()) + list(self.heads.parameters())
        self.opt = torch.optim.AdamW([dict(params=[p for p in self.params if p.dim() > 1], weight_decay=.01),
                                      dict(params=[p for p in self.params if p.dim() <= 1], weight_decay=0)], lr=a.lr, betas=(.9, .98))
        self.ema = copy.deepcopy(self.model)
        self.step, self.trained, self.best = 0, 0., 9.
        if os.path.exists(a.out):
            self.restore()

    def parts(self):
        return dict(model=self.model, ema=self.ema, heads=self.heads, opt=self.opt)

    def restore(self):
        k = torch.load(self.a.out)
        for name, part in self.parts().items():
            part.load_state_dict(k[name])
        self.step, self.trained, self.best = k["step"], k["trained"], k["best"]
        print("goes on at step", self.step, "%.1f min" % (self.trained / 60), flush=True)

    def save(self, path):
        states = {name: part.state_dict() for name, part in self.parts().items()}
        save(dict(states, sizes=self.model.sizes, step=self.step, trained=self.trained, best=self.best), path)

    def losses(self, X, samples, P, M, texts, lengths):
        """CTC per character, phonemes in the middle layer, log-mel energies in the conv features."""
        with bfloat.products():
            conv, mid, logits = self.model.train_forward(X, M, samples)
            phones = self.heads["phone"](mid).float()
        t, frames = logits.shape[1], model.frames(samples)
        ctc_loss = F.ctc_loss(logits.float().log_softmax(-1).transpose(0, 1), texts, frames, lengths,
                              reduction="none", zero_infinity=True)
        # a clip without speech counts as one of a few characters
        ctc_loss = ctc_loss.sum() / torch.maximum(lengths, frames // 20).sum()
        told = int((P >= 0).sum())
        phone = F.cross_entropy(phones.reshape(-1, N_PHONES), P.reshape(-1), reduction="sum") / max(1, told)
        mel = torch.zeros(())
        if self.a.mel:
            y = self.mels(X)
            k = min(t, y.shape[1])
            mel = F.mse_loss(self.heads["mel"](conv.float())[:, :k], y[:, :k])
        return ctc_loss, phone, mel

    def update(self):
        """One step of the optimiser and of the moving average; gives the gradient's norm."""
        norm = nn.utils.clip_grad_norm_(self.params, 2.0)
        if torch.isfinite(norm):
            self.opt.step()
            self.step += 1
            d = min(self.a.ema, (self.step + 1) / (self.step + 50))
            with torch.no_grad():
                for p, r in zip(self.ema.parameters(), self.model.parameters()):
                    p.lerp_(r, 1 - d)
        return norm

    def look(self):
        """Measures the average on the development set, keeps the state, and the best one beside it."""
        r = development(self.ema, self.a.data)
        score = np.mean(list(r.values()))
        print(f"DEV {self.trained / 60:.1f} min step {self.step} mean {score:.4f}", {k: round(v, 4) for k, v in r.items()}, flush=True)
        best, self.best = score < self.best, min(score, self.best)
        self.save(self.a.out)
        if best:
            self.save(self.a.out[:-3] + ".best.pt")


class Log:
    """A line every fifty steps."""

    def __init__(self):
        self.clear()

    def clear(self):
        self.losses, self.wait, self.seconds, self.begin = [], 0., 0., time.time()

    def add(self, losses, wait, seconds):
        self.losses.append([float(x) for x in losses])
        self.wait, self.seconds = self.wait + wait, self.seconds + seconds

    def line(self, t, norm):
        n = len(self.losses)
        print(f"step {t.step} {t.trained / 60:.1f} min ctc %.3f phone %.3f mel %.3f " % tuple(np.mean(self.losses, 0))
              + f"grad {norm:.2f} {(time.time() - self.begin) / n * 1e3:.0f} ms a step, {self.wait / n * 1e3:.0f} waiting, {self.seconds / n:.1f} s of audio", flush=True)
        self.clear()


def main(rank, a):
    torch.set_num_threads(1)
    t, q, log = Training(a), mp.Queue(8), Log()
    # a resumed run draws other clips than the ones it has seen
    worker = mp.Process(target=feeder, args=(q, a, a.seed * 1000003 + t.step + rank * 500009), daemon=True)
    worker.start()
    clock = Clock(a.minutes, t.trained)
    pr, looked = clock.progress(), t.trained
    while pr < 1:
        for g in t.opt.param_groups:
            g["lr"] = a.lr * min(1, (t.step + 1) / a.warm) * (1 if pr < a.flat else max(.01, (1 - pr) / (1 - a.flat)))
        begin = time.time()
        batch = [torch.from_numpy(v) for v in q.get()]
        wait = time.time() - begin
        ctc_loss, phone, mel = losses = t.losses(*batch)
        t.opt.zero_grad()
        (ctc_loss + a.phone * phone + a.mel * max(.05, 1 - pr * 2.5) * mel).backward()
        pr, = together.average(t.params, clock.progress())
        norm = t.update()
        t.trained = clock.seconds()
        if rank:
            continue
        log.add(losses, wait, batch[0].numel() / 16000)
        if t.step % 50 == 0:
            log.line(t, norm)
        if t.trained > looked + a.eval * 60:
            looked = t.trained
            with clock.stopped():
                t.look()
    if not rank:
        t.look()
    worker.terminate()


if __name__ == "__main__":
    a = parse()
    together.start(main, a.processes, a)
