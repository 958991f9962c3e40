"""A filterbank as the start of the conv stack, for training from nothing.

Layers 0 to 3 hand the waveform on linearly: each signal is carried as the pair
+x, -x, since gelu(x) - gelu(-x) = x. Layer 4 is a bank of mel-spaced Gabor
filters in quadrature over 160 samples; layers 5 and 6 average the rectified
bands over time.
"""
import numpy as np
import torch

from model import KERNEL, STRIDE


def dct(n, m):
    k, t = np.arange(m)[:, None], np.arange(n)[None] + .5
    d = np.cos(np.pi * k * t / n)
    return d / np.linalg.norm(d, axis=1, keepdims=True)


def gabor(bands, width):
    """Two filters (cosine, sine) a band, mel-spaced from 90 Hz to 6.3 kHz."""
    def mel(f):
        return 1127 * np.log(1 + f / 700)
    e = 700 * (np.exp(np.linspace(mel(90), mel(6300), bands + 2) / 1127) - 1)
    t = np.arange(width) - (width - 1) / 2
    out = []
    for b in range(bands):
        bw = max(e[b + 2] - e[b], 150.)
        g = np.exp(-.5 * (t * bw / 16000 * 1.7) ** 2) * np.hanning(width + 2)[1:-1]
        for phase in (0, np.pi / 2):
            q = g * np.cos(2 * np.pi * e[b + 1] * t / 16000 + phase)
            out.append(q / np.linalg.norm(q))
    return np.array(out)


def start(m):
    layers = m.wav2vec2.feature_extractor.conv_layers
    dims = [x.conv.weight.shape[0] for x in layers]
    basis = dct(KERNEL[0], KERNEL[0])  # what the outputs so far see, as filters on the waveform
    w = layers[0].conv.weight.data
    w[:10, 0] = torch.tensor(basis)
    w[10:20, 0] = torch.tensor(-basis)
    width, hop = KERNEL[0], STRIDE[0]
    bands = dims[4] // 4
    for i in range(1, 5):
        n, wide = basis.shape[0], width + 2 * hop
        want = dct(wide, min(dims[i] // 2, wide)) if i < 4 else gabor(bands, wide)
        nf = len(want)
        shifted = np.zeros((3 * n, wide))
        for k in range(3):
            shifted[k * n:(k + 1) * n, k * hop:k * hop + width] = basis
        c = want @ np.linalg.pinv(shifted, rcond=1e-3)  # the nearest that one conv layer can reach
        basis = c @ shifted
        c = torch.tensor(c.reshape(nf, 3, n).transpose(0, 2, 1), dtype=torch.float32)
        c = torch.cat([c, -c], 1) * (2.0 if i == 4 else 1.0)  # inputs: the +x block, then the -x block
        w = layers[i].conv.weight.data
        w.mul_(.3 if i < 4 else 1.)
        w[:2 * nf] *= .02
        w[:nf, :2 * n] += c
        w[nf:2 * nf, :2 * n] -= c
        width, hop = wide, hop * 2
    w = layers[5].conv.weight.data
    w[:bands] *= .05
    for b in range(bands):
        for c in (2 * b, 2 * b + 1, 2 * bands + 2 * b, 2 * bands + 2 * b + 1):
            w[b, c] += .5
    w = layers[6].conv.weight.data
    w[:2 * bands] *= .05
    for b in range(bands):
        w[b, b] += .5          # energy
        w[bands + b, b, 0] -= .7  # and its change
        w[bands + b, b, 1] += .7
