"""The sounds of parity.py. All are made from fixed seeds."""
import glob
import os
import wave

import numpy as np

CLIPS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../../../models/wav2vec2-tiny/clips/*.wav")
RATE = 22050


def clips(count, rate):
    """Committed recordings of speech, by linear interpolation at another rate."""
    for name in sorted(glob.glob(CLIPS))[:count]:
        with wave.open(name) as f:
            y = np.frombuffer(f.readframes(f.getnframes()), "<i2") / 32768
            at = np.arange(int(len(y) * rate / f.getframerate())) / rate * f.getframerate()
        yield np.interp(at, np.arange(len(y)), y)


def mixture(random, rate, seconds):
    """Decaying glides with vibrato, noise and sometimes a gap."""
    t = np.arange(int(rate * seconds)) / rate
    x = np.zeros(len(t))
    for _ in range(random.integers(1, 6)):
        hz = np.exp(random.uniform(np.log(60), np.log(3000)))
        envelope = np.exp(-((t * random.uniform(0.5, 6)) % 1) * random.uniform(0, 10))
        bend = 1 + random.uniform(-0.1, 0.1) * t / 10
        x += random.uniform(0.05, 0.3) * envelope * np.sin(2 * np.pi * hz * t * bend + np.sin(2 * np.pi * random.uniform(1, 6) * t))
    if random.random() < 0.7:
        x += random.uniform(0, 0.1) * random.standard_normal(len(t))
    if random.random() < 0.3:
        x[int(len(t) * 0.3) : int(len(t) * 0.5)] = 0
    return x


def mono():
    """30 recordings of one channel at 22050 Hz."""
    random = np.random.default_rng(3)
    yield from clips(6, RATE)
    for _ in range(24):
        yield np.clip(mixture(random, RATE, random.uniform(3, 10)), -1, 1)


def stereo():
    """30 recordings with their rates: mono and stereo, quiet and clipped."""
    random = np.random.default_rng(5)
    for i in range(30):
        rate, channels = [48000, 44100, 32000][i % 3], 1 + i % 2
        x = np.stack([mixture(random, rate, 12) for _ in range(channels)], 1) * 10 ** (random.uniform(-30, 6) / 20)
        yield np.clip(x, -1, 1), rate


def hit(random, kind, hz):
    n = int(0.12 * RATE)
    t = np.arange(n) / RATE
    if kind == 0:
        x = np.exp(-t * 60) * np.sin(2 * np.pi * hz * t)
    elif kind == 1:
        x = np.exp(-t * 80) * random.standard_normal(n)
    elif kind == 2:
        x = np.exp(-t * 25) * np.sin(2 * np.pi * (60 + 100 * np.exp(-t * 40)) * t) * 1.5
    else:
        x = np.exp(-t * 15) * (np.sin(2 * np.pi * hz * t) + 0.5 * np.sin(4 * np.pi * hz * t)) * np.minimum(1, t / 0.005)
    return x * np.clip((n - np.arange(n)) / (0.06 * RATE), 0, 1)


def rhythms():
    """20 rhythms of 20 s with their speeds and the times of their hits."""
    random = np.random.default_rng(7)
    patterns = [[0], [0, 0.5], [0, 0.5, 0.75], [0, 1 / 3, 2 / 3], [0, 0.25, 0.5, 0.75]]
    for k, bpm in enumerate([60, 66, 72, 80, 84, 90, 96, 100, 108, 112, 116, 120, 126, 132, 138, 140, 150, 160, 170, 180]):
        beat, x, times = 60 / bpm, np.zeros(21 * RATE), []
        for number in range(int(19.5 / beat) + 1):
            for place in patterns[k % 5]:
                at = (number + place) * beat + random.normal(0, 0.004)
                if not 0 <= at <= 19.6:
                    continue
                kind, gain = (2, 1.0) if place == 0 else (int(random.choice([0, 1, 3])), random.uniform(0.4, 0.7))
                one = hit(random, kind, random.choice([330, 440, 660, 880]))
                x[int(at * RATE) : int(at * RATE) + len(one)] += 0.5 * gain * one
                times.append(at)
        x = x[: 20 * RATE] + random.standard_normal(20 * RATE) * 0.003
        yield x / np.abs(x).max() * 0.9, bpm, np.array(sorted(times))


def tones():
    """Tones and glides of 50 to 2000 Hz with the frequency at each time."""
    t = np.arange(3 * RATE) / RATE
    for hz in [50, 55, 70, 82.4, 110, 150, 220, 333, 440, 523.25, 700, 880, 1000, 1234.5, 1500, 1760, 1900, 2000]:
        sine = 0.3 * np.sin(2 * np.pi * hz * t)
        yield sine, lambda at, hz=hz: np.full(len(at), hz)
        yield sum(0.3 / k * np.sin(2 * np.pi * hz * k * t) for k in range(1, 9) if hz * k < 10000), lambda at, hz=hz: np.full(len(at), hz)
        yield 0.5 * np.sign(sine), lambda at, hz=hz: np.full(len(at), hz)
    for low, high in [(50, 400), (100, 1000), (2000, 200), (500, 2000)]:
        phase = 2 * np.pi * np.cumsum(low * (high / low) ** (t / 3)) / RATE
        yield 0.3 * np.sin(phase) + 0.1 * np.sin(2 * phase), lambda at, low=low, high=high: low * (high / low) ** (at / 3)
