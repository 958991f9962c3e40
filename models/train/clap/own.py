#!/usr/bin/env python3
"""A user's check over HTTP: own.py URL [SEED]. Twenty sounds and forty words by generators that neither the sets nor the training have, five examples each; then
600 other clips of them and 200 of ten further sounds. A clip is the pattern whose detection scores highest, or unknown.

The generators are of their own kind: modes that beat, waveguides, granular clouds, folded waves, filtered pulses. The words are names that are not in the list of
training, by flite's slt and rms and by RHVoice's Slt.
"""
import sys

import numpy as np

import flite
import rhvoice
from patches import finish
from served import RATE, Server
from speech import shifted

WORDS = """london berlin madrid lisbon vienna moscow athens dublin oslo warsaw jupiter saturn neptune mercury pluto william elizabeth katherine alexander nicholas
january february november december wednesday thursday africa europe canada brazil pakistan kenya einstein newton shakespeare mozart picasso gandhi columbus
cleopatra""".split()


class Clip:
    """A setting of a generator (numbers from its own seed) with a jitter of some percent for each clip."""

    def __init__(self, setting, instance):
        self.p, self.i = np.random.default_rng(setting), np.random.default_rng(instance)
        self.seconds = .45 + .9 * self.p.random()
        self.t = np.arange(int(self.seconds * (1 + .04 * self.i.standard_normal()) * RATE)) / RATE

    def number(self, low, high):
        return low * (high / low) ** self.p.random() * np.exp(.02 * self.i.standard_normal())

    def noise(self):
        return self.i.standard_normal(len(self.t))

    def decay(self, rate):
        return np.exp(-rate * self.t)

    def phase(self, hz):
        return 2 * np.pi * np.cumsum(hz * np.ones(len(self.t))) / RATE


def ring(x, hz, q):
    """A resonator of two poles."""
    w, r = 2 * np.pi * hz / RATE, np.exp(-np.pi * hz / q / RATE)
    y, a, b = np.zeros(len(x)), 0., 0.
    c = 2 * r * np.cos(w)
    for k, v in enumerate(x):
        a, b = v * (1 - r) + c * a - r * r * b, a
        y[k] = a
    return y


def guide(x, period, loss):
    """A waveguide: x with a feedback through a delay and a mean of two."""
    y = np.array(x, float)
    for k in range(period + 1, len(y)):
        y[k] += loss * .5 * (y[k - period] + y[k - period - 1])
    return y


def pulses(c, rate, wobble=0.):
    u = np.cumsum(rate * (1 + wobble * np.sin(2 * np.pi * 3 * c.t))) / RATE
    return np.diff(np.floor(u), prepend=0)


def beating(c):
    f, d = c.number(300, 1500), c.number(3, 14)
    return sum(np.sin(c.phase(f * k)) + np.sin(c.phase(f * k + d)) for k in (1, 2.7, 4.1)) * c.decay(c.number(1, 4))


def blown(c):
    return guide(c.noise() * (.2 + .8 * (np.sin(c.phase(c.number(1, 4))) > -.3)), int(c.number(20, 90)), .98)


def struck_pipe(c):
    return guide(pulses(c, c.number(2, 6)), int(c.number(30, 140)), .992)


def cloud(c, low=600, high=5000):
    x, n = np.zeros(len(c.t)), int(c.number(20, 60))
    f, width = c.number(low, high / 2), int(RATE * c.number(.008, .03))
    g = np.hanning(width)
    for at in (c.p.random(n) * (len(x) - width)).astype(int):
        x[at:at + width] += g * np.sin(2 * np.pi * f * (.6 + .8 * c.p.random()) * np.arange(width) / RATE)
    return x


def rising_cloud(c):
    x, n, width = np.zeros(len(c.t)), int(c.number(15, 40)), int(RATE * c.number(.02, .05))
    f, ratio = c.number(300, 900), c.number(2, 6)
    for k in range(n):
        at = int(k / n * (len(x) - width))
        x[at:at + width] += np.hanning(width) * np.sin(2 * np.pi * f * ratio ** (k / n) * np.arange(width) / RATE)
    return x


def folded(c):
    return np.sin(c.number(2, 7) * np.sin(c.phase(c.number(80, 400))) * c.decay(c.number(1, 5)))


