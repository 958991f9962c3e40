#!/usr/bin/env python3
"""Train the audio language model on composed clips and conversations about them.

  train.py --data FOLDER --out RUN.pt --minutes 60 [--start MODEL_FOLDER]

Resumable: called again with the same --out it goes on. Shards train-*.json that
appear in the folder meanwhile are taken in. --start takes the weights and the
tokenizer of a model folder; the tokenizer then gets more merges.
"""
import argparse
import glob
import os
import time

import numpy as np
import torch
import torch.nn.functional as F

import bfloat
import folder
import questions
import together
from bfloat import round_up
from bytepairs import Tokenizer, words
from clips import KNOWN, Clips
from clock import Average, Clock, rate, save
from networks import FAR, ROWS, Gama
from questions import BOS, EOS, PLAIN

CLASSES = KNOWN + ["unknown"]
GROUPS, GROUP = 4, 8  # a batch is groups of like length, the groups of different lengths: batches of one length teach no durations
TOKENS, FRAMES, TARGETS = 32, 64, 256  # lengths and counts are padded to multiples of these, for few shapes
KEPT = {"over": .5}  # share of a kind's clips that is drawn: with all of them, one sound is taken for two oftener than two for one
TURNS = 7  # questions about each clip in a step
LOOSE, DROP = .06, .3  # share of a question's words that lose merges, and how many they lose: words never met come in pieces


def prompt(tokenizer, r, question):
    return [i for w in words(question + "\n") for i in (tokenizer.loosely(w, r, DROP) if r.random() < LOOSE else tokenizer.word(w))]


def talk(tokenizer, r, fact):
    """One conversation as ids, and for each place the id to predict there or -100."""
    ids, target = [BOS], [-100]
    for q, a in questions.conversation(r, fact, int(r.choice([1, 2, 3], p=[.6, .25, .15]))):
        p, t = prompt(tokenizer, r, q), tokenizer.encode(a) + [EOS]
        ids += p + t
        target += [-100] * (len(p) - 1) + t + [-100]
    return ids, target


def pack(tokenizer, r, facts):
    """Several conversations after the shared audio rows, hidden from one another.

    Gives ids and targets [b, n], and positions and bias with the audio rows in front.
    """
    rows = []
    for fact in facts:
        row, turns = [], 0
        while turns < TURNS:
            row.append(talk(tokenizer, r, fact))
            turns += row[-1][0].count(EOS)
        rows.append(row)
    n, b = round_up(max(sum(len(i) for i, _ in row) for row in rows), TOKENS), len(rows)
    ids, position = np.zeros((b, n), np.int64), np.zeros((b, n), np.int64)
    part, target = np.full((b, n), -1), np.full((b, n), -100, np.int64)
    for k, row in enumerate(rows):
        at = 0
        for s, (i, t) in enumerate(row):
            span = slice(at, at + len(i))
            ids[k, span], target[k, span], position[k, span], part[k, span] = i, t, ROWS + np.arange(len(i)), s
            at += len(i)
    part = torch.from_numpy(part)
    seen = torch.zeros(b, ROWS + n, ROWS + n, dtype=torch.bool)
    seen[:, :ROWS, :ROWS] = torch.ones(ROWS, ROWS).tril().bool()
    seen[:, ROWS:, :ROWS] = True
    seen[:, ROWS:, ROWS:] = (part[:, :, None] == part[:, None, :]) & torch.ones(n, n).tril().bool()
    position = torch.cat([torch.arange(ROWS)[None].expand(b, -1), torch.from_numpy(position)], 1)
    return torch.from_numpy(ids), torch.from_numpy(target), position, torch.where(seen, 0., FAR)[:, None]


def token_weights(tokenizer):
    """Words that depend on the sound count six times those that every answer has."""
    w = torch.full((len(tokenizer.tokens),), 2.5)
    for word in PLAIN:
        for text in (word, " " + word):
            ids = tokenizer.encode(text)
            if len(ids) == 1:
                w[ids] = .4
    w[tokenizer.encode("Yes") + tokenizer.encode("No")] = 2.5
    w[EOS] = .4
    return w


