"""The parts of gama-tiny: an audio encoder with a Q-Former, and a Llama decoder.

Audio encoder: log-mel [b, frames, 128] to [b, 16, 128]; rows that are all 0.0 are
padding. Decoder: the graph of transformers.js's decoder_model_merged.
"""
import math

import torch
import torch.nn as nn
import torch.nn.functional as F

from bfloat import cast
from contiguous import contiguous_grad

MEAN, STD = -9., 5.
ROWS = 16  # of audio before the text
FAR = -1e9


def gelu(x):
    return contiguous_grad(F.gelu(x))


def heads(x, h):
    return x.reshape(x.shape[0], x.shape[1], h, -1).transpose(1, 2)


class Attention(nn.Module):
    def __init__(self, d, h):
        super().__init__()
        self.h = h
        self.q_proj, self.k_proj, self.v_proj, self.o_proj = (nn.Linear(d, d) for _ in range(4))

    def forward(self, x, y, bias=None):
        """Queries from x, keys and values from y; bias is added to the scores."""
        b, t, d = x.shape
        q, k, v = heads(self.q_proj(x), self.h), heads(self.k_proj(y), self.h), heads(self.v_proj(y), self.h)
        a = q * (d // self.h) ** -.5 @ k.transpose(-1, -2)
        if bias is not None:
            a = a + cast(bias, a.dtype)
        return self.o_proj((a.softmax(-1) @ v).transpose(1, 2).reshape(b, t, d))


class FeedForward(nn.Module):
    def __init__(self, d, f):
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(d, f), nn.Linear(f, d)

    def forward(self, x):
        return self.fc2(gelu(self.fc1(x)))


class Block(nn.Module):
    """A pre-norm transformer block; with cross, one of a Q-Former."""

    def __init__(self, d, h, f, cross=False):
        super().__init__()
        self.ln1, self.att, self.ln2, self.ff = nn.LayerNorm(d), Attention(d, h), nn.LayerNorm(d), FeedForward(d, f)
        if cross:
            self.lnc, self.cross = nn.LayerNorm(d), Attention(d, h)

    def forward(self, x, bias=None, memory=None):
        y = self.ln1(x)
        if memory is None:
            x = x + self.att(y, y, bias)
        else:
            x = x + self.att(y, y)
            x = x + self.cross(self.lnc(x), memory, bias)
        return x + self.ff(self.ln2(x))


def positions(n, d):
    p = torch.arange(n)[:, None] * torch.exp(torch.arange(0, d, 2) * (-math.log(1000.) / d))[None]
    return torch.cat([p.sin(), p.cos()], 1)


class AudioEncoder(nn.Module):
    """classes: of the heads that exist only while training (each known family, and unknown)."""

    def __init__(self, classes, d=128, h=4, f=384, layers=3, q_layers=2):
        super().__init__()
        self.conv1, self.conv2 = nn.Conv1d(128, d, 5, 2, 2), nn.Conv1d(d, d, 5, 2, 2)
        self.register_buffer("pos", positions(256, d), persistent=False)
        self.blocks, self.norm = nn.ModuleList([Block(d, h, f) for _ in range(layers)]), nn.LayerNorm(d)
        self.query = nn.Parameter(torch.randn(1, ROWS, d) * .5)
        self.qformer, self.qnorm = nn.ModuleList([Block(d, h, f, True) for _ in range(q_layers)]), nn.LayerNorm(d)
        self.proj, self.stat = nn.Linear(d, d), nn.Linear(128 * 2 + 10, d)
        self.pg = nn.Parameter(torch.tensor(.3))  # how much of the position the Q-Former's keys get again
        self.register_buffer("e0", (torch.arange(ROWS) == 0).float()[None, :, None], persistent=False)
        self.register_buffer("secs", torch.arange(1, 11).float()[None], persistent=False)
        self.aux = nn.Linear(d, classes)
        self.h1, self.h2, self.hp = nn.Linear(d, classes + 1), nn.Linear(d, classes + 1), nn.Linear(d, classes)

    def frames(self, x, real):
        """[b, frames/4, d] and the bias that hides padding; real is 1 in rows that are no padding.

        Beyond the last row the convolutions meet zeros, be there padding or nothing.
        """
        x = (x - MEAN) / STD * real
        x = gelu(contiguous_grad(self.conv1(x.transpose(1, 2).contiguous())))
        x = x * real[:, ::2].transpose(1, 2)
        x = gelu(contiguous_grad(self.conv2(x))).transpose(1, 2)
        # a column is real where the first row under it is
        kept = real[:, :, 0][:, ::4]
        bias = ((1 - kept) * FAR)[:, None, None, :]
        x = x + self.pos[:x.shape[1]]
        for block in self.blocks:
            x = block(x, bias)
        return self.norm(x), bias

    def summary(self, x, real):
        """Level and length of the real rows, for query 0."""
        n = real.sum(1)
        mean = (x * real).sum(1) / n.clamp(min=1.)
        most = (x - (1 - real) * 100.).amax(1)
        length = 4 * torch.exp(-((n / 100 - self.secs) / .5) ** 2)
        return self.stat(torch.cat([(mean - MEAN) / STD, (most - MEAN) / STD, length], 1))[:, None]

    def forward(self, x, aux=False):
        real = (x.abs().amax(2, keepdim=True) > 0).float()
        f, bias = self.frames(x, real)
        q = self.query + self.e0 * self.summary(x, real)
        memory = f + self.pg * self.pos[:f.shape[1]]
        for block in self.qformer:
            q = block(q, bias, memory)
        z = self.qnorm(q)
        rows = self.proj(z)
        if not aux:
            return rows
        return rows, self.aux(f), self.h1(z[:, 1]), self.h2(z[:, 2]), self.hp(z[:, 3:].mean(1))


class RMSNorm(nn.Module):
    def __init__(self, d):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(d))

    def forward(self, x):
        return x * torch.rsqrt((x * x).mean(-1, keepdim=True) + 1e-5) * self.weight


