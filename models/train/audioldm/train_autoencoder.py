#!/usr/bin/env python3
"""Train the autoencoder on windows of 0.64 s of mel, then write the latents of all clips.

With --start the decoder is that of a model folder and stays as it is: only an
encoder is learnt for it, so that a UNet trained with that decoder goes on.
"""
import argparse

import torch

import folder
from clock import Average, Clock, save
from mel import STD
from networks import CL, Decoder, Encoder


class Pair(torch.nn.Module):
    def __init__(self, decoder):
        super().__init__()
        self.encoder, self.decoder = Encoder().to(memory_format=CL), decoder.to(memory_format=CL)


def windows(mel, r, n=32, rows=64):
    i = torch.randint(0, len(mel), (n,), generator=r).tolist()
    at = torch.randint(0, mel.shape[1] - rows + 1, (n,), generator=r).tolist()
    return torch.stack([mel[a, b:b + rows] for a, b in zip(i, at)]).float()[:, None].contiguous(memory_format=CL)


def latents(encoder, mel):
    """Mean and log variance, float16 [clips, 4, 64, 16] each."""
    with torch.no_grad():
        parts = [encoder(mel[i:i + 32].float()[:, None].contiguous(memory_format=CL)) for i in range(0, len(mel), 32)]
    return torch.cat([p[0] for p in parts]).half(), torch.cat([p[1] for p in parts]).half()


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("--data", required=True)
    ap.add_argument("--start", default="")
    ap.add_argument("--minutes", type=float, default=6)
    ap.add_argument("--out", required=True)
    a = ap.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    r = torch.Generator().manual_seed(1)
    mel = torch.load(a.data)["mel"]
    pair = Pair(folder.read_decoder(a.start) if a.start else Decoder()).train()
    learnt = list((pair.encoder if a.start else pair).parameters())
    opt = torch.optim.AdamW(learnt, 2e-3, betas=(.9, .98), weight_decay=.01)
    average, clock, step, log = Average(pair, .995), Clock(a.minutes), 0, []
    while clock.progress() < 1:
        for g in opt.param_groups:
            g["lr"] = clock.rate(2e-3, step, 50)
        x = windows(mel, r)
        mean, var = pair.encoder(x)
        d = (pair.decoder(mean + torch.randn_like(mean) * (var * .5).exp()) - x) / STD
        kl = .5 * (mean ** 2 + var.exp() - 1 - var).mean()
        loss = d.abs().mean() + d.pow(2).mean() + 2e-3 * kl
        opt.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(learnt, 1.)
        opt.step()
        step += 1
        average.update(pair, step)
        log.append((float(d.abs().mean()) * STD, float(kl)))
        if step % 200 == 0:
            print(f"{step} {clock.seconds():.0f} s L1 %.3f nats, KL %.3f" % tuple(sum(c) / len(c) for c in zip(*log)), flush=True)
            log = []
    pair = average.module.eval()
    mean, var = latents(pair.encoder, mel)
    if a.start:
        scale = folder.scaling(a.start)
    else:
        scale = 1 / float((mean.float() + torch.randn(mean.shape) * (var.float() * .5).exp()).std())
    save(dict(encoder=pair.encoder.state_dict(), decoder=pair.decoder.state_dict(), scale=scale, mean=mean, var=var, step=step), a.out)
    print("latents: std %.3f, scaling factor %.4f" % (mean.float().std(), scale))


if __name__ == "__main__":
    main()