class Corpus:
    """The clips of all shards found so far, in order of length."""

    def __init__(self, data):
        self.data, self.shards, self.names, self.items, self.left = data, [], set(), [], []

    def look(self):
        """Takes in new shards."""
        for path in sorted(glob.glob(os.path.join(self.data, "train-*.json"))):
            if path not in self.names:
                self.names.add(path)
                self.shards.append(Clips(path[:-5]))
                self.items += [(len(self.shards) - 1, i) for i in range(len(self.shards[-1]))]
                self.left = []
                print("shard", path, len(self.items), "clips", flush=True)

    def length(self, item):
        return self.shards[item[0]].frames(item[1])

    def draw(self, r):
        """GROUPS groups of GROUP clips of like length."""
        size = GROUPS * GROUP
        if not self.left:
            order = [i for i in r.permutation(len(self.items)) if r.random() < KEPT.get(self.fact(self.items[i])["kind"], 1)]
            for at in range(0, len(order) - size * 8 + 1, size * 8):
                chosen = sorted((self.items[i] for i in order[at:at + size * 8]), key=self.length)
                groups = [chosen[i:i + GROUP] for i in range(0, len(chosen), GROUP)]
                step = len(groups) // GROUPS
                self.left += [groups[i::step] for i in range(step)]
            self.left = [self.left[i] for i in r.permutation(len(self.left))]
        return self.left.pop()

    def fact(self, item):
        return self.shards[item[0]].facts[item[1]]

    def rows(self, r, group):
        """Log-mel of a group, its overall tilt and level disturbed a little."""
        shards = [self.shards[s] for s, _ in group]
        n = max(map(self.length, group)) + int(r.integers(0, 24) if r.random() < .95 else r.integers(0, 500))
        n = min(1024, round_up(n, FRAMES))
        x = torch.zeros(len(group), n, 128)
        for row, shard, (_, i) in zip(x, shards, group):
            row[:shard.frames(i)] = torch.from_numpy(shard.rows[shard.offsets[i]:shard.offsets[i + 1]].astype(np.float32))
        tilt = torch.from_numpy(r.uniform(-.5, .5, (len(group), 1, 1)).astype(np.float32)) * torch.linspace(-1, 1, 128)
        return torch.where(x == 0, x, x + tilt)


def class_of(name):
    return CLASSES.index(name) if name in CLASSES else len(KNOWN)


