"""The mel spectrogram that autoencoder and vocoder speak, as AudioLDM's own training defines it.

16 kHz, 1024-point transform, hop 160, 64 bands from 0 to 8 kHz on Slaney's scale
with Slaney's normalisation, magnitude, natural log of at least 1e-5.
"""
import numpy as np
import torch
import torch.nn.functional as F

HOP, BANDS = 160, 64
MEAN, STD = -7.3, 4.0  # of the log-mel values of our sounds


def slaney_bank():
    def to_hertz(m):
        return np.where(m < 15, m * 200 / 3, 1000 * np.exp(np.log(6.4) / 27 * (m - 15)))
    top = 15 + 27 * np.log(8) / np.log(6.4)
    edge = to_hertz(np.linspace(0, top, BANDS + 2))
    f = np.linspace(0, 8000, 513)
    up = (f[None] - edge[:-2, None]) / (edge[1:-1] - edge[:-2])[:, None]
    down = (edge[2:, None] - f[None]) / (edge[2:] - edge[1:-1])[:, None]
    return np.maximum(0, np.minimum(up, down)) * (2 / (edge[2:] - edge[:-2]))[:, None]


_bank = torch.tensor(slaney_bank(), dtype=torch.float32)


def magnitude(x, n=1024, hop=HOP):
    """[b, samples] -> [b, n/2+1, samples/hop]."""
    x = F.pad(x[:, None], ((n - hop) // 2, (n - hop) // 2), mode="reflect")[:, 0]
    z = torch.stft(x, n, hop, window=torch.hann_window(n), center=False, return_complex=True)
    return torch.sqrt(z.real ** 2 + z.imag ** 2 + 1e-9)


def log_mel(x):
    """[b, samples] -> [b, samples/160, 64]."""
    return torch.log(F.conv1d(magnitude(x), _bank[:, :, None]).clamp(min=1e-5)).transpose(1, 2)