def feedback_fm(c):
    f, b = c.number(120, 700), c.number(.6, 1.6)
    y, last = np.zeros(len(c.t)), 0.
    for k, p in enumerate(c.phase(f)):
        last = y[k] = np.sin(p + b * last * np.pi)
    return y * np.minimum(1, c.t * 40)


def talking_pulses(c):
    x = pulses(c, c.number(70, 160), .08)
    return ring(x, c.number(400, 900), 8) + ring(x, c.number(1200, 2800), 14)


def sweeping_resonance(c):
    n, out = 24, []
    hz, ratio = c.number(250, 700), c.number(3, 8)
    for k, part in enumerate(np.array_split(c.noise(), n)):
        out.append(ring(part, hz * ratio ** (k / n), 25))
    return np.concatenate(out)


def stutter(c):
    return np.sin(c.phase(c.number(500, 2500))) * (np.floor(c.t * c.number(18, 40)) % 3 == 0)


def two_clangs(c):
    x = np.zeros(len(c.t))
    x[0] = 1
    x[int(len(x) * c.number(.3, .6))] = -.7
    return sum(ring(x, c.number(400, 6000), 120) for _ in range(5))


def bitten(c):
    return np.round(2 * np.sin(c.phase(c.number(200, 900) * (1 + .4 * np.sin(c.phase(c.number(5, 11))))))) / 2


def comb_noise(c):
    x, n = c.noise(), int(c.number(18, 80))
    return (x + np.roll(x, n) + .7 * np.roll(x, 2 * n)) * np.sin(np.pi * c.t / c.t[-1]) ** c.number(.5, 4)


def spinning_down(c):
    return np.sin(c.phase(c.number(900, 2200) * c.decay(c.number(1, 3)))) * (1 + .8 * np.sin(c.phase(c.number(25, 60) * c.decay(2))))


def scattered_pings(c):
    x = np.zeros(len(c.t))
    x[(np.sort(c.p.random(int(c.number(4, 9)))) * (len(x) - 1)).astype(int)] = 1
    return ring(x, c.number(1500, 5000), 60)


def tremor(c):
    return (ring(c.noise(), c.number(100, 260), 6)) * (1 + np.sin(c.phase(c.number(7, 16)))) ** 3


def chord(c):
    f = c.number(180, 420)
    return sum(np.sign(np.sin(c.phase(f * k))) / (1 + k) for k in (1, 1.26, 1.498, 2.24)) * np.minimum(1, c.t * 8)


def zapping(c):
    return np.sin(c.phase(c.number(3000, 7000) * np.exp(-((c.t * c.number(4, 9)) % 1) * c.number(2, 4))))


def rattled_guide(c):
    return guide(c.noise() * (c.i.random(len(c.t)) < .004) * 8 * (1 + np.sin(c.phase(c.number(3, 8)))), int(c.number(8, 30)), .95)


def hollow_knocks(c):
    return ring(pulses(c, c.number(5, 11)), c.number(250, 900), 12)


FAMILIES = [beating, blown, struck_pipe, cloud, rising_cloud, folded, feedback_fm, talking_pulses, sweeping_resonance, stutter, two_clangs, bitten, comb_noise,
            spinning_down, scattered_pings, tremor, chord, zapping, rattled_guide, hollow_knocks]


# ---------------------------------------------------------------- further sounds, which no pattern is of

