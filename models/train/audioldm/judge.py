#!/usr/bin/env python3
"""The independent judge: a small CNN that names the family of a clip, trained on synthesised clips only.

  judge.py --data TRAIN.pt --test TEST.pt --minutes 3 --out judge.pt

It shares no weights or training targets with the generator. It hears clips rolled in
time, at other levels, with noise in the bands and with bands and moments blanked.
"""
import argparse
import math

import torch
import torch.nn as nn
import torch.nn.functional as F

import families
from clock import Clock, save
from mel import MEAN, STD


class Judge(nn.Module):
    def __init__(self):
        super().__init__()
        layers, c = [], 1
        for o in (16, 32, 64, 96):
            layers += [nn.Conv2d(c, o, 3, padding=1, stride=2 if c == 1 else 1), nn.BatchNorm2d(o), nn.ReLU(), nn.MaxPool2d(2)]
            c = o
        self.f, self.h = nn.Sequential(*layers), nn.Linear(2 * c, len(families.NAMES))

    def forward(self, mel):
        """[b, T, 64] -> logits [b, 20]."""
        x = self.f(((mel.clamp(min=-10) - MEAN) / STD)[:, None])
        return self.h(torch.cat([x.mean((2, 3)), x.amax((2, 3))], 1))


def disturb(x):
    if torch.rand(1) < .3:
        x = torch.roll(x, int(torch.randint(0, 256, (1,))), 1)
    x = x + torch.randn(len(x), 1, 1) * .6 + torch.randn_like(x) * float(torch.rand(1) * .6)
    if torch.rand(1) < .3:
        at = int(torch.randint(0, 56, (1,)))
        x[:, :, at:at + 6] = -10
    return x


def load(path):
    m = Judge()
    m.load_state_dict(torch.load(path))
    return m.eval()


def name(judge, mel):
    """Family numbers [b]."""
    with torch.no_grad():
        return torch.cat([judge(mel[i:i + 50]).argmax(1) for i in range(0, len(mel), 50)])


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("--data", required=True)
    ap.add_argument("--test", required=True)
    ap.add_argument("--minutes", type=float, default=3)
    ap.add_argument("--out", required=True)
    a = ap.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(3)
    d, test = torch.load(a.data), torch.load(a.test)
    judge, step, clock = Judge(), 0, Clock(a.minutes)
    opt = torch.optim.AdamW(judge.parameters(), 2e-3, weight_decay=.02)
    while clock.progress() < 1:
        for g in opt.param_groups:
            g["lr"] = 2e-3 * (.5 + .5 * math.cos(math.pi * clock.progress())) + 1e-6
        i = torch.randint(0, len(d["mel"]), (48,))
        loss = F.cross_entropy(judge(disturb(d["mel"][i].float())), d["family"][i], label_smoothing=.05)
        opt.zero_grad()
        loss.backward()
        opt.step()
        step += 1
        if step % 100 == 0:
            print(step, "%.0f s loss %.3f" % (clock.seconds(), loss), flush=True)
    save(judge.eval().state_dict(), a.out)
    right = (name(judge, test["mel"].float()) == test["family"]).float().mean()
    print("synthesised clips never trained on: %.4f of %d named rightly" % (right, len(test["mel"])))


if __name__ == "__main__":
    main()
