#!/usr/bin/env python3
"""Training: train.py SHARDS RUN.pt --minutes N [--seed N] [--start RUN.pt] [--views N] [--peak RATE] [--wall].

One thread. Minutes are of its processor time, with --wall those of the clock on the wall. A training that was interrupted goes on from RUN.pt when called again; --start begins with the weights of
another run. New shards are read while it runs. RUN.pt.log.json has the losses.
"""
import argparse
import json
import os
import time

import numpy as np
import torch
import torch.nn.functional as F

import captions
import clock
import embed
import speech
from bank import Bank
from bytepairs import LETTERS, Tokenizer
from model import Clap

torch.set_num_threads(1)
WORDS_COUNT = .3  # the weight of captions that spell a word
SAVE = 100  # steps


def pattern_loss(z, labels, scale):
    """Supervised contrastive: each view against the other views of its class and all views of other classes."""
    n = len(z)
    logits = scale * z @ z.T - 1e4 * torch.eye(n)
    same = (labels[:, None] == labels[None]).float() - torch.eye(n)
    return -(same * F.log_softmax(logits, 1)).sum(1).div(same.sum(1)).mean()


def caption_loss(a, t, keys, twice, weight, scale):
    """Contrastive in both directions, with two captions t for each sound a; several may be right. weight is that of each sound."""
    same = (keys[:, None] == twice[None]).float()
    logits = scale * a @ t.T
    one = (same / same.sum(1, keepdim=True) * F.log_softmax(logits, 1)).sum(1)
    other = (same / same.sum(0) * F.log_softmax(logits, 0)).sum(0)
    both = torch.cat([weight, weight])
    return -.5 * ((one * weight).sum() / weight.sum() + (other * both).sum() / both.sum())


class Training:
    def __init__(self, args):
        self.args, self.step, self.log, trained = args, 0, [], 0.
        torch.manual_seed(args.seed)
        self.r, self.bank = np.random.default_rng(args.seed), Bank(args.shards, args.seed)
        state = None
        if os.path.exists(args.out):
            state = torch.load(args.out, map_location="cpu")
        if state is not None:
            self.tok = Tokenizer(state["merges"], captions.SPECIALS, LETTERS)
            self.net = Clap(len(self.tok.tokens))
            self.net.load_state_dict(state["net"])
        elif args.start:
            self.net, self.tok = embed.load(args.start)
        else:
            self.tok = captions.tokenizer(speech.training_words())
            self.net = Clap(len(self.tok.tokens))
        self.net.train()
        decay, plain = [p for p in self.net.parameters() if p.dim() > 1], [p for p in self.net.parameters() if p.dim() <= 1]
        self.opt = torch.optim.AdamW([{"params": decay, "weight_decay": .03}, {"params": plain, "weight_decay": 0}], lr=args.peak, betas=(.9, .98))
        if state is not None and "optimizer" in state:
            self.opt.load_state_dict(state["optimizer"])
            self.step, trained = state["step"], state["seconds"]
            self.r = np.random.default_rng([args.seed, self.step])
            self.bank.r = np.random.default_rng([args.seed, self.step, 1])
            if os.path.exists(args.out + ".log.json"):
                with open(args.out + ".log.json") as f:
                    self.log = json.load(f)[:self.step]
        self.clock = clock.Clock(args.minutes, trained, args.wall)

    def batch(self):
        """Sounds, weights of frames, texts and what belongs together."""
        bank, tok = self.bank, self.tok
        events, labels, keys = bank.draw(64, self.args.views)
        x, w = bank.compose(events)
        texts = [captions.encode(tok, captions.caption(self.r, bank.key_names[k]), self.r) for k in np.r_[keys, keys]]
        weight = torch.tensor([WORDS_COUNT if bank.key_names[k].startswith("word") else 1. for k in keys])
        ids, mask = map(torch.from_numpy, captions.batch(texts))
        return (*map(torch.from_numpy, (x, w, labels, keys)), weight, ids, mask)

    def one(self):
        """One step. Returns both losses, and the shares of sounds whose nearest other sound and caption are right."""
        net = self.net
        for g in self.opt.param_groups:
            g["lr"] = self.clock.rate(self.args.peak, self.step, warm=60)
        x, w, labels, keys, weight, ids, mask = self.batch()
        with torch.autocast("cpu", torch.bfloat16):
            f = net.audio.frames(x[:, None]).float()
        a, z = net.audio.pool(f.transpose(1, 2).contiguous(), w)
        t = net.text(ids, mask)
        twice = torch.cat([keys, keys])
        p = pattern_loss(z, labels, net.scale_pattern.exp().clamp(max=30))
        c = caption_loss(a, t, keys, twice, weight, net.scale_text.exp().clamp(max=60))
        self.opt.zero_grad(set_to_none=True)
        (p + .8 * c).backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), 2.)
        self.opt.step()
        self.step += 1
        with torch.no_grad():
            s = z @ z.T - 2 * torch.eye(len(z))
            near, named = (labels[s.argmax(1)] == labels).float().mean(), (twice[(a @ t.T).argmax(1)] == keys).float().mean()
        return [p.item(), c.item(), near.item(), named.item()]

    def save(self):
        clock.save({"net": self.net.state_dict(), "merges": self.tok.merges, "step": self.step, "seconds": self.clock.seconds(),
                    "optimizer": self.opt.state_dict()}, self.args.out)
        with open(self.args.out + ".log.json", "w") as f:
            json.dump(self.log, f)

    def run(self):
        print("parameters", sum(p.numel() for p in self.net.audio.parameters()), sum(p.numel() for p in self.net.text.parameters()),
              "tokens", len(self.tok.tokens), "events", len(self.bank.cls), "classes", len(self.bank.members), flush=True)
        begin, first = time.time(), self.step
        while self.clock.progress() < 1:
            self.log.append(self.one())
            if self.step % 25 == 0:
                m = np.mean(self.log[-25:], 0)
                print(f"{self.step} {self.clock.seconds() / 60:.1f} min  pattern {m[0]:.3f} caption {m[1]:.3f}  nearest right {m[2]:.3f} named {m[3]:.3f}  "
                      f"{(time.time() - begin) / (self.step - first):.2f} s a step  events {len(self.bank.cls)}", flush=True)
                self.bank.refresh()
            if self.step % SAVE == 0:
                self.save()
        self.save()


def main():
    p = argparse.ArgumentParser()
    p.add_argument("shards")
    p.add_argument("out")
    p.add_argument("--minutes", type=float, required=True)
    p.add_argument("--seed", type=int, default=1)
    p.add_argument("--start")
    p.add_argument("--views", type=int, default=2)
    p.add_argument("--peak", type=float, default=2e-3)
    p.add_argument("--wall", action="store_true")
    Training(p.parse_args()).run()


if __name__ == "__main__":
    main()
