"""SpeechT5HifiGan of transformers: a mel spectrogram to a waveform."""
import torch
from torch import nn
from torch.nn import functional as F


class ResBlock(nn.Module):
    def __init__(self, channels, kernel, dilations, slope):
        super().__init__()
        self.slope = slope
        self.convs1 = nn.ModuleList([nn.Conv1d(channels, channels, kernel, dilation=d, padding=d * (kernel - 1) // 2) for d in dilations])
        self.convs2 = nn.ModuleList([nn.Conv1d(channels, channels, kernel, padding=(kernel - 1) // 2) for _ in dilations])

    def forward(self, x):
        for a, b in zip(self.convs1, self.convs2):
            x = x + b(F.leaky_relu(a(F.leaky_relu(x, self.slope)), self.slope))
        return x


class Vocoder(nn.Module):
    """spectrogram [batch, frames, bands] of natural logs to waveform [batch, samples], a few more than frames by hop."""

    def __init__(self, cfg):
        super().__init__()
        self.slope, self.normalises = cfg.get("leaky_relu_slope", 0.1), cfg.get("normalize_before", True)
        bands, channels = cfg["model_in_dim"], cfg["upsample_initial_channel"]
        self.register_buffer("mean", torch.zeros(bands))
        self.register_buffer("scale", torch.ones(bands))
        self.conv_pre = nn.Conv1d(bands, channels, 7, padding=3)
        self.upsampler, self.resblocks = nn.ModuleList(), nn.ModuleList()
        for rate, kernel in zip(cfg["upsample_rates"], cfg["upsample_kernel_sizes"]):
            self.upsampler.append(nn.ConvTranspose1d(channels, channels // 2, kernel, rate, padding=(kernel - rate) // 2))
            channels //= 2
            for size, dilations in zip(cfg["resblock_kernel_sizes"], cfg["resblock_dilation_sizes"]):
                self.resblocks.append(ResBlock(channels, size, dilations, self.slope))
        self.conv_post = nn.Conv1d(channels, 1, 7, padding=3)

    def forward(self, spectrogram):
        if self.normalises:
            spectrogram = (spectrogram - self.mean) / self.scale
        h = self.conv_pre(spectrogram.transpose(1, 2))
        kernels = len(self.resblocks) // len(self.upsampler)
        for i, up in enumerate(self.upsampler):
            h = up(F.leaky_relu(h, self.slope))
            h = sum(block(h) for block in self.resblocks[i * kernels:(i + 1) * kernels]) / kernels
        # The last one has PyTorch's own slope, as in the first HiFi-GAN.
        return torch.tanh(self.conv_post(F.leaky_relu(h)))[:, 0]

    @staticmethod
    def rename(weights):
        """Folds weight norm, which some checkpoints keep apart under one of two names, into the weights."""
        plain = {}
        for name, value in weights.items():
            for old, new in (("parametrizations.weight.original0", "weight_g"), ("parametrizations.weight.original1", "weight_v")):
                name = name.replace(old, new)
            plain[name] = value
        out = {k: v for k, v in plain.items() if not k.endswith(("weight_g", "weight_v"))}
        for name, v in plain.items():
            if name.endswith("weight_v"):
                norm = v.flatten(1).norm(dim=1).reshape(-1, *[1] * (v.dim() - 1))
                out[name[:-2]] = v * (plain[name[:-1] + "g"] / norm)
        return out
