#!/usr/bin/env python3
"""Train UNet and text encoder together on the latents of train_autoencoder.py.

  train_diffusion.py --data TRAIN.pt --latents AUTOENCODER.pt --out RUN.pt --minutes 60 [--start FOLDER]

Resumable: called again with the same --out it goes on. --start takes the weights
and the tokenizer of a model folder, else both are made from nothing.
"""
import argparse
import collections
import os
import time

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F

import captions
import families
import folder
from bytepairs import LETTERS, Tokenizer, learn, words
from clock import Average, Clock, save
from networks import CL, TEXT, Text, UNet

BATCH = 16
FREE = .12  # share of clips without a caption, for guidance
OFTEN = {"sine": 2., "chirp": 6., "siren": 3.}  # a pitch that stays, and above all one that moves as asked, is learnt last
ATTRIBUTES = [(kind, value) for kind, words in captions.WORDS.items() for value in range(len(words))]
MERGES = 500


class Model(nn.Module):
    """family and attribute are for training only: they tell whether the text encoder understood."""

    def __init__(self, unet, text):
        super().__init__()
        self.unet, self.text = unet, text
        self.family, self.attribute = nn.Linear(TEXT, len(families.NAMES)), nn.Linear(TEXT, len(ATTRIBUTES))


def worded(r, tokenizer, sounds):
    """Captions as ids and mask, and the numbers of family and said attribute (-100: none)."""
    texts = [captions.caption(r, s) for s in sounds]
    family = torch.tensor([families.NAMES.index(s["family"]) for s in sounds])
    attribute = torch.tensor([ATTRIBUTES.index(said) if said else -100 for _, said in texts])
    return [captions.disturb(r, t) for t, _ in texts], family, attribute


def text_loss(model, e, family, attribute):
    loss = F.cross_entropy(model.family(e) * 8, family)
    if (attribute >= 0).any():
        loss = loss + F.cross_entropy(model.attribute(e) * 8, attribute, ignore_index=-100)
    return loss


def new_tokenizer(r, sounds):
    counts = collections.Counter()
    for i in range(8000):
        counts.update(words(captions.disturb(r, captions.caption(r, sounds[i % len(sounds)])[0])))
    return Tokenizer(learn({w: c for w, c in counts.items() if c > 3}, [], MERGES), folder.SPECIALS, LETTERS)


def warm_up(model, tokenizer, r, sounds, seconds, rate):
    """The text encoder alone learns to tell family and attribute: without it rising and falling stay nearly one embedding."""
    part = [p for m in (model.text, model.family, model.attribute) for p in m.parameters()]
    opt, clock = torch.optim.AdamW(part, rate), Clock(seconds / 60)
    while clock.progress() < 1:
        chosen = [sounds[i] for i in r.integers(0, len(sounds), 64)]
        texts, family, attribute = worded(r, tokenizer, chosen)
        loss = text_loss(model, model.text(*folder.batch(tokenizer, texts)), family, attribute)
        opt.zero_grad()
        loss.backward()
        opt.step()
    print("text warm-up: loss %.3f" % loss, flush=True)


def understood(model, tokenizer, sounds, n=1000):
    """Share of held-out wordings whose family the text encoder's own head names."""
    r = np.random.default_rng(77)
    chosen = [sounds[i % len(sounds)] for i in range(n)]
    with torch.no_grad():
        e = model.text(*folder.batch(tokenizer, [captions.test_caption(r, s) for s in chosen]))
    return (model.family(e).argmax(1) == torch.tensor([families.NAMES.index(s["family"]) for s in chosen])).float().mean()


