"""Writes golden.json: colours of matplotlib, levels of a spectrogram by numpy, and peaks.

Run with matplotlib and numpy: python3 golden.py > golden.json
"""

import json

import matplotlib
import numpy as np


def signal(frames):
    """The same pseudo-random samples of 16 bits as signal in golden_test.go."""
    i = np.arange(frames, dtype=np.int64)
    return (i * 7919 + i * i * 31) % 65536 - 32768


def colors():
    at = np.linspace(0, 1, 65)
    return {
        name: (np.asarray(matplotlib.colormaps[name](at))[:, :3] * 255).round().astype(int).tolist()
        for name in ("viridis", "cividis", "magma")
    }


def spectrogram(frames, columns, window, per_column, peak):
    """The level of every bin but the last, the highest first, for each column."""
    x = signal(frames) / 32768 * np.linspace(1, 0.001, frames)
    padded = np.concatenate([np.zeros(window), x, np.zeros(window)])
    hann = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(window) / window)
    hop = frames / columns / per_column
    result = []
    for c in range(columns):
        powers = []
        for j in range(per_column):
            start = int(np.floor((c * per_column + j + 0.5) * hop + 0.5)) - window // 2 + window
            power = np.abs(np.fft.rfft(padded[start : start + window] * hann) / (window / 4)) ** 2
            powers.append(power)
        power = np.max(powers, axis=0) if peak else np.mean(powers, axis=0)
        result.append([round(float(v), 3) for v in 10 * np.log10(power[window // 2 - 1 :: -1] + 1e-40)])
    return result


def peaks(frames, channels, per):
    x = signal(frames * channels).reshape(frames, channels)
    data = []
    for start in range(0, frames, per):
        part = x[start : start + per]
        for c in range(channels):
            data += [int(part[:, c].min()), int(part[:, c].max())]
    return data


print(
    json.dumps(
        {
            "colors": colors(),
            "mean": spectrogram(4000, 20, 256, 2, False),
            "max": spectrogram(4000, 20, 256, 2, True),
            "short": spectrogram(300, 20, 256, 1, False),
            "peaks": peaks(1000, 2, 64),
        },
        separators=(",", ":"),
    )
)
