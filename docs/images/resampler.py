#!/usr/bin/env python3
"""Draw what the server's resampler does, through POST /v1/audio/conversions.

  resampler.py URL FOLDER      the server's address, and where resampler-sweep.png and resampler-stopband.png go

The first has spectrograms of a sine swept from 20 Hz to half the rate over ten seconds: 48 to 16 kHz, 44.1 to 48 kHz and 8 to 44.1 kHz.
Anything but the one line is an alias or an image. The second has the level that sines of every frequency leave behind when
48 kHz become 16 kHz. Needs numpy and matplotlib.
"""
import io
import sys
import urllib.request
import uuid
import wave

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np


def convert(url, samples, rate, to):
    """Float32 samples through the server; what comes back is float32 too."""
    head = b"RIFF" + (36 + 4 * len(samples)).to_bytes(4, "little") + b"WAVEfmt " + (16).to_bytes(4, "little") + \
        (3).to_bytes(2, "little") + (1).to_bytes(2, "little") + rate.to_bytes(4, "little") + (4 * rate).to_bytes(4, "little") + \
        (4).to_bytes(2, "little") + (32).to_bytes(2, "little") + b"data" + (4 * len(samples)).to_bytes(4, "little")
    boundary = uuid.uuid4().hex
    body = b""
    for name, value in (("container", "pcm"), ("sample_rate", str(to)), ("bit_depth", "float")):
        body += ("--%s\r\nContent-Disposition: form-data; name=\"%s\"\r\n\r\n%s\r\n" % (boundary, name, value)).encode()
    body += ("--%s\r\nContent-Disposition: form-data; name=\"file\"; filename=\"x.wav\"\r\n\r\n" % boundary).encode()
    body += head + samples.astype("<f4").tobytes() + ("\r\n--%s--\r\n" % boundary).encode()
    request = urllib.request.Request(url + "/v1/audio/conversions", body, {"Content-Type": "multipart/form-data; boundary=" + boundary})
    with urllib.request.urlopen(request) as response:
        return np.frombuffer(response.read(), "<f4").astype(np.float64)


def sweep(rate, seconds=10):
    t = np.arange(rate * seconds) / rate
    low, high = 20, rate / 2
    return 0.5 * np.sin(2 * np.pi * (low * t + (high - low) * t * t / (2 * seconds)))


def draw_sweeps(url, path):
    figure, axes = plt.subplots(1, 3, figsize=(13, 4.2), constrained_layout=True)
    for axis, (rate, to) in zip(axes, ((48000, 16000), (44100, 48000), (8000, 44100))):
        y = convert(url, sweep(rate), rate, to)
        *_, image = axis.specgram(y, NFFT=2048, Fs=to, noverlap=1024, window=np.kaiser(2048, 18), scale="dB", vmin=-190, vmax=-30, cmap="magma")
        axis.set(title="%g to %g kHz" % (rate / 1000, to / 1000), xlabel="seconds", ylabel="Hz")
    figure.colorbar(image, ax=axes, label="dB per Hz")
    figure.savefig(path, dpi=80)


def level(y):
    """The level of what is there, in dB of a full sine, the ends left out."""
    y = y[len(y) // 10:-len(y) // 10]
    return 20 * np.log10(max(np.sqrt(2 * np.mean(y * y)), 1e-10))


def draw_stop_band(url, path):
    rate, to = 48000, 16000
    t = np.arange(rate // 2) / rate
    frequencies = np.concatenate([np.arange(100, 7000, 300), np.arange(7000, 9000, 25), np.arange(9000, 24000, 200)])
    levels = [level(convert(url, np.sin(2 * np.pi * f * t), rate, to)) for f in frequencies]
    figure, axis = plt.subplots(figsize=(9, 4.2), constrained_layout=True)
    axis.plot(frequencies, levels, lw=1.2)
    axis.axvline(to / 2, color="grey", lw=0.8)
    axis.axhline(-90, color="grey", lw=0.8, ls="--")
    axis.set(title="48 to 16 kHz: what is left of a sine", xlabel="Hz", ylabel="dB", ylim=(-150, 5))
    figure.savefig(path, dpi=80)
    beyond = [l for f, l in zip(frequencies, levels) if f >= to / 2]
    print("from %d Hz on at most %.1f dB; up to 7000 Hz within %.4f dB" %
          (to // 2, max(beyond), max(abs(l) for f, l in zip(frequencies, levels) if f <= 7000)))


if __name__ == "__main__":
    draw_sweeps(sys.argv[1], sys.argv[2] + "/resampler-sweep.png")
    draw_stop_band(sys.argv[1], sys.argv[2] + "/resampler-stopband.png")
