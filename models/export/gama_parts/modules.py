"""GAMA's networks in PyTorch, with the parameter names of its public checkpoint.

What the released code computes, which differs from the paper: the audio encoder
is CAV-MAE's audio branch; the aggregator's cross-attention has no effect on its
output and is left out; the 96 rows are 32 of the Q-Former and then 64 of the
aggregator. Names of shapes: B batch, T frames, P patches, C the encoder's width,
D the decoder's width, S new positions, N positions so far.
"""

import torch
from torch import nn
from torch.nn import functional as F

PATCH = 16  # a patch is 16 by 16 of the log-mel picture
SCALE = 50  # the features are divided by this before the aggregator and the Q-Former


class Attention(nn.Module):
    """Self-attention of a vision transformer: one matrix for query, key and value."""

    def __init__(self, width, heads):
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)

    def forward(self, x):
        b, n, c = x.shape
        q, k, v = self.qkv(x).reshape(b, n, 3, self.heads, c // self.heads).permute(2, 0, 3, 1, 4)
        weights = (q @ k.transpose(-2, -1) * (c // self.heads) ** -0.5).softmax(-1)
        return self.proj((weights @ v).transpose(1, 2).reshape(b, n, c))


class Mlp(nn.Module):
    def __init__(self, width, hidden):
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(width, hidden), nn.Linear(hidden, width)

    def forward(self, x):
        return self.fc2(F.gelu(self.fc1(x)))


class Block(nn.Module):
    """A block of CAV-MAE. Shared blocks have norms of their own for audio, norm1_a and norm2_a."""

    def __init__(self, width, heads, hidden, shared):
        super().__init__()
        self.shared = shared
        for name in ("norm1", "norm1_a", "norm1_v", "norm2", "norm2_a", "norm2_v"):
            setattr(self, name, nn.LayerNorm(width))
        self.attn = Attention(width, heads)
        self.mlp = Mlp(width, hidden)

    def forward(self, x):
        first, second = (self.norm1_a, self.norm2_a) if self.shared else (self.norm1, self.norm2)
        x = x + self.attn(first(x))
        return x + self.mlp(second(x))


class PatchEmbed(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.proj = nn.Conv2d(1, width, PATCH, PATCH)

    def forward(self, x):
        return self.proj(x).flatten(2).transpose(1, 2)


class AudioEncoder(nn.Module):
    """[B, T, bins] to [B, P, C], patches in order of frequency and then time."""

    def __init__(self, width, heads, hidden, patches, own, shared):
        super().__init__()
        self.patch_embed_a = PatchEmbed(width)
        self.modality_a = nn.Parameter(torch.zeros(1, 1, width))
        self.pos_embed_a = nn.Parameter(torch.zeros(1, patches, width))
        self.blocks_a = nn.ModuleList([Block(width, heads, hidden, False) for _ in range(own)])
        self.blocks_u = nn.ModuleList([Block(width, heads, hidden, True) for _ in range(shared)])
        self.norm_a = nn.LayerNorm(width)

    def forward(self, x):
        x = self.patch_embed_a(x.unsqueeze(1).transpose(2, 3))
        x = x + self.pos_embed_a + self.modality_a
        for block in (*self.blocks_a, *self.blocks_u):
            x = block(x)
        return self.norm_a(x)


class BertSelf(nn.Module):
    def __init__(self, width, source, heads):
        super().__init__()
        self.heads = heads
        self.query, self.key, self.value = nn.Linear(width, width), nn.Linear(source, width), nn.Linear(source, width)

    def forward(self, x, memory):
        b, _, c = x.shape
        q, k, v = (t.reshape(b, -1, self.heads, c // self.heads).transpose(1, 2) for t in (self.query(x), self.key(memory), self.value(memory)))
        weights = (q @ k.transpose(-2, -1) / (c // self.heads) ** 0.5).softmax(-1)
        return (weights @ v).transpose(1, 2).reshape(b, -1, c)


class BertOutput(nn.Module):
    """A dense layer, the residual and its norm."""

    def __init__(self, inner, width):
        super().__init__()
        self.dense = nn.Linear(inner, width)
        self.LayerNorm = nn.LayerNorm(width, eps=1e-12)

    def forward(self, x, residual):
        return self.LayerNorm(self.dense(x) + residual)


class BertAttention(nn.Module):
    def __init__(self, width, source, heads):
        super().__init__()
        self.self = BertSelf(width, source, heads)
        self.output = BertOutput(width, width)

    def forward(self, x, memory):
        return self.output(self.self(x, memory), x)


class BertIntermediate(nn.Module):
    def __init__(self, width, hidden):
        super().__init__()
        self.dense = nn.Linear(width, hidden)

    def forward(self, x):
        return F.gelu(self.dense(x))


class QueryLayer(nn.Module):
    """A Q-Former layer as its queries see it: every second one looks at the sound."""

    def __init__(self, width, source, heads, hidden, cross):
        super().__init__()
        self.attention = BertAttention(width, width, heads)
        if cross:
            self.crossattention = BertAttention(width, source, heads)
        self.cross = cross
        self.intermediate_query = BertIntermediate(width, hidden)
        self.output_query = BertOutput(hidden, width)

    def forward(self, x, memory):
        x = self.attention(x, x)
        if self.cross:
            x = self.crossattention(x, memory)
        return self.output_query(self.intermediate_query(x), x)


class AggregatorLayer(nn.Module):
    """A layer of the aggregator. The released code computes a cross-attention here and does not use it."""

    def __init__(self, width, heads, hidden):
        super().__init__()
        self.attention = BertAttention(width, width, heads)
        self.intermediate = BertIntermediate(width, hidden)
        self.output = BertOutput(hidden, width)

    def forward(self, x):
        x = self.attention(x, x)
        return self.output(self.intermediate(x), x)


class Projection(nn.Sequential):
    def __init__(self, width, out):
        super().__init__(nn.Linear(width, out), nn.GELU(), nn.Linear(out, out))


class Listener(nn.Module):
    """Sound to rows of the decoder: [B, T, bins] to [B, queries + T/16, D]."""

    def __init__(self, s):
        super().__init__()
        self.rows = s.bins // PATCH
        self.audio_encoder = AudioEncoder(s.width, s.encoder_heads, s.encoder_hidden, s.patches, s.own_blocks, s.shared_blocks)
        self.audio_aggregator_layer_1 = AggregatorLayer(s.width, s.bert_heads, s.bert_hidden)
        self.audio_aggregator_layer_2 = AggregatorLayer(s.width, s.bert_heads, s.bert_hidden)
        self.qformer_proj_norm = nn.LayerNorm(s.width)
        self.query_tokens = nn.Parameter(torch.zeros(1, s.queries, s.width))
        self.Qformer = nn.ModuleDict({"bert": nn.ModuleDict({
            "embeddings": nn.ModuleDict({"LayerNorm": nn.LayerNorm(s.width, eps=1e-12)}),
            "encoder": nn.ModuleDict({"layer": nn.ModuleList(
                [QueryLayer(s.width, s.width, s.bert_heads, s.bert_hidden, i % 2 == 0) for i in range(s.query_layers)])})})})
        self.audio_proj_norm_qformer = nn.LayerNorm(s.width, elementwise_affine=False)
        self.audio_proj_norm_audioenc = nn.LayerNorm(s.width, elementwise_affine=False)
        self.audio_proj_qformer = Projection(s.width, s.decoder_width)
        self.audio_proj_audioenc = Projection(s.width, s.decoder_width)

    def features(self, x):
        """The encoder's output, the mean over frequency: [B, T/16, C]."""
        x = self.audio_encoder(x)
        return x.reshape(x.shape[0], self.rows, -1, x.shape[-1]).mean(1) / SCALE

    def queries(self, features):
        """The Q-Former's output, [B, queries, C]."""
        bert = self.Qformer["bert"]
        memory = self.qformer_proj_norm(features)
        x = bert["embeddings"]["LayerNorm"](self.query_tokens.expand(features.shape[0], -1, -1))
        for layer in bert["encoder"]["layer"]:
            x = layer(x, memory)
        return x

    def aggregated(self, features):
        """The aggregator's output, [B, T/16, C]."""
        return self.audio_aggregator_layer_2(self.audio_aggregator_layer_1(features))

    def forward(self, x):
        features = self.features(x)
        return torch.cat([
            self.audio_proj_qformer(self.audio_proj_norm_qformer(self.queries(features))),
            self.audio_proj_audioenc(self.audio_proj_norm_audioenc(self.aggregated(features)))], 1)


def rms_norm(x, weight, eps):
    return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + eps) * weight


def rotate(x, cos, sin):
    a, b = x.chunk(2, -1)
    return x * cos + torch.cat([-b, a], -1) * sin


class Decoder:
    """Llama, a layer at a time, so that only one layer's weights are in memory."""

    def __init__(self, checkpoint, s):
        self.checkpoint, self.s = checkpoint, s

    def layer(self, x, i, cos, sin, mask, past):
        s, w = self.s, lambda name: self.checkpoint[f"model.layers.{i}.{name}.weight"]
        b, n, _ = x.shape
        y = rms_norm(x, w("input_layernorm"), s.rms_eps)
        q, k, v = (F.linear(y, w(f"self_attn.{name}_proj")).reshape(b, n, -1, s.head_dim).transpose(1, 2) for name in "qkv")
        k, v = torch.cat([past[0], rotate(k, cos, sin)], 2), torch.cat([past[1], v], 2)
        keys, values = (t.repeat_interleave(s.heads // s.kv_heads, 1) for t in (k, v))
        weights = (rotate(q, cos, sin) @ keys.transpose(-2, -1) / s.head_dim ** 0.5 + mask).softmax(-1)
        x = x + F.linear((weights @ values).transpose(1, 2).reshape(b, n, -1), w("self_attn.o_proj"))
        y = rms_norm(x, w("post_attention_layernorm"), s.rms_eps)
        return x + F.linear(F.silu(F.linear(y, w("mlp.gate_proj"))) * F.linear(y, w("mlp.up_proj")), w("mlp.down_proj")), (k, v)

    def __call__(self, x, past):
        """[B, S, D] after past, a pair [B, heads, N, dim] for each layer: logits [B, S, vocabulary] and the new pairs."""
        s, n, done = self.s, x.shape[1], past[0][0].shape[2]
        angles = torch.arange(done, done + n)[:, None] / s.rope_theta ** (torch.arange(0, s.head_dim, 2) / s.head_dim)
        angles = torch.cat([angles, angles], -1)
        mask = torch.full((n, done + n), float("-inf")).triu(done + 1)
        present = []
        for i in range(s.layers):
            x, pair = self.layer(x, i, angles.cos(), angles.sin(), mask, past[i])
            present.append(pair)
        x = rms_norm(x, self.checkpoint["model.norm.weight"], s.rms_eps)
        return F.linear(x, self.checkpoint["lm_head.weight"]), present
