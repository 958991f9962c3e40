#!/usr/bin/env python3
"""Train the vocoder on mels of the clips and, for half of each batch, on what the autoencoder makes of them.

  train_vocoder.py --data TRAIN.pt --latents AUTOENCODER.pt --out VOCODER.pt --minutes 8 [--start FOLDER]

First the short-time spectrum alone: log magnitude, and how far each bin's phase turns
from frame to frame. In the last two fifths also the waveform after two steps of
Griffin-Lim, by its mel and its magnitudes at two resolutions. --minutes 0 with
--start only takes over the weights of a model folder.
"""
import argparse
import math

import torch

import folder
from clock import Clock, save
from mel import log_mel, magnitude
from networks import CL, Decoder
from vocoder import Vocoder

BATCH = 16


def rebuilt(latents, chosen):
    """Mels as they come out of the autoencoder, float16 [n, 256, 64]."""
    decoder = Decoder().to(memory_format=CL)
    decoder.load_state_dict(latents["decoder"])
    out = []
    with torch.no_grad():
        for i in range(0, len(chosen), 20):
            k = chosen[i:i + 20]
            mean, var = latents["mean"][k].float(), latents["var"][k].float()
            z = mean + torch.randn_like(mean) * (var * .5).exp()
            out.append(decoder(z.contiguous(memory_format=CL)).half()[:, 0])
    return torch.cat(out)


def spectrum_loss(vocoder, heads, wav):
    """Distances of the predicted log magnitude and of the predicted phase turns to those of the waveform."""
    log_magnitude, c, s = heads
    with torch.no_grad():
        re, im = vocoder.stft(wav[:, None]).chunk(2, 1)
        m = torch.sqrt(re * re + im * im + 1e-10)
        want = torch.log(m.clamp(min=1e-3))
        ur, ui = re / m, im / m
        advance = 2 * math.pi * vocoder.adv[None, :, None]
        dr = ur[:, :, 1:] * ur[:, :, :-1] + ui[:, :, 1:] * ui[:, :, :-1]
        di = ui[:, :, 1:] * ur[:, :, :-1] - ur[:, :, 1:] * ui[:, :, :-1]
        turn_c, turn_s = dr * advance.cos() + di * advance.sin(), di * advance.cos() - dr * advance.sin()
        weight = torch.minimum(m[:, :, 1:], m[:, :, :-1]) ** .5
        weight = weight / (weight.mean((1, 2), keepdim=True) + 1e-6)
    level = (log_magnitude.clamp(min=math.log(1e-3)) - want).abs().mean() + .1 * (log_magnitude - want).abs().mean()
    phase = (weight * ((c[:, :, 1:] - turn_c) ** 2 + (s[:, :, 1:] - turn_s) ** 2)).mean()
    return level, phase


def wave_loss(vocoder, heads, wav):
    y = vocoder.synth(heads[0], heads[1].detach(), heads[2].detach(), 2)
    mel = (log_mel(y) - log_mel(wav)).abs().mean()
    fine = sum((torch.log(magnitude(y, n, n // 4) + 1e-3) - torch.log(magnitude(wav, n, n // 4) + 1e-3)).abs().mean() * .5 for n in (256, 1024))
    return mel + fine


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("--data", required=True)
    ap.add_argument("--latents", required=True)
    ap.add_argument("--out", required=True)
    ap.add_argument("--start", default="")
    ap.add_argument("--minutes", type=float, default=8)
    ap.add_argument("--lr", type=float, default=2e-3)
    a = ap.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    vocoder, step = folder.read_vocoder(a.start) if a.start else Vocoder(), 0
    if a.minutes > 0:
        d = torch.load(a.data)
        chosen = torch.randperm(len(d["mel"]))[:800]
        made = rebuilt(torch.load(a.latents), chosen)
        opt = torch.optim.AdamW(vocoder.parameters(), a.lr, betas=(.9, .98), weight_decay=.01)
        clock = Clock(a.minutes)
        while clock.progress() < 1:
            for g in opt.param_groups:
                g["lr"] = clock.rate(a.lr, step, 50)
            i, j = torch.randint(0, len(d["mel"]), (BATCH,)), torch.randint(0, len(chosen), (BATCH // 2,))
            i[:BATCH // 2] = chosen[j]
            mel, wav = d["mel"][i].float(), d["wav"][i].float() / 32767
            mel[:BATCH // 2] = made[j].float()
            heads = vocoder.heads(mel)
            level, phase = spectrum_loss(vocoder, heads, wav)
            loss = level + phase
            if clock.progress() > .6 or a.start:
                loss = .3 * level + phase + wave_loss(vocoder, heads, wav)
            opt.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(vocoder.parameters(), 1.)
            opt.step()
            step += 1
            if step % 100 == 0:
                print(f"{step} {clock.seconds():.0f} s level %.3f phase %.3f loss %.3f" % (level, phase, loss), flush=True)
    save(dict(vocoder=vocoder.state_dict(), step=step), a.out)


if __name__ == "__main__":
    main()
