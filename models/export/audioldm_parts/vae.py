"""The decoder of diffusers' AutoencoderKL: a latent to a mel spectrogram."""
from torch import nn
from torch.nn import functional as F

from .layers import ImageAttention, Resnet, Upsample

EPS = 1e-6


class UpLevel(nn.Module):
    def __init__(self, cin, cout, layers, groups, last):
        super().__init__()
        self.resnets = nn.ModuleList([Resnet(cin if j == 0 else cout, cout, groups, EPS) for j in range(layers)])
        if not last:
            self.upsamplers = nn.ModuleList([Upsample(cout)])

    def forward(self, x):
        for resnet in self.resnets:
            x = resnet(x)
        return self.upsamplers[0](x) if hasattr(self, "upsamplers") else x


class Middle(nn.Module):
    def __init__(self, channels, groups):
        super().__init__()
        self.attentions = nn.ModuleList([ImageAttention(channels, groups, EPS)])
        self.resnets = nn.ModuleList([Resnet(channels, channels, groups, EPS) for _ in range(2)])

    def forward(self, x):
        return self.resnets[1](self.attentions[0](self.resnets[0](x)))


class Decoder(nn.Module):
    def __init__(self, cfg):
        super().__init__()
        channels, groups = cfg["block_out_channels"][::-1], cfg.get("norm_num_groups", 32)
        self.conv_in = nn.Conv2d(cfg["latent_channels"], channels[0], 3, padding=1)
        self.mid_block = Middle(channels[0], groups)
        layers = cfg.get("layers_per_block", 1) + 1
        self.up_blocks = nn.ModuleList([
            UpLevel(channels[max(i - 1, 0)], c, layers, groups, i == len(channels) - 1) for i, c in enumerate(channels)])
        self.conv_norm_out = nn.GroupNorm(groups, channels[-1], eps=EPS)
        self.conv_out = nn.Conv2d(channels[-1], cfg["out_channels"], 3, padding=1)

    def forward(self, x):
        x = self.mid_block(self.conv_in(x))
        for level in self.up_blocks:
            x = level(x)
        return self.conv_out(F.silu(self.conv_norm_out(x)))


class VAE(nn.Module):
    """latent [batch, channels, rows, columns], divided by scaling_factor already, to [batch, 1, 4 rows, bands]."""

    # The encoder's half of the checkpoint is of no use here.
    unused = ("encoder.", "quant_conv.")

    def __init__(self, cfg):
        super().__init__()
        for field, allowed in {"act_fn": ("silu", "swish"), "mid_block_add_attention": (True,), "use_post_quant_conv": (True,)}.items():
            if field in cfg and cfg[field] not in allowed:
                raise ValueError("vae: %s is %r, known is %s" % (field, cfg[field], allowed))
        self.post_quant_conv = nn.Conv2d(cfg["latent_channels"], cfg["latent_channels"], 1)
        self.decoder = Decoder(cfg)

    def forward(self, latent_sample):
        return self.decoder(self.post_quant_conv(latent_sample))

    @staticmethod
    def rename(weights):
        """Checkpoints of 2023 have other names for the attention's projections."""
        names = {"query": "to_q", "key": "to_k", "value": "to_v", "proj_attn": "to_out.0"}
        out = {}
        for name, value in weights.items():
            head, _, kind = name.rpartition(".")
            stem, _, last = head.rpartition(".")
            if ".attentions." in name and last in names:
                name = "%s.%s.%s" % (stem, names[last], kind)
            if ".attentions." in name and kind == "weight" and value.dim() == 4:
                value = value[:, :, 0, 0]
            out[name] = value
        return out
