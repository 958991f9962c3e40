"""The vocoder: a convolutional net reads off the short-time spectrum's magnitude, and six
unrolled steps of fast Griffin-Lim (Perraudin et al. 2013), inside the graph, find phases.

Spectrogram [b, T, 64] to waveform [b, 160 T]. The waveform is not clipped: who
calls it normalises the peak.
"""
import math

import torch
import torch.nn as nn
import torch.nn.functional as F

from mel import HOP, MEAN, STD

N, K = 512, 257
SIDE = (N - HOP) // 2


class Block(nn.Module):
    """ConvNeXt: depthwise over time, norm within a frame, two pointwise layers."""

    def __init__(self, c, wider=2):
        super().__init__()
        self.dw, self.n = nn.Conv1d(c, c, 7, padding=3, groups=c), nn.GroupNorm(1, c)
        self.a, self.b = nn.Conv1d(c, wider * c, 1), nn.Conv1d(wider * c, c, 1)
        self.g = nn.Parameter(torch.full((1, c, 1), .3))

    def forward(self, x):
        h = self.dw(x)
        h = h - h.mean(1, keepdim=True)
        h = h * torch.rsqrt((h ** 2).mean(1, keepdim=True) + 1e-5) * self.n.weight[None, :, None] + self.n.bias[None, :, None]
        return x + self.g * self.b(F.gelu(self.a(h)))


class Vocoder(nn.Module):
    def __init__(self, c=120, blocks=4, iterations=6):
        super().__init__()
        self.iterations = iterations
        self.inp = nn.Conv1d(64, c, 5, padding=2)
        self.bl = nn.Sequential(*[Block(c) for _ in range(blocks)])
        self.out = nn.Conv1d(c, 3 * K, 1)  # log magnitude; cosine and sine of how far the phase turns beyond the bin's centre
        n, k, hann = torch.arange(N) - N // 2, torch.arange(K), torch.hann_window(N)
        a = 2 * math.pi * ((k[:, None] * n[None]) % N) / N
        self.register_buffer("W", torch.cat([torch.cos(a) * hann, -torch.sin(a) * hann])[:, None].contiguous())
        w = torch.full((K,), 2.)
        w[0] = w[-1] = 1
        self.register_buffer("wk", torch.cat([w, w])[None, :, None] / N)
        self.register_buffer("h2", (hann * hann)[None, None])
        self.register_buffer("adv", ((k * HOP) % N) / N)
        # the inverse transform as a plain convolution, which torch runs faster on a CPU
        inverse, o = torch.zeros(HOP, 2 * K, 5), torch.arange(HOP)
        for u in range(5):
            m = o + 496 - 160 * u
            ok = (m >= 0) & (m < N)
            inverse[ok, :, u] = (self.W[:, 0, :] * self.wk[0])[:, m[ok]].T
        self.register_buffer("inverse", inverse, persistent=False)
        self.fast = True
        self.register_buffer("rnd", torch.rand(K, 64, generator=torch.Generator().manual_seed(1)))

    def heads(self, mel):
        x = self.out(self.bl(self.inp(((mel - MEAN) / STD).transpose(1, 2))))
        log_magnitude, c, s = x.chunk(3, 1)
        return log_magnitude * 2 - 3, c, s

    def stft(self, x):
        return F.conv1d(F.pad(x, (SIDE, SIDE)), self.W, stride=HOP)

    def istft(self, z):
        if self.fast:
            y = F.conv1d(z, self.inverse, padding=2).transpose(1, 2).reshape(z.shape[0], 1, -1)
        else:
            y = F.conv_transpose1d(z * self.wk, self.W, stride=HOP, padding=SIDE)
        weight = F.conv_transpose1d(torch.ones_like(z[:1, :1]), self.h2, stride=HOP, padding=SIDE)
        return y / (weight + 1e-3)

    def first_phase(self, log_magnitude, c, s):
        """Phases summed up from their predicted turns, where the net is sure of them, else random."""
        n = log_magnitude.shape[2]
        r = torch.sqrt(c * c + s * s + 1e-8)
        turn = 2 * torch.atan(s / (r + c + 1e-5)) / (2 * math.pi)
        p = torch.cumsum(turn + self.adv[None, :, None], 2)
        p = 2 * math.pi * (p - torch.floor(p))
        u = 2 * math.pi * self.rnd[:, torch.arange(n, device=log_magnitude.device) % 64][None]
        sure = torch.clamp(r, 0, 1) ** 2
        return torch.cat([sure * torch.cos(p) + (1 - sure) * torch.cos(u), sure * torch.sin(p) + (1 - sure) * torch.sin(u)], 1)

    @staticmethod
    def unit(z):
        re, im = z.chunk(2, 1)
        d = torch.rsqrt(re * re + im * im + 1e-9)
        return torch.cat([re * d, im * d], 1)

    def synth(self, log_magnitude, c, s, iterations):
        m = torch.exp(torch.clamp(log_magnitude, -12, 6))
        m = torch.cat([m, m], 1)
        z, last = self.unit(self.first_phase(log_magnitude, c, s)) * m, None
        for _ in range(iterations):
            y = self.stft(self.istft(z))
            z = self.unit(y if last is None else y + .9 * (y - last)) * m
            last = y
        return self.istft(z)[:, 0]

    def forward(self, mel):
        return self.synth(*self.heads(mel), self.iterations)
