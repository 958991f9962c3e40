"""Random rooms, noise, levels and band limits, and clips that hold no speech at all.

All take a numpy RandomState, so one seed gives one run.
"""
import numpy as np
from scipy.fft import irfft, next_fast_len, rfft

RATE = 16000


def speed(x, f):
    """Read f times faster (pitch and formants move too)."""
    return np.interp(np.arange(0, len(x) - 1, f), np.arange(len(x)), x).astype(np.float32)


def room_and_eq(R, x):
    """A random equaliser curve, at times a room's echo, a telephone's or a codec's band limit."""
    n = next_fast_len(len(x) + 6000, real=True)
    X = rfft(x, n)
    k = len(X)
    f = np.linspace(0, 8000, k, dtype=np.float32)
    g = np.interp(np.sqrt(f / 8000), np.linspace(0, 1, 8), R.uniform(-9, 5, 8)).astype(np.float32)
    g = np.exp(g * np.float32(np.log(10) / 20))
    u = R.rand()
    if u < .15:   # telephone
        lo, hi = R.uniform(150, 350), R.uniform(3000, 3600)
        g *= 1 / (1 + np.exp((lo - f) / 25)) / (1 + np.exp((f - hi) / 60))
    elif u < .3:  # a codec or a poor microphone
        g *= 1 / (1 + np.exp((f - R.uniform(3500, 7500)) / 120))
    elif u < .4:
        g *= 1 / (1 + np.exp((R.uniform(60, 250) - f) / 25))
    X *= g
    if R.rand() < .5:
        m = int(R.uniform(.04, .35) * RATE)
        h = R.randn(m).astype(np.float32) * np.exp(-6.9 * np.arange(m, dtype=np.float32) / m) * R.uniform(.02, .1)
        h[:int(R.uniform(1, 200))] = 0
        h[0] = 1
        X *= rfft(h, n)
    return irfft(X, n)[:len(x)].astype(np.float32)


def noise(R, n):
    """Noise of a random colour, now and then limited to a band or swelling and fading."""
    u = R.rand()
    w = R.randn(n).astype(np.float32)
    if u > .35:
        k = next_fast_len(n, real=True)
        W = rfft(w, k)
        f = np.linspace(0, 8000, len(W), dtype=np.float32) + 20
        W *= f ** R.uniform(-1.2, .5)
        if R.rand() < .3:
            c, b = R.uniform(200, 6000), R.uniform(100, 2000)
            W *= np.exp(-.5 * ((f - c) / b) ** 2) + .02
        w = irfft(W, k)[:n].astype(np.float32)
    if R.rand() < .2:
        w = w * (1 + R.uniform(.2, .95) * np.sin(np.arange(n) * (2 * np.pi * R.uniform(.3, 8) / RATE) + R.uniform(0, 6))).astype(np.float32)
    return w / (w.std() + 1e-6)


def tone(R, t, f):
    """A note of a random timbre: sine, square-like, saw-like or a few partials."""
    k, y = R.randint(4), 0
    ph = R.uniform(0, 6.28)
    if k == 0:
        return np.sin(2 * np.pi * f * t + ph)
    for h in range(1, max(2, min(int(7500 / f), R.randint(2, 14)))):
        if k == 1 and h % 2 == 0:
            continue
        y = y + np.sin(2 * np.pi * f * h * t + ph * h) / h ** R.uniform(.8, 1.4)
    return y