def losses(model, tokenizer, r, latents, sounds, shares):
    """v-prediction on stratified times, and what the caption says from its embedding."""
    i = r.choice(len(sounds), BATCH, p=shares)
    mean, var = latents["mean"][i].float(), latents["var"][i].float()
    z = (mean + torch.randn_like(mean) * (var * .5).exp()) * latents["scale"]
    texts, family, attribute = worded(r, tokenizer, [sounds[k] for k in i])
    free = r.random(BATCH) < FREE
    e = model.text(*folder.batch(tokenizer, ["" if f else t for f, t in zip(free, texts)]))
    said = torch.from_numpy(~free)
    named = text_loss(model, e[said], family[said], attribute[said])
    t = ((torch.rand(BATCH) + torch.arange(BATCH)) / BATCH * 1000).long().clamp(max=999)
    noise = torch.randn_like(z)
    a, b = model.unet.sa[t][:, None, None, None], model.unet.sb[t][:, None, None, None]
    v = model.unet.v((a * z + b * noise).contiguous(memory_format=CL), t, e)
    return F.mse_loss(v, a * noise - b * z), named


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("--data", required=True)
    ap.add_argument("--latents", required=True)
    ap.add_argument("--out", required=True)
    ap.add_argument("--start", default="")
    ap.add_argument("--minutes", type=float, default=60)
    ap.add_argument("--wall", action="store_true", help="minutes of the wall's clock")
    ap.add_argument("--lr", type=float, default=1.2e-3)
    ap.add_argument("--decay", type=float, default=.999)
    a = ap.parse_args()
    torch.set_num_threads(1)
    sounds, latents = torch.load(a.data)["sounds"], torch.load(a.latents)
    saved = torch.load(a.out) if os.path.exists(a.out) else None
    step = saved["step"] if saved else 0
    torch.manual_seed(step)
    r = np.random.default_rng(5 + step)
    if saved:
        tokenizer = Tokenizer(saved["merges"], folder.SPECIALS, LETTERS)
        model = Model(UNet(), Text(len(tokenizer.tokens)))
    elif a.start:
        tokenizer = folder.read_tokenizer(a.start)
        model = Model(folder.read_unet(a.start), folder.read_text(a.start, tokenizer))
        warm_up(model, tokenizer, r, sounds, 12, 7e-4)
    else:
        tokenizer = new_tokenizer(r, sounds)
        model = Model(UNet(), Text(len(tokenizer.tokens)))
        warm_up(model, tokenizer, r, sounds, 25, 2e-3)
    model.train().unet.to(memory_format=CL)
    slow = [p for m in (model.text, model.family, model.attribute) for p in m.parameters()]
    opt = torch.optim.AdamW([dict(params=list(model.unet.parameters()), share=1.), dict(params=slow, share=.3)], a.lr, betas=(.9, .98), weight_decay=.01)
    average = Average(model, a.decay)
    shares = np.array([OFTEN.get(s["family"], 1.) for s in sounds])
    shares /= shares.sum()
    if saved:
        model.load_state_dict(saved["model"])
        average.module.load_state_dict(saved["average"])
        opt.load_state_dict(saved["opt"])
    clock, log, kept = Clock(a.minutes, saved["seconds"] if saved else 0, a.wall), [], time.time()

    def keep():
        save(dict(model=model.state_dict(), average=average.module.state_dict(), opt=opt.state_dict(), merges=tokenizer.merges,
                  scale=latents["scale"], step=step, seconds=clock.seconds()), a.out)
    while clock.progress() < 1:
        for g in opt.param_groups:
            g["lr"] = g["share"] * clock.rate(a.lr, step)
        loss, named = losses(model, tokenizer, r, latents, sounds, shares)
        opt.zero_grad()
        (loss + .1 * named).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.)
        opt.step()
        step += 1
        average.update(model, step)
        log.append((float(loss), float(named)))
        if step % 200 == 0:
            print(f"{step} {clock.seconds():.0f} s loss %.4f text %.4f" % tuple(np.mean(log, 0)), flush=True)
            log = []
        if time.time() - kept > 180:
            keep()
            kept = time.time()
    keep()
    print("held-out wordings understood by the text encoder: %.3f" % understood(average.module, tokenizer, sounds))


if __name__ == "__main__":
    main()
