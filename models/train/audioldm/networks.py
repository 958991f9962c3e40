"""The parts of audioldm-tiny: autoencoder, text encoder, UNet. vocoder.py has the vocoder.

Shapes: mel [b, 1, T, 64], latent [b, 4, T/4, 16]; T is a multiple of 16.
"""
import math

import torch
import torch.nn as nn
import torch.nn.functional as F

from mel import MEAN, STD

CL = torch.channels_last  # torch's convolutions on a CPU are fast in this layout only
LATENT, WIDTH, TEXT = 4, 16, 128


def has_bfloat16():
    try:
        with open("/proc/cpuinfo", encoding="utf8") as f:
            return "avx512_bf16" in f.read()
    except OSError:
        return False


BRIEF = has_bfloat16()


class Conv(nn.Conv2d):
    """While training, in bfloat16 where the processor can: a step takes 0.7 of the time, and
    the gradient's direction stays (cosine 0.999998). The weights stay float32."""

    def forward(self, x):
        if not (BRIEF and self.training and x.requires_grad):
            return super().forward(x)
        return F.conv2d(x.bfloat16(), self.weight.bfloat16(), self.bias.bfloat16(), self.stride, self.padding).float()


def norm(c):
    return nn.GroupNorm(8 if c % 8 == 0 else 4, c)


class Res(nn.Module):
    """Two convolutions around the input; with emb, scaled and shifted by the conditioning."""

    def __init__(self, i, o, emb=0):
        super().__init__()
        self.n1, self.c1 = norm(i), Conv(i, o, 3, padding=1)
        self.n2, self.c2 = norm(o), Conv(o, o, 3, padding=1)
        self.sk = Conv(i, o, 1) if i != o else nn.Identity()
        self.e = nn.Linear(emb, 2 * o) if emb else None
        nn.init.zeros_(self.c2.weight)
        nn.init.zeros_(self.c2.bias)

    def forward(self, x, e=None):
        h = self.n2(self.c1(F.silu(self.n1(x))))
        if self.e is not None:
            scale, shift = self.e(e)[:, :, None, None].chunk(2, 1)
            h = h * (1 + scale) + shift
        return self.sk(x) + self.c2(F.silu(h))


class Encoder(nn.Module):
    def __init__(self, c=(24, 48, 80)):
        super().__init__()
        self.net = nn.Sequential(
            nn.Conv2d(1, c[0], 4, stride=2, padding=1), Res(c[0], c[1]), nn.Conv2d(c[1], c[2], 4, stride=2, padding=1),
            Res(c[2], c[2]), Res(c[2], c[2]), norm(c[2]), nn.SiLU(), nn.Conv2d(c[2], 2 * LATENT, 3, padding=1))

    def forward(self, mel):
        """Mean and log variance of the latent."""
        mean, var = self.net((mel - MEAN) / STD).chunk(2, 1)
        return mean, var.clamp(-12, 4)


class Decoder(nn.Module):
    def __init__(self, c=(80, 48)):
        super().__init__()
        self.a = nn.Sequential(
            nn.Conv2d(LATENT, c[0], 3, padding=1), Res(c[0], c[0]), Res(c[0], c[0]), nn.Conv2d(c[0], c[1] * 4, 1), nn.PixelShuffle(2),
            Res(c[1], c[1]), norm(c[1]), nn.SiLU(), nn.Conv2d(c[1], 32, 3, padding=1), nn.PixelShuffle(2))
        self.b = nn.Sequential(nn.Conv2d(8, 12, 3, padding=1), nn.SiLU(), nn.Conv2d(12, 1, 3, padding=1))

    def forward(self, z):
        h = self.a(z)
        return (h[:, :1] + self.b(h)) * STD + MEAN


class Text(nn.Module):
    """Token ids and mask to a unit vector of 128: embeddings, one convolution, attention pooling."""

    def __init__(self, vocabulary):
        super().__init__()
        self.emb = nn.Embedding(vocabulary, TEXT)
        nn.init.normal_(self.emb.weight, std=.5)
        self.cv = nn.Conv1d(TEXT, TEXT, 3, padding=1)
        self.att = nn.Linear(TEXT, 1)
        self.l1, self.l2 = nn.Linear(TEXT, TEXT), nn.Linear(TEXT, TEXT)

    def forward(self, ids, mask):
        m = mask.float()[:, :, None]
        x = self.emb(ids) * m
        x = x + F.silu(self.cv(x.transpose(1, 2)).transpose(1, 2)) * m
        a = torch.softmax(self.att(x) + (m - 1) * 1e4, 1)
        h = (a * x).sum(1)
        h = h + self.l2(F.silu(self.l1(h)))
        return h / torch.sqrt((h * h).sum(-1, keepdim=True) + 1e-8)


class TimeAttention(nn.Module):
    """Self-attention along time, each frequency row on its own, with rotary positions.

    What a steady tone needs in order to stay: every moment sees every other.
    """

    def __init__(self, c, heads=4):
        super().__init__()
        self.heads, self.d = heads, c // heads
        self.qkv, self.out = Conv(c, 3 * c, 1), Conv(c, c, 1)
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.out.bias)
        self.register_buffer("rate", 100. ** (-torch.arange(0, self.d, 2) / self.d), persistent=False)

    def forward(self, x):
        b, c, t, w = x.shape
        h = x * torch.rsqrt((x * x).mean(1, keepdim=True) + 1e-5)
        h = self.qkv(h).permute(0, 3, 2, 1).reshape(b * w, t, 3, self.heads, self.d).permute(2, 0, 3, 1, 4)
        a = torch.arange(t, device=x.device)[:, None].float() * self.rate
        a = torch.cat([a, a], 1)
        cos, sin = a.cos(), a.sin()

        def rotate(y):
            p, q = y.chunk(2, -1)
            return y * cos + torch.cat([-q, p], -1) * sin
        q, k, v = rotate(h[0]), rotate(h[1]), h[2]
        s = torch.softmax(torch.matmul(q, k.transpose(-1, -2)) * self.d ** -.5, -1)
        y = torch.matmul(s, v).transpose(1, 2).reshape(b, w, t, c).permute(0, 3, 2, 1).contiguous(memory_format=CL)
        return x + self.out(y)


