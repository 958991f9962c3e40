"""Layers that the UNet and the VAE share. Parameter names are those of diffusers' checkpoints."""
import torch
from torch import nn
from torch.nn import functional as F


class Resnet(nn.Module):
    """Two convolutions with group norm and a skip; `embedding` channels of time are added between them, 0 for none."""

    def __init__(self, cin, cout, groups, eps, embedding=0):
        super().__init__()
        self.norm1 = nn.GroupNorm(groups, cin, eps=eps)
        self.conv1 = nn.Conv2d(cin, cout, 3, padding=1)
        if embedding:
            self.time_emb_proj = nn.Linear(embedding, cout)
        self.norm2 = nn.GroupNorm(groups, cout, eps=eps)
        self.conv2 = nn.Conv2d(cout, cout, 3, padding=1)
        if cin != cout:
            self.conv_shortcut = nn.Conv2d(cin, cout, 1)

    def forward(self, x, embedding=None):
        h = self.conv1(F.silu(self.norm1(x)))
        if embedding is not None:
            h = h + self.time_emb_proj(F.silu(embedding))[:, :, None, None]
        h = self.conv2(F.silu(self.norm2(h)))
        return (self.conv_shortcut(x) if hasattr(self, "conv_shortcut") else x) + h


class Downsample(nn.Module):
    """Half the size."""

    def __init__(self, channels):
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, stride=2, padding=1)

    def forward(self, x):
        return self.conv(x)


class Upsample(nn.Module):
    """Twice the size, or the size of `like`: an odd number of rows was rounded up on the way down."""

    def __init__(self, channels):
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, x, like=None):
        if like is None:
            return self.conv(F.interpolate(x, scale_factor=2.0, mode="nearest"))
        return self.conv(F.interpolate(x, size=like.shape[2:], mode="nearest"))


class Attention(nn.Module):
    """Self-attention over [batch, tokens, channels]."""

    def __init__(self, channels, heads, bias):
        super().__init__()
        if channels % heads:
            raise ValueError("%d channels are no multiple of %d heads" % (channels, heads))
        self.heads = heads
        self.to_q = nn.Linear(channels, channels, bias=bias)
        self.to_k = nn.Linear(channels, channels, bias=bias)
        self.to_v = nn.Linear(channels, channels, bias=bias)
        self.to_out = nn.ModuleList([nn.Linear(channels, channels)])

    def forward(self, x):
        width = x.shape[2] // self.heads

        def split(t):
            return t.reshape(t.shape[0], -1, self.heads, width).transpose(1, 2)

        q, k, v = split(self.to_q(x)), split(self.to_k(x)), split(self.to_v(x))
        weights = torch.softmax(torch.matmul(q * width ** -0.5, k.transpose(2, 3)), dim=-1)
        out = torch.matmul(weights, v).transpose(1, 2)
        return self.to_out[0](out.reshape(x.shape))


class ImageAttention(Attention):
    """Self-attention of one head over the cells of [batch, channels, rows, columns], with its own norm and a skip."""

    def __init__(self, channels, groups, eps):
        super().__init__(channels, 1, True)
        self.group_norm = nn.GroupNorm(groups, channels, eps=eps)

    def forward(self, x):
        cells = self.group_norm(x).flatten(2).transpose(1, 2)
        return x + super().forward(cells).transpose(1, 2).reshape(x.shape)
