#!/usr/bin/env python3
"""Writes librosa.json: the series of librosa 0.11 for the sound of the tests, every fifth frame. pip install librosa"""
import json
import os

import librosa
import librosa.feature.spectral as spectral
import numpy as np

RATE = 22050


def sound(seconds=3):
    """A glide of eight harmonics in pulses, with noise from a linear congruential generator; the same as in the tests."""
    n = seconds * RATE
    t = np.arange(n) / RATE
    state, noise = 12345, np.empty(n)
    for i in range(n):
        state = (1103515245 * state + 12345) % 2**31
        noise[i] = state / 2**30 - 1
    phase = 2 * np.pi * (180 * t + 40 * t * t)
    x = sum(np.sin(k * phase) / k for k in range(1, 9)) * np.exp(-6 * (t % 0.5))
    return (0.2 * x + 0.01 * noise).astype(np.float32)


def series(y):
    decibels = spectral.power_to_db
    spectral.power_to_db = lambda s, **options: decibels(s, **{**options, "top_db": None})  # a stream does not know its maximum
    s = np.abs(librosa.stft(y))
    mel = librosa.power_to_db(librosa.feature.melspectrogram(S=s**2, sr=RATE), top_db=None)
    return {
        "centroid": librosa.feature.spectral_centroid(S=s, sr=RATE),
        "bandwidth": librosa.feature.spectral_bandwidth(S=s, sr=RATE),
        "rolloff": librosa.feature.spectral_rolloff(S=s, sr=RATE),
        "flatness": librosa.feature.spectral_flatness(S=s),
        "contrast": librosa.feature.spectral_contrast(S=s, sr=RATE),
        "zero_crossings": librosa.feature.zero_crossing_rate(np.pad(y, 1024), center=False),
        "rms": librosa.feature.rms(y=y, pad_mode="constant"),
        "mfcc": librosa.feature.mfcc(S=mel, n_mfcc=20),
        "chroma": librosa.feature.chroma_stft(S=s**2, sr=RATE, tuning=0),
        "onset_strength": librosa.onset.onset_strength(S=mel, sr=RATE)[None],
    }


if __name__ == "__main__":
    out = {name: np.round(rows[:, ::5].T.astype(float), 7).ravel().tolist() for name, rows in series(sound()).items()}
    with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "librosa.json"), "w") as f:
        json.dump(out, f)
        f.write("\n")