def schedule():
    """Running product of 1 - beta of AudioLDM's schedule, 1000 steps."""
    beta = torch.linspace(.0015 ** .5, .0195 ** .5, 1000, dtype=torch.float64) ** 2
    return torch.cumprod(1 - beta, 0).float()


ABAR = schedule()
WAVES = 5  # features of the place in time


class Place(nn.Module):
    """Where in the clip and in the spectrum a value is, added to it: convolutions cannot know."""

    def __init__(self, c, width):
        super().__init__()
        self.time = nn.Linear(WAVES, c)
        self.row = nn.Parameter(torch.zeros(1, c, 1, width))
        nn.init.zeros_(self.time.weight)
        nn.init.zeros_(self.time.bias)

    def forward(self, x):
        n = x.shape[2]
        u = (torch.arange(n, device=x.device).float() + .5) / n
        f = torch.stack([2 * u - 1] + [torch.cos(math.pi * k * u) for k in range(1, WAVES)], 1)
        return x + self.time(f).T[None, :, :, None] + self.row


class UNet(nn.Module):
    """Three levels. Predicts v inside (Salimans and Ho 2022) and gives epsilon, as the pipeline wants it."""

    def __init__(self, channels=(32, 96, 128), emb=128):
        super().__init__()
        a, b, c = channels
        self.register_buffer("freq", torch.exp(-math.log(10000) * torch.arange(32) / 32))
        self.register_buffer("sa", ABAR.sqrt())
        self.register_buffer("sb", (1 - ABAR).sqrt())
        self.t1, self.t2 = nn.Linear(64, emb), nn.Linear(emb, emb)
        self.cl, self.c2 = nn.Linear(TEXT, emb), nn.Linear(emb, emb)
        self.inp = nn.Conv2d(LATENT, a, 3, padding=1)
        self.d0, self.s0 = Res(a, a, emb), Conv(a, b, 3, stride=2, padding=1)
        self.d1, self.d1b, self.s1 = Res(b, b, emb), Res(b, b, emb), Conv(b, c, 3, stride=2, padding=1)
        self.d2, self.mid, self.u2 = Res(c, c, emb), Res(c, c, emb), Res(2 * c, c, emb)
        self.p1, self.u1, self.u1b = Conv(c, b, 3, padding=1), Res(2 * b, b, emb), Res(b, b, emb)
        self.p0, self.u0 = Conv(b, a, 3, padding=1), Res(2 * a, a, emb)
        self.no, self.out = norm(a), nn.Conv2d(a, LATENT, 3, padding=1)
        nn.init.zeros_(self.out.weight)
        self.place0, self.place1, self.place2 = Place(a, WIDTH), Place(b, WIDTH // 2), Place(c, WIDTH // 4)
        self.look1, self.look2, self.look3, self.look4 = TimeAttention(b), TimeAttention(c), TimeAttention(c), TimeAttention(b)

    def v(self, x, t, y):
        """x [b, 4, T/4, 16], t int64 [b], y [b, 128]."""
        angle = t.float()[:, None] * self.freq
        e = self.t2(F.silu(self.t1(torch.cat([angle.cos(), angle.sin()], 1))))
        e = F.silu(e + self.c2(F.silu(self.cl(y * TEXT ** .5))))
        h0 = self.d0(self.place0(self.inp(x)), e)
        h1 = self.look1(self.d1b(self.d1(self.place1(self.s0(h0)), e), e))
        h2 = self.look2(self.d2(self.place2(self.s1(h1)), e))
        h = self.look3(self.u2(torch.cat([self.mid(h2, e), h2], 1), e))
        h = self.p1(F.interpolate(h, scale_factor=2., mode="nearest"))
        h = self.look4(self.u1b(self.u1(torch.cat([h, h1], 1), e), e))
        h = self.p0(F.interpolate(h, scale_factor=2., mode="nearest"))
        h = self.u0(torch.cat([h, h0], 1), e)
        return self.out(F.silu(self.no(h)))

    def forward(self, x, t, y):
        return self.sb[t][:, None, None, None] * x + self.sa[t][:, None, None, None] * self.v(x, t, y)


def ddim(unet, wanted, null, steps=20, guidance=2.5, rows=64, generator=None):
    """Latents [n, 4, rows, 16] for embeddings wanted [n, 128], deterministic DDIM with guidance."""
    n = len(wanted)
    x = torch.randn(n, LATENT, rows, WIDTH, generator=generator)
    stride = 1000 // steps
    for t in (torch.arange(steps) * stride + 1).flip(0).tolist():
        eps = unet(torch.cat([x, x]).contiguous(memory_format=CL), torch.full((2 * n,), t), torch.cat([null.expand(n, -1), wanted]))
        free, bound = eps.chunk(2)
        eps = free + guidance * (bound - free)
        before = ABAR[t - stride] if t >= stride else ABAR[0]
        clean = (x - (1 - ABAR[t]).sqrt() * eps) / ABAR[t].sqrt()
        x = before.sqrt() * clean + (1 - before).sqrt() * eps
    return x
