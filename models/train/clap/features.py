"""Log-mel features of clap-tiny: those of ClapFeatureExtractor at 16 kHz."""
import numpy as np

RATE, HOP, FFT, BANDS = 16000, 160, 512, 64
FLOOR, STEP = -100., .5  # decibels: bytes are (dB - FLOOR) / STEP


def mel_filters():
    """Triangles on Slaney's scale with his norm, 50 to 8000 Hz: [257, 64], as in ClapFeatureExtractor."""
    def to_mel(f):
        return np.where(f < 1000, 3 * f / 200, 15 + 27 / np.log(6.4) * np.log(np.maximum(f, 1) / 1000))

    def to_hertz(m):
        return np.where(m < 15, 200 * m / 3, 1000 * np.exp(np.log(6.4) / 27 * (m - 15)))
    edge = to_hertz(np.linspace(to_mel(np.array(50.)), to_mel(np.array(8000.)), BANDS + 2))
    f = np.linspace(0, RATE / 2, FFT // 2 + 1)[:, None]
    up, down = (f - edge[:-2]) / np.diff(edge[:-1]), (edge[2:] - f) / np.diff(edge[1:])
    return np.maximum(0, np.minimum(up, down)) * 2 / (edge[2:] - edge[:-2])


FILTERS = mel_filters().astype(np.float32)
WINDOW = (.5 - .5 * np.cos(2 * np.pi * np.arange(FFT) / FFT)).astype(np.float32)


def log_mel(x):
    """Decibels [rows, 64] of samples, a row every 10 ms: centred frames, reflected ends, a Hann window, 10 log10."""
    x = np.pad(np.asarray(x, np.float32), FFT // 2, mode="reflect" if len(x) > FFT // 2 else "constant")
    frames = np.lib.stride_tricks.sliding_window_view(x, FFT)[::HOP]
    p = np.abs(np.fft.rfft(frames * WINDOW)).astype(np.float32) ** 2
    return 10 * np.log10(np.maximum(p @ FILTERS, 1e-10))


def to_bytes(db):
    return np.clip(np.round((db - FLOOR) / STEP), 0, 255).astype(np.uint8)