def torn(c):
    return c.noise() * np.repeat(c.p.random(len(c.t) // 200 + 1) ** 4, 200)[:len(c.t)]


def inharmonic_drone(c):
    return sum(np.sin(c.phase(c.number(150, 3000))) for _ in range(12))


def falling_steps(c):
    return np.sin(c.phase(c.number(1200, 3000) * .8 ** np.floor(c.t * c.number(6, 12))))


def gated_hiss(c):
    return np.diff(c.noise(), prepend=0) * (np.sin(c.phase(c.number(9, 20))) > .6)


def bowed_guide(c):
    return guide(.1 * c.noise() + pulses(c, c.number(30, 60)), int(c.number(100, 240)), .9)


def ringed(c):
    return np.sin(c.phase(c.number(200, 500))) * np.sin(c.phase(c.number(1100, 1900))) * c.decay(c.number(.5, 2))


def bounced(c):
    x, at, gap = np.zeros(len(c.t)), 0., .28 * len(c.t)
    while at < len(x) - 1 and gap > 80:
        x[int(at)], at, gap = 1, at + gap, gap * .72
    return ring(x, c.number(300, 700), 20)


def swarm(c):
    return sum(np.sin(c.phase(c.number(200, 330) * (1 + .03 * np.sin(c.phase(c.number(2, 9)))))) for _ in range(8))


def reversed_strike(c):
    return (sum(np.sin(c.phase(c.number(500, 3500))) for _ in range(4)) * c.decay(c.number(4, 8)))[::-1]


def alternating(c):
    return np.sin(c.phase(np.where(np.floor(c.t * c.number(3, 7)) % 2 == 0, c.number(600, 900), c.number(1000, 1600))))


OTHERS = [torn, inharmonic_drone, falling_steps, gated_hiss, bowed_guide, ringed, bounced, swarm, reversed_strike, alternating]


def sound(generator, setting, r):
    for _ in range(100):
        x = finish(generator(Clip(setting, int(r.integers(1 << 60)))))
        if x is not None:
            return x
    raise RuntimeError("silent: " + generator.__name__)


def word(r, text):
    k = r.integers(3)
    if k == 2:
        x, rate = rhvoice.synth(text, "Slt", float(r.uniform(.85, 1.15)), float(r.uniform(.85, 1.2)))
    else:
        name = ("slt", "rms")[k]
        x, rate, _ = flite.synth(text, name, float(r.uniform(.85, 1.2)), float(flite.F0[name] * r.uniform(.85, 1.2)))
    return finish(shifted(x, rate, 1.))


def placed(r, x):
    """A clip as one would cut it: some silence, a floor of noise at 20 to 45 dB, another level."""
    x = np.concatenate([np.zeros(int(r.uniform(.05, .3) * RATE)), x, np.zeros(int(r.uniform(.05, .3) * RATE))])
    x = (x + r.standard_normal(len(x)) * .1 * 10 ** (-r.uniform(20, 45) / 20)) * 10 ** (r.uniform(-8, 4) / 20)
    return np.round(np.clip(x, -1, 1) * 32767).astype(np.int16)


def main():
    server, r = Server(sys.argv[1]), np.random.default_rng(int(sys.argv[2]) if len(sys.argv) > 2 else 701)
    makers = {f.__name__: (lambda f=f, p=int(r.integers(1 << 60)): sound(f, p, r)) for f in FAMILIES}
    makers |= {w: (lambda w=w: word(r, w)) for w in WORDS}
    cut = lambda x: np.round(np.clip(x, -1, 1) * 32767).astype(np.int16)
    ids = [server.teach(f"{name} {r.integers(1 << 40)}", [cut(make()) for _ in range(5)])["id"] for name, make in makers.items()]
    name_of = dict(zip(ids, makers))

    def heard(x):
        found = server.form("/v1/patterns/detect", [*(("patterns", one) for one in ids), ("file", placed(r, x))])["detections"]
        return name_of[max(found, key=lambda d: d["score"])["pattern"]] if found else "unknown"
    wrong, right = [], {False: [], True: []}
    for name, make in makers.items():
        for _ in range(10):
            got = heard(make())
            right[name in WORDS].append(got == name)
            if got != name:
                wrong.append(f"{name} as {got}")
    accepted = []
    for f in OTHERS:
        for _ in range(4):
            p = int(r.integers(1 << 60))
            accepted += [(f.__name__, heard(sound(f, p, r))) for _ in range(5)]
    taken = [a for a in accepted if a[1] != "unknown"]
    every = right[False] + right[True]
    print(f"right: {np.mean(every):.3f} of {len(every)} (sounds {np.mean(right[False]):.3f}, words {np.mean(right[True]):.3f})")
    print(f"accepted of ten further sounds: {len(taken) / len(accepted):.3f} of {len(accepted)}")
    print("wrong:", "; ".join(sorted(set(wrong))))
    print("taken:", "; ".join(sorted({f"{a} as {b}" for a, b in taken})))
    for one in ids:
        server.call("DELETE", "/v1/patterns/" + one)


if __name__ == "__main__":
    main()
