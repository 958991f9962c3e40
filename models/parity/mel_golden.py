#!/usr/bin/env python3
"""Golden log-mel spectrograms for services/dsp: mel_golden.py writes ../../services/dsp/testdata/mel.json.gz with numpy and transformers (PyPI)."""
import gzip
import json
import os

import numpy as np
from transformers.audio_utils import mel_filter_bank, spectrogram, window_function

# sample rate, transform, hop, bands, lowest and highest frequency, scale, samples
CASES = [(48000, 1024, 480, 64, 50, 14000, "slaney", 96000), (48000, 1024, 480, 64, 50, 14000, "htk", 48100), (48000, 1024, 480, 64, 0, 14000, "htk", 4801),
         (16000, 512, 160, 64, 50, 8000, "slaney", 16100), (16000, 512, 160, 80, 0, 8000, "htk", 1000)]


def made(n):
    """Two gliding tones, noise and silence; services/dsp/melspec_test.go has the same."""
    x, state = np.zeros(n), 1
    for i in range(n):
        state = (state * 1664525 + 1013904223) & 0xffffffff
        x[i] = .3 * np.sin(.02 * i + 1e-6 * i * i) + .1 * np.sin(.3 * i) + .05 * ((state >> 8) / (1 << 23) - 1)
    x[n // 2 + 1:n // 2 + 2 * n // 10] = 0
    return x.astype(np.float32)


def main():
    out = []
    for rate, fft, hop, bands, low, high, scale, samples in CASES:
        filters = mel_filter_bank(fft // 2 + 1, bands, low, high, rate, norm="slaney" if scale == "slaney" else None, mel_scale=scale)
        m = spectrogram(made(samples), window_function(fft, "hann"), frame_length=fft, hop_length=hop, power=2.0, mel_filters=filters, log_mel="dB").T
        shown = sorted({0, 1, 2, len(m) - 3, len(m) - 2, len(m) - 1, *range(5, len(m), max(1, len(m) // 8))} & set(range(len(m))))
        out.append(dict(sample_rate=rate, fft=fft, hop=hop, bands=bands, low=low, high=high, scale=scale, samples=samples, rows=len(m), shown=shown,
                        values=[[round(float(v), 4) for v in m[i]] for i in shown]))
    to = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../services/dsp/testdata/mel.json.gz")
    os.makedirs(os.path.dirname(to), exist_ok=True)
    with open(to, "wb") as raw, gzip.GzipFile(filename="", mode="wb", fileobj=raw, mtime=0) as f:
        f.write(json.dumps(out).encode())


if __name__ == "__main__":
    main()
