"""Vectors of clips by a trained network, and by means and deviations of log-mel rows for comparison."""
import numpy as np
import torch

import features
from bytepairs import LETTERS, Tokenizer
from captions import SPECIALS
from model import STRIDE, Clap

torch.set_num_threads(1)


def load(path):
    """The network and the tokenizer of a checkpoint."""
    state = torch.load(path, map_location="cpu")
    t = Tokenizer(state["merges"], SPECIALS, LETTERS)
    net = Clap(len(t.tokens))
    net.load_state_dict(state["net"])
    return net.eval(), t


def decibels(x, pad=24):
    """The rows [rows, 64] of a clip (int16) above a noise floor, with pad rows of it on both sides, a multiple of 4 long; and the weights of frames."""
    m = 10 ** (features.log_mel(np.asarray(x, np.float32) / 32768) / 10) + 1e-7
    n = len(m)
    out = np.full((-(-(n + 2 * pad) // STRIDE) * STRIDE, features.BANDS), 1e-7, np.float32)
    out[pad:pad + n] = m
    w = np.zeros(len(out) // STRIDE, np.float32)
    w[pad // STRIDE:-(-(pad + n) // STRIDE)] = 1
    return 10 * np.log10(out), w


def clap(net, clips, size=48):
    """Vectors [n, 2, 192] in the space of captions and in that of sounds."""
    order, out = np.argsort([len(c) for c in clips]), np.zeros((len(clips), 2, 192), np.float32)
    for i in range(0, len(order), size):
        rows = [decibels(clips[k]) for k in order[i:i + size]]
        n = max(len(r[0]) for r in rows)
        x, w = np.full((len(rows), n, features.BANDS), -70, np.float32), np.zeros((len(rows), n // STRIDE), np.float32)
        for j, (a, b) in enumerate(rows):
            x[j, :len(a)], w[j, :len(b)] = a, b
        with torch.no_grad():
            a, z = net.audio(torch.from_numpy(x), torch.from_numpy(w))
        out[order[i:i + size], 0], out[order[i:i + size], 1] = a.numpy(), z.numpy()
    return out


def melstat(clips):
    rows = [features.log_mel(np.asarray(c, np.float32) / 32768) for c in clips]
    return np.array([np.r_[m.mean(0), m.std(0)] for m in rows], np.float32)
