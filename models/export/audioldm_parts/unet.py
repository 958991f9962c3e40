"""UNet2DConditionModel of diffusers as AudioLDM configures it: the text comes as a class embedding, joined to that of
time, and every attention is self-attention."""
import math

import torch
from torch import nn
from torch.nn import functional as F

from .layers import Attention, Downsample, Resnet, Upsample


class Gate(nn.Module):
    """GEGLU: half of a projection gated by the other half."""

    def __init__(self, cin, cout):
        super().__init__()
        self.proj = nn.Linear(cin, 2 * cout)

    def forward(self, x):
        h, gate = self.proj(x).chunk(2, dim=-1)
        return h * F.gelu(gate)


class FeedForward(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.net = nn.ModuleList([Gate(channels, 4 * channels), nn.Identity(), nn.Linear(4 * channels, channels)])

    def forward(self, x):
        return self.net[2](self.net[0](x))


class Block(nn.Module):
    """attn2 is cross-attention in other models; without a text sequence it attends to itself."""

    def __init__(self, channels, heads):
        super().__init__()
        self.norm1 = nn.LayerNorm(channels)
        self.attn1 = Attention(channels, heads, False)
        self.norm2 = nn.LayerNorm(channels)
        self.attn2 = Attention(channels, heads, False)
        self.norm3 = nn.LayerNorm(channels)
        self.ff = FeedForward(channels)

    def forward(self, x):
        x = x + self.attn1(self.norm1(x))
        x = x + self.attn2(self.norm2(x))
        return x + self.ff(self.norm3(x))


class Transformer(nn.Module):
    """Transformer blocks over the cells of a map. `linear` tells how the projections round them are kept."""

    def __init__(self, channels, heads, groups, depth, linear):
        super().__init__()
        self.linear = linear
        self.norm = nn.GroupNorm(groups, channels, eps=1e-6)
        self.proj_in = nn.Linear(channels, channels) if linear else nn.Conv2d(channels, channels, 1)
        self.transformer_blocks = nn.ModuleList([Block(channels, heads) for _ in range(depth)])
        self.proj_out = nn.Linear(channels, channels) if linear else nn.Conv2d(channels, channels, 1)

    def forward(self, x):
        h = self.norm(x)
        if not self.linear:
            h = self.proj_in(h)
        h = h.flatten(2).transpose(1, 2)
        if self.linear:
            h = self.proj_in(h)
        for block in self.transformer_blocks:
            h = block(h)
        if self.linear:
            h = self.proj_out(h)
        h = h.transpose(1, 2).reshape(x.shape)
        if not self.linear:
            h = self.proj_out(h)
        return x + h


class Level(nn.Module):
    """One level on the way down or up. `sizes` has (in, out) channels of each resnet."""

    def __init__(self, sizes, embedding, settings, attends, heads, sampler):
        super().__init__()
        groups, eps, depth, linear = settings
        self.resnets = nn.ModuleList([Resnet(i, o, groups, eps, embedding) for i, o in sizes])
        if attends:
            self.attentions = nn.ModuleList([Transformer(o, heads, groups, depth, linear) for _, o in sizes])
        if sampler:
            name, layer = sampler
            setattr(self, name, nn.ModuleList([layer(sizes[-1][1])]))

    def layer(self, i, x, embedding):
        x = self.resnets[i](x, embedding)
        return self.attentions[i](x) if hasattr(self, "attentions") else x


class Middle(nn.Module):
    def __init__(self, channels, embedding, settings, heads):
        super().__init__()
        groups, eps, depth, linear = settings
        self.attentions = nn.ModuleList([Transformer(channels, heads, groups, depth, linear)])
        self.resnets = nn.ModuleList([Resnet(channels, channels, groups, eps, embedding) for _ in range(2)])

    def forward(self, x, embedding):
        x = self.resnets[0](x, embedding)
        return self.resnets[1](self.attentions[0](x), embedding)


class TimeEmbedding(nn.Module):
    def __init__(self, cin, cout):
        super().__init__()
        self.linear_1 = nn.Linear(cin, cout)
        self.linear_2 = nn.Linear(cout, cout)

    def forward(self, x):
        return self.linear_2(F.silu(self.linear_1(x)))


# What the configuration may say beside shapes; another value would be computed wrong.
FIXED = {
    "act_fn": ("silu", "swish"), "class_embed_type": ("simple_projection",), "class_embeddings_concat": (True,),
    "center_input_sample": (False, None), "dual_cross_attention": (False, None), "only_cross_attention": (False, None),
    "encoder_hid_dim": (None,), "mid_block_type": ("UNetMidBlock2DCrossAttn",), "resnet_time_scale_shift": ("default",),
    "time_embedding_type": ("positional",), "time_embedding_dim": (None,), "time_cond_proj_dim": (None,),
    "conv_in_kernel": (3,), "conv_out_kernel": (3,), "downsample_padding": (1,), "mid_block_scale_factor": (1,),
    "addition_embed_type": (None,), "attention_type": ("default",), "resnet_skip_time_act": (False, None),
    "time_embedding_act_fn": (None,), "timestep_post_act": (None,), "class_embed_dim": (None,),
}


def each(value, n):
    """A setting given once, or once for each level."""
    return list(value) if isinstance(value, (list, tuple)) else [value] * n


class UNet(nn.Module):
    """sample [batch, channels, rows, columns], timestep (any shape that holds one or batch), class_labels
    [batch, projection]; gives the noise (or velocity) in the sample's shape. Any number of rows will do."""

    def __init__(self, cfg):
        super().__init__()
        for field, allowed in FIXED.items():
            if field in cfg and cfg[field] not in allowed:
                raise ValueError("unet: %s is %r, known is %s" % (field, cfg[field], allowed))
        channels = cfg["block_out_channels"]
        n = len(channels)
        heads = each(cfg.get("num_attention_heads") or cfg.get("attention_head_dim", 8), n)
        layers = each(cfg.get("layers_per_block", 2), n)
        groups, eps = cfg.get("norm_num_groups", 32), cfg.get("norm_eps", 1e-5)
        settings = (groups, eps, cfg.get("transformer_layers_per_block", 1), cfg.get("use_linear_projection", False))
        self.width, self.flip, self.shift = channels[0], cfg.get("flip_sin_to_cos", True), cfg.get("freq_shift", 0)
        time = 4 * channels[0]
        embedding = 2 * time
        self.conv_in = nn.Conv2d(cfg["in_channels"], channels[0], 3, padding=1)
        self.time_embedding = TimeEmbedding(channels[0], time)
        self.class_embedding = nn.Linear(cfg["projection_class_embeddings_input_dim"], time)
        self.down_blocks, self.up_blocks = nn.ModuleList(), nn.ModuleList()
        for i, kind in enumerate(cfg["down_block_types"]):
            sizes = [(channels[max(i - 1, 0)] if j == 0 else channels[i], channels[i]) for j in range(layers[i])]
            sampler = ("downsamplers", Downsample) if i < n - 1 else None
            self.down_blocks.append(Level(sizes, embedding, settings, "Attn" in kind, heads[i], sampler))
        self.mid_block = Middle(channels[-1], embedding, settings, heads[-1])
        back = channels[::-1]
        for i, kind in enumerate(cfg["up_block_types"]):
            count = layers[::-1][i] + 1
            sizes = []
            for j in range(count):
                skip = back[min(i + 1, n - 1)] if j == count - 1 else back[i]
                sizes.append(((back[max(i - 1, 0)] if j == 0 else back[i]) + skip, back[i]))
            sampler = ("upsamplers", Upsample) if i < n - 1 else None
            self.up_blocks.append(Level(sizes, embedding, settings, "Attn" in kind, heads[::-1][i], sampler))
        self.conv_norm_out = nn.GroupNorm(groups, channels[0], eps=eps)
        self.conv_out = nn.Conv2d(channels[0], cfg["out_channels"], 3, padding=1)

    def time(self, timestep):
        """Sines and cosines of the timestep, [n, width]."""
        half = self.width // 2
        rates = torch.exp(-math.log(10000) * torch.arange(half, dtype=torch.float32) / (half - self.shift))
        angles = timestep.reshape(-1, 1).float() * rates
        parts = [torch.cos(angles), torch.sin(angles)]
        return torch.cat(parts if self.flip else parts[::-1], dim=1)

    def forward(self, sample, timestep, class_labels):
        labels = self.class_embedding(class_labels)
        # Times zero rather than expand, so that one timestep serves a batch of any size.
        embedding = torch.cat([self.time_embedding(self.time(timestep)) + 0 * labels, labels], dim=1)
        h = self.conv_in(sample)
        skips = [h]
        for level in self.down_blocks:
            for i in range(len(level.resnets)):
                h = level.layer(i, h, embedding)
                skips.append(h)
            if hasattr(level, "downsamplers"):
                h = level.downsamplers[0](h)
                skips.append(h)
        h = self.mid_block(h, embedding)
        for level in self.up_blocks:
            for i in range(len(level.resnets)):
                h = level.layer(i, torch.cat([h, skips.pop()], dim=1), embedding)
            if hasattr(level, "upsamplers"):
                h = level.upsamplers[0](h, skips[-1])
        return self.conv_out(F.silu(self.conv_norm_out(h)))
