"""The network: encoders of sounds and texts with a common space, and a second head of the audio encoder for patterns.

The audio encoder is convolutional: without attention over time and without normalisation by clip, the frames of a long recording equal those of a short
one, and windows of any length are pooled from them.
"""
import torch
import torch.nn as nn
import torch.nn.functional as F

from contiguous import contiguous_grad

BANDS, STRIDE, WIDTH, EMBED = 64, 4, 192, 192
CONTEXT = 24  # tokens of text


class Block(nn.Module):
    def __init__(self, d, inner, dilation):
        super().__init__()
        self.a = nn.Conv1d(d, inner, 3, padding=dilation, dilation=dilation, bias=False)
        self.na = nn.BatchNorm1d(inner)
        self.b = nn.Conv1d(inner, d, 1, bias=False)
        self.nb = nn.BatchNorm1d(d)

    def forward(self, x):
        return x + self.nb(self.b(F.relu(self.na(self.a(x)))))


class Frames(nn.Module):
    """Maps decibels [b, 1, time, 64] to frames [b, 192, time / 4]."""

    def __init__(self, channels=(24, 48, 64), inner=256, dilations=(1, 2, 4, 2)):
        super().__init__()
        a, b, c = channels
        self.c1, self.n1 = nn.Conv2d(1, a, 5, (2, 2), 2, bias=False), nn.BatchNorm2d(a)
        self.c2, self.n2 = nn.Conv2d(a, b, 3, (1, 2), 1, bias=False), nn.BatchNorm2d(b)
        self.c3, self.n3 = nn.Conv2d(b, c, 3, (2, 2), 1, bias=False), nn.BatchNorm2d(c)
        self.join, self.nj = nn.Conv1d(c * BANDS // 8, WIDTH, 1, bias=False), nn.BatchNorm1d(WIDTH)
        self.blocks = nn.ModuleList(Block(WIDTH, inner, d) for d in dilations)

    def forward(self, x):
        x = (x + 40) / 20
        x = F.relu(self.n1(self.c1(x)))
        x = F.relu(self.n2(self.c2(x)))
        x = F.relu(self.n3(self.c3(x)))
        x = contiguous_grad(x.transpose(2, 3).flatten(1, 2))
        x = self.nj(self.join(x))
        for block in self.blocks:
            x = block(x)
        return F.relu(x)


class Pool(nn.Module):
    """Maps frames [b, n, 192] with their weights [b, n] (0 outside of the event) to both embeddings.

    It pools the mean by attention, the deviation, and the means of the first, middle and last third. Without the thirds, words lose the order of their sounds.
    """

    def __init__(self):
        super().__init__()
        self.attention = nn.Linear(WIDTH, 1)
        self.norm = nn.BatchNorm1d(5 * WIDTH)
        self.pattern = nn.Linear(5 * WIDTH, EMBED)
        self.caption = nn.Sequential(nn.Linear(5 * WIDTH, 320), nn.ReLU(), nn.Linear(320, EMBED))

    def statistics(self, x, w):
        total = w.sum(1, keepdim=True)
        a = torch.exp(self.attention(x)[..., 0].clamp(-8, 8)) * w
        a = (a / a.sum(1, keepdim=True))[..., None]
        mean = (a * x).sum(1)
        deviation = torch.sqrt((a * (x - mean[:, None]) ** 2).sum(1) + 1e-4)
        u = (torch.cumsum(w, 1) - .5 * w) / total  # 0..1 within the event
        parts = []
        for centre in (1 / 6, 1 / 2, 5 / 6):
            h = w * (F.relu(1 - 3 * (u - centre).abs()) + 1e-3)
            parts.append((x * (h / h.sum(1, keepdim=True))[..., None]).sum(1))
        return torch.cat([mean, deviation, *parts], 1)

    def forward(self, x, w):
        s = self.norm(self.statistics(x, w))
        return F.normalize(self.caption(s), dim=1), F.normalize(self.pattern(s), dim=1)


class Audio(nn.Module):
    def __init__(self):
        super().__init__()
        self.frames, self.pool = Frames(), Pool()

    def forward(self, x, w):
        """Maps decibels [b, time, 64] and weights [b, time / 4] to both embeddings."""
        f = self.frames(x[:, None])
        return self.pool(contiguous_grad(f).transpose(1, 2), w)


class TextLayer(nn.Module):
    def __init__(self, d, heads=4):
        super().__init__()
        self.heads = heads
        self.n1, self.n2 = nn.LayerNorm(d), nn.LayerNorm(d)
        self.qkv, self.out = nn.Linear(d, 3 * d), nn.Linear(d, d)
        self.up, self.down = nn.Linear(d, 3 * d), nn.Linear(3 * d, d)

    def forward(self, x, bias):
        b, n, d = x.shape
        q, k, v = self.qkv(self.n1(x)).reshape(b, n, 3, self.heads, d // self.heads).permute(2, 0, 3, 1, 4)
        a = torch.softmax(q @ k.transpose(-1, -2) * (d // self.heads) ** -.5 + bias, -1)
        x = x + self.out((a @ v).transpose(1, 2).reshape(b, n, d))
        return x + self.down(F.relu(self.up(self.n2(x))))


class Text(nn.Module):
    def __init__(self, tokens, d=160, layers=2):
        super().__init__()
        self.embed, self.place = nn.Embedding(tokens, d), nn.Parameter(.02 * torch.randn(64, d))
        nn.init.normal_(self.embed.weight, std=.05)
        self.layers = nn.ModuleList(TextLayer(d) for _ in range(layers))
        self.norm, self.out = nn.LayerNorm(d), nn.Linear(d, EMBED)

    def forward(self, ids, mask):
        m = mask.float()
        x = self.embed(ids) + self.place[:ids.shape[1]]
        bias = (1 - m)[:, None, None] * -1e4
        for layer in self.layers:
            x = layer(x, bias)
        x = (self.norm(x) * m[..., None]).sum(1) / m.sum(1, keepdim=True)
        return F.normalize(self.out(x), dim=1)


class Clap(nn.Module):
    def __init__(self, tokens):
        super().__init__()
        self.audio, self.text = Audio(), Text(tokens)
        self.scale_text, self.scale_pattern = nn.Parameter(torch.tensor(2.5)), nn.Parameter(torch.tensor(2.5))