def music(R, n):
    """Chords and melodies with attacks and decays, some with a beat."""
    y = np.zeros(n, np.float32)
    beat = int(R.uniform(.15, .8) * RATE)
    root = R.uniform(60, 500)
    scale = [0, 2, 4, 5, 7, 9, 11, 12, 14, 16]
    for s in range(0, n, beat):
        m = min(n - s, int(beat * R.uniform(.8, 3)))
        t = np.arange(m) / RATE
        for _ in range(R.randint(1, 5)):
            f = root * 2 ** (scale[R.randint(len(scale))] / 12)
            env = np.exp(-t * R.uniform(.2, 8)) * np.minimum(1, t / R.uniform(.002, .08))
            y[s:s + m] += (tone(R, t, f) * env).astype(np.float32) * R.uniform(.3, 1)
        if R.rand() < .3:  # a drum
            d = min(m, 3000)
            y[s:s + d] += R.randn(d).astype(np.float32) * np.exp(-np.arange(d) / R.uniform(80, 900)).astype(np.float32) * R.uniform(.3, 2)
    return y


def not_speech(R, n):
    """Something that must be transcribed as nothing."""
    k, t = R.randint(8), np.arange(n) / RATE
    if k == 0:
        x = np.zeros(n)
        if R.rand() < .6:
            x = x + R.randn(n) * 10 ** R.uniform(-5, -2)
    elif k == 1:
        x = noise(R, n)
    elif k == 2:
        x = sum(tone(R, t, R.uniform(50, 1500) * 2 ** R.uniform(0, 2)) * R.uniform(.2, 1) for _ in range(R.randint(1, 4)))
    elif k in (3, 4):
        x = music(R, n)
    elif k == 5:  # chirps, sirens and wobbles
        f = R.uniform(80, 3000) * np.exp(R.uniform(-1.2, 1.2) * (t / t[-1] if R.rand() < .5 else np.sin(2 * np.pi * R.uniform(.3, 9) * t)))
        x = np.sin(2 * np.pi * np.cumsum(f) / RATE)
    elif k == 6:  # knocks and bursts
        x = np.zeros(n)
        for _ in range(R.randint(1, 10)):
            s, m = R.randint(n), int(R.uniform(.005, .5) * RATE)
            m = min(m, n - s)
            x[s:s + m] += noise(R, max(m, 64))[:m] * np.exp(-np.arange(m) / m * R.uniform(0, 6)) * R.uniform(.2, 1)
    else:         # notes switched on and off, as beeps
        x = tone(R, t, R.uniform(100, 3000)) * ((t * R.uniform(.5, 8)) % 1 < R.uniform(.2, .9))
    x = np.asarray(x, np.float32)
    if R.rand() < .5:
        x = x / (x.std() + 1e-6) + noise(R, n) * 10 ** -R.uniform(.2, 2.5)
    if R.rand() < .4:
        x = room_and_eq(R, x)
    return x.astype(np.float32)


def add_noise(R, x):
    """Noise under speech: mostly stationary, at times music or tones."""
    u = R.rand()
    if u < .25:
        return x
    sd = x.std() + 1e-6
    if u < .9:
        w, snr = noise(R, len(x)), R.uniform(4, 18) if R.rand() < .4 else R.uniform(15, 45)
    else:
        w = music(R, len(x)) if R.rand() < .6 else not_speech(R, len(x))
        w, snr = w / (w.std() + 1e-6), R.uniform(8, 30)
    return (x + w * (sd * 10 ** (-snr / 20))).astype(np.float32)


def coarse(R, x):
    """Clipping, few bits or mu-law: what cheap recorders and old codecs do."""
    u = R.rand()
    p = np.abs(x).max() + 1e-6
    if u < .06:
        return np.clip(x, -p * R.uniform(.3, .8), p * R.uniform(.3, .8))
    if u < .1:
        q = 2 ** R.randint(6, 11)
        return np.round(x / p * q) / q
    if u < .14:
        y = np.sign(x) * np.log1p(255 * np.abs(x) / p) / np.log(256)
        y = np.round(y * 127) / 127
        return (np.sign(y) * np.expm1(np.abs(y) * np.log(256)) / 255).astype(np.float32)
    return x


def normalise(x):
    """As the feature extractor of the model folder does it."""
    x = x - x.mean()
    return (x / np.sqrt(x.var() + 1e-7)).astype(np.float32)