def frame_labels(facts, columns):
    y = torch.zeros(len(facts), columns, len(CLASSES))
    for row, fact in zip(y, facts):
        for name, a, b, _ in fact["events"]:
            row[a // 640:min(columns, b // 640), class_of(name)] = 1
    return y


def aux_losses(heard, facts, labels):
    """Family in each frame; and from the Q-Former what is first, what is second, what there is."""
    frames = sum(F.binary_cross_entropy_with_logits(h[1].float(), y) for h, y in zip(heard, labels)) / len(labels) * len(CLASSES)
    first, second = [], []
    for fact in facts:
        c, nothing = [class_of(e[0]) for e in fact["events"]], len(CLASSES)
        over = fact["kind"] == "over"
        first.append(-100 if over else c[0] if c else nothing)
        second.append(-100 if over else c[1] if len(c) > 1 else nothing)
    h1, h2, hp = (torch.cat([h[k].float() for h in heard]) for k in (2, 3, 4))
    query = (F.cross_entropy(h1, torch.tensor(first), ignore_index=-100) + F.cross_entropy(h2, torch.tensor(second), ignore_index=-100)
             + 5 * F.binary_cross_entropy_with_logits(hp, torch.cat([y.amax(1) for y in labels])))
    return frames, query


def told(target):
    """The places that have a target; the first of all, which has none, fills up."""
    places = (target >= 0).nonzero()[:, 0]
    return F.pad(places, (0, round_up(len(places), TARGETS) - len(places)))


def losses(net, tokenizer, weights, r, corpus):
    """Of the answers, of the families in each frame, of what the Q-Former says."""
    groups = corpus.draw(r)
    facts = [corpus.fact(item) for g in groups for item in g]
    heard = [net.audio(corpus.rows(r, g), aux=True) for g in groups]
    ids, target, position, bias = pack(tokenizer, r, facts)
    states, _ = net.dec.states(torch.cat([torch.cat([h[0] for h in heard]), net.embed(ids)], 1), position, bias)
    target = target.reshape(-1)
    places = told(target)
    logits = net.dec.lm_head(states[:, ROWS:].reshape(-1, states.shape[2])[places])
    said = F.cross_entropy(logits.float(), target[places], ignore_index=-100, weight=weights)
    at, labels = 0, []
    for g, h in zip(groups, heard):
        labels.append(frame_labels(facts[at:at + len(g)], h[1].shape[1]))
        at += len(g)
    return (said, *aux_losses(heard, facts, labels))


def parse():
    ap = argparse.ArgumentParser()
    ap.add_argument("--data", required=True)
    ap.add_argument("--out", required=True)
    ap.add_argument("--start", default="")
    ap.add_argument("--minutes", type=float, default=60)
    ap.add_argument("--wall", action="store_true", help="minutes of the wall's clock")
    ap.add_argument("--lr", type=float, default=1.5e-3)
    ap.add_argument("--flat", type=float, default=.2, help="share of the time at the full rate")
    ap.add_argument("--processes", type=int, default=1, help="each learns from batches of its own at every step")
    return ap.parse_args()


def begin(a, saved):
    """Tokenizer and weights: of the checkpoint, of a model folder, or new."""
    if saved:
        tokenizer = Tokenizer(saved["merges"], questions.SPECIALS)
    else:
        tokenizer = questions.new_tokenizer(np.random.default_rng(0), folder.read_merges(a.start) if a.start else ())
    if a.start and not saved:
        return tokenizer, folder.read(a.start, tokenizer, len(CLASSES))
    return tokenizer, Gama(len(tokenizer.tokens), len(CLASSES))


def main(rank, a):
    torch.set_num_threads(1)
    saved = torch.load(a.out) if os.path.exists(a.out) else None
    step = saved["step"] if saved else 0
    torch.manual_seed(step)
    r = np.random.default_rng([1 + step, rank])
    tokenizer, net = begin(a, saved)
    opt = torch.optim.AdamW(net.parameters(), lr=a.lr, betas=(.9, .98), weight_decay=.01)
    average, corpus, weights = Average(net, .998), Corpus(a.data), token_weights(tokenizer)
    if saved:
        net.load_state_dict(saved["net"])
        average.module.load_state_dict(saved["average"])
        opt.load_state_dict(saved["opt"])
    clock, log, kept = Clock(a.minutes, saved["seconds"] if saved else 0, a.wall), [], time.time()

    def keep():
        save(dict(net=net.state_dict(), average=average.module.state_dict(), opt=opt.state_dict(), merges=tokenizer.merges, step=step,
                  seconds=clock.seconds()), a.out)
    p = clock.progress()
    while p < 1:
        if step % 100 == 0 or not corpus.items:
            corpus.look()
        for g in opt.param_groups:
            g["lr"] = rate(p, a.lr, step, 60, a.flat)
        with bfloat.products():
            said, frames, query = losses(net, tokenizer, weights, r, corpus)
        opt.zero_grad()
        (said + max(.05, .4 * (1 - 1.5 * p)) * frames + .3 * max(.1, 1 - p) * query).backward()
        p, = together.average(list(net.parameters()), clock.progress())
        torch.nn.utils.clip_grad_norm_(net.parameters(), 1.)
        opt.step()
        step += 1
        if rank:
            continue
        average.update(net, step)
        log.append((float(said), float(frames), float(query)))
        if step % 50 == 0:
            print(f"{step} {clock.seconds():.0f} s answers %.4f frames %.3f queries %.3f" % tuple(np.mean(log, 0)), flush=True)
            log = []
        if time.time() - kept > 180:
            keep()
            kept = time.time()
    if not rank:
        keep()
        print("trained", step, "steps")


if __name__ == "__main__":
    a = parse()
    together.start(main, a.processes, a)
