"""The pitch of a tone over time, from the peaks of its short-time spectrum."""
import numpy as np

RATE = 16000


def track(x, n=2048, hop=320):
    """Hertz of the strongest partial in each frame; nan where the frame is 30 dB below the loudest."""
    window = np.hanning(n)
    frames = np.lib.stride_tricks.sliding_window_view(np.asarray(x, np.float64), n)[::hop] * window
    a = np.abs(np.fft.rfft(frames, 4 * n))
    a[:, :int(60 / RATE * 4 * n)] = 0
    k = np.clip(a.argmax(1), 1, a.shape[1] - 2)
    rows = np.arange(len(k))
    left, mid, right = (np.log(a[rows, k + d] + 1e-12) for d in (-1, 0, 1))
    shift = np.clip((left - right) / (2 * (left - 2 * mid + right) - 1e-12), -.5, .5)
    hertz = (k + shift) * RATE / (4 * n)
    hertz[a.max(1) < 10 ** (-30 / 20) * a.max()] = np.nan
    return hertz


def wander(x):
    """How far, in semitones, nine tenths of the frames stay within from the clip's median pitch."""
    semitones = 12 * np.log2(track(x))
    return float(np.nanquantile(np.abs(semitones - np.nanmedian(semitones)), .9))


def climb(x):
    """Octaves from the first fifth of the clip to the last."""
    p = np.log2(track(x))
    n = max(1, len(p) // 5)
    return float(np.nanmedian(p[-n:]) - np.nanmedian(p[:n]))