def turn(x):
    a, b = x.chunk(2, -1)
    return torch.cat([-b, a], -1)


class LlamaAttention(nn.Module):
    def __init__(self, d, h):
        super().__init__()
        self.h = h
        self.q_proj, self.k_proj, self.v_proj, self.o_proj = (nn.Linear(d, d, bias=False) for _ in range(4))

    def forward(self, x, cos, sin, bias, past):
        b, s, d = x.shape
        q, k, v = heads(self.q_proj(x), self.h), heads(self.k_proj(x), self.h), heads(self.v_proj(x), self.h)
        q, k = q * cos + turn(q) * sin, k * cos + turn(k) * sin
        if past is not None:
            k, v = torch.cat([past[0], k], 2), torch.cat([past[1], v], 2)
        a = q * (d // self.h) ** -.5 @ k.transpose(-1, -2)
        a = (a + cast(bias, a.dtype)).softmax(-1)
        return self.o_proj((a @ v).transpose(1, 2).reshape(b, s, d)), (k, v)


class LlamaLayer(nn.Module):
    def __init__(self, d, h, f):
        super().__init__()
        self.input_layernorm, self.self_attn, self.post_attention_layernorm = RMSNorm(d), LlamaAttention(d, h), RMSNorm(d)
        self.gate_proj, self.up_proj, self.down_proj = nn.Linear(d, f, bias=False), nn.Linear(d, f, bias=False), nn.Linear(f, d, bias=False)

    def forward(self, x, *a):
        y, kept = self.self_attn(self.input_layernorm(x), *a)
        x = x + y
        y = self.post_attention_layernorm(x)
        return x + self.down_proj(F.silu(cast(self.gate_proj(y), y.dtype)) * self.up_proj(y)), kept


class Decoder(nn.Module):
    def __init__(self, vocabulary, d=128, h=4, f=344, layers=3):
        super().__init__()
        self.h, self.hd = h, d // h
        self.layers, self.norm = nn.ModuleList([LlamaLayer(d, h, f) for _ in range(layers)]), RMSNorm(d)
        self.lm_head = nn.Linear(d, vocabulary, bias=False)
        self.register_buffer("inv", 10000. ** (-torch.arange(0, self.hd, 2) / self.hd), persistent=False)

    def states(self, x, position, bias, past=None):
        """What lm_head reads, and each layer's keys and values. bias [b, 1, queries, keys]."""
        a = position[:, None, :, None].float() * self.inv
        a = torch.cat([a, a], -1)
        kept = []
        for i, layer in enumerate(self.layers):
            x, kv = layer(x, a.cos(), a.sin(), bias, None if past is None else past[i])
            kept.append(kv)
        return self.norm(x), kept

    def run(self, *a):
        """Logits and each layer's keys and values."""
        x, kept = self.states(*a)
        return self.lm_head(x), kept

    def forward(self, inputs_embeds, attention_mask, position_ids, *past):
        past = [(past[2 * i], past[2 * i + 1]) for i in range(len(self.layers))]
        total, n = attention_mask.shape[1], inputs_embeds.shape[1]
        key = torch.arange(total, device=inputs_embeds.device)
        seen = (key[None] <= key[total - n:][:, None])[None, None] & (attention_mask[:, None, None, :] > 0)
        logits, kept = self.run(inputs_embeds, position_ids, torch.where(seen, 0., FAR).to(inputs_embeds.dtype), past)
        return (logits, *[t for kv in kept for t in kv])


class Gama(nn.Module):
    """embed and the decoder's lm_head share their weights while training."""

    def __init__(self, vocabulary, classes, d=128):
        super().__init__()
        self.audio, self.embed, self.dec = AudioEncoder(classes), nn.Embedding(vocabulary, d), Decoder(vocabulary, d)
        for m in self.modules():
            if isinstance(m, nn.Linear):
                nn.init.normal_(m.weight, 0, m.weight.shape[1] ** -.5 * .7)
                if m.bias is not None:
                    nn.init.zeros_(m.bias)
        nn.init.normal_(self.embed.weight, 0, .1)
        self.dec.lm_head.weight = self.embed.weight
