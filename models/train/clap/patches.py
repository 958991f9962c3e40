"""Classes of sounds: patches, their instances and siblings.

A patch is one generator with one setting of its parameters. Its instances differ by a little jitter, by their noise and by the times of events. Twin
makes instances with any generator that draws its parameters from c.r. A sibling of a patch is another class: the same generator and choices with other
numbers. gene is a generator of random programs.
"""
import numpy as np

import sounds
import unseen
from families import Canvas, band
from features import RATE
from strangers import melody, resonance


def reflect(u):
    u = abs(u) % 2
    return 2 - u if u > 1 else u


class Twin:
    """A stand-in for a numpy Generator. Numbers come from the seed of the patch, jittered by that of the instance; long noise comes from the instance alone."""

    def __init__(self, patch, instance, jitter=.025, sibling=None, far=.22):
        self.p, self.i, self.jitter, self.far = np.random.default_rng(patch), np.random.default_rng(instance), jitter, far
        self.s = None if sibling is None else np.random.default_rng(sibling)

    def _u(self):
        u = self.p.random()
        if self.s is not None:
            u = reflect(u + self.far * self.s.standard_normal())
        return reflect(u + self.jitter * self.i.standard_normal())

    def _many(self, size, one):
        n = int(np.prod(size))
        return np.array([one() for _ in range(n)]).reshape(size)

    def random(self, size=None):
        if size is None:
            return self._u()
        return self.i.random(size) if np.prod(size) > 500 else self._many(size, self._u)

    def uniform(self, a=0., b=1., size=None):
        return a + (b - a) * self.random(size)

    def exponential(self, scale=1., size=None):
        if size is not None and np.prod(size) > 500:
            return self.i.exponential(scale, size)
        return -scale * np.log(1 - np.minimum(self.random(size), 1 - 1e-9))

    def integers(self, a, b=None, size=None):
        return self.p.integers(a, b, size)

    def choice(self, values, size=None):
        return self.p.choice(values, size)

    def standard_normal(self, size=None):
        n = 1 if size is None else int(np.prod(size))
        i = self.i.standard_normal(size)
        if n > 1500:
            return i
        q = self.p.standard_normal(size)
        if self.s is not None:
            q = .9 * q + .435 * self.s.standard_normal(size)
        return .95 * q + .312 * i


# ---- random programs

def contour(c, low, high):
    f0 = c.between(low, high)
    k = c.r.integers(8)
    if k == 0:
        return np.full(c.n, f0)
    if k == 1:
        return f0 * c.between(.3, 3.3) ** (c.t / c.seconds)
    if k == 2:
        return f0 * (1 + c.r.uniform(.01, .12) * np.sin(c.phase(c.between(3, 30))))
    if k == 3:
        return melody(c, c.between(.05, .5), low, high, c.r.choice([0, .02, .1]))
    if k == 4:
        return f0 * np.exp(c.r.uniform(.03, .35) * c.slow(int(c.r.integers(4, 30))))
    if k == 5:
        u = (c.t * c.between(.8, 14)) % 1
        return f0 * c.between(.25, 4) ** (u if c.r.random() < .5 else u ** .4)
    if k == 6:
        return f0 * 2 ** (np.array([0, 3, 4, 5, 7, 10, 12, -5])[c.r.integers(0, 8, 64)] / 12)[(c.t / c.between(.05, .4)).astype(int) % 64]
    u = c.t / c.seconds
    return f0 * (1 + c.r.uniform(-.5, 1.2) * np.sin(np.pi * u ** c.between(.4, 2)))


SOURCES = ["a pure", "a buzzing", "a hollow", "a metallic", "a noisy", "a whistling", "a clanging", "a rattling", "a crackling", "a voice-like", "a rough"]


def source(c, kind):
    f = np.minimum(contour(c, 60, 2500 if kind not in (9, 7) else 500), 7000)
    p = c.phase(f)
    if kind == 0:
        return np.sin(p) + c.r.uniform(0, .3) * np.sin(2 * p), f
    if kind == 1:
        return (p / np.pi) % 2 - 1, f
    if kind == 2:
        return np.sign(np.sin(p) - c.r.uniform(-.7, .7)), f
    if kind == 3:
        return np.sin(p + c.r.uniform(1, 7) * np.sin(p * c.r.uniform(.3, 6.7))), f
    if kind == 4:
        g = c.between(200, 5000)
        w = c.between(1.1, 4)
        return band(c.noise(), g / w, g * w, c.r.uniform(.5, 2)), np.full(c.n, g)
    if kind == 5:
        return band(c.noise(), 5, c.between(20, 250), 2) * np.sin(c.phase(np.minimum(f * 2, 7000))), f * 2
    if kind == 6:
        m = [c.between(.5, 6) for _ in range(int(c.r.integers(3, 9)))]
        g = c.between(150, 1500)
        return sum(np.sin(c.phase(min(g * q, 7500))) / q ** .4 for q in m), np.full(c.n, g)
    if kind == 7:
        u = (p / 2 / np.pi / c.between(2, 8)) % 1
        return band(c.noise() * np.exp(-u * c.r.uniform(4, 14)), c.between(150, 2000), c.between(2500, 7000)), f
    if kind == 8:
        hits = (c.r.random(c.n) < c.between(15, 500) / RATE) * c.r.exponential(1, c.n)
        g, d = c.between(300, 5000), c.between(8, 120)
        k = np.arange(400)
        return np.convolve(hits, np.exp(-k / d) * np.cos(2 * np.pi * g * k / RATE))[:c.n], np.full(c.n, g)
    if kind == 9:
        a, b = c.between(250, 900) * np.exp(.25 * c.slow(int(c.r.integers(3, 16)))), c.between(900, 2800) * np.exp(.25 * c.slow(int(c.r.integers(3, 16))))
        return sum(np.sin(k * p) * (resonance(k * f, a, 100) + .6 * resonance(k * f, b, 160) + .01) for k in range(1, 20)), f
    return np.tanh(3 * np.sin(p) * (1 + c.r.uniform(.3, 1.5) * np.sin(p * c.r.choice([.5, 1.5, 2.01])))) + c.r.uniform(.1, .6) * band(c.noise(), 200, 4000) * (np.sin(p) > 0), f


SHAPES = ["steady", "dying away", "pulsing", "trembling", "in hits", "in a rhythm", "swelling", "coming and going", "short"]


def shape(c, kind):
    t, d = c.t, c.seconds
    if kind == 0:
        return np.minimum(t / c.between(.005, .1), 1)
    if kind == 1:
        return c.strike(c.r.uniform(0, .05), c.between(.001, .03), d * c.between(.1, .5))
    if kind == 2:
        u = (t * c.between(1, 14)) % 1
        return np.clip((c.r.uniform(.2, .8) - u) * 60, 0, 1) * np.clip(u * 80, 0, 1)
    if kind == 3:
        return 1 + c.r.uniform(.3, .95) * np.sin(c.phase(c.between(3, 45)))
    if kind == 4:
        rate, decay = c.between(1.5, 14), c.between(.01, .2)
        return c.repeat(lambda at: c.strike(at, .002, decay), rate)
    if kind == 5:
        gaps, decay, x = c.r.uniform(.05, .45, int(c.r.integers(2, 6))), c.between(.02, .15), np.zeros(c.n)
        at, i = c.r.uniform(0, .1), 0
        while at < d - .03:
            x += c.strike(at, .003, decay) * (1 if i % len(gaps) == 0 else .7)
            at, i = at + gaps[i % len(gaps)], i + 1
        return x
    if kind == 6:
        return (t / d) ** c.between(.4, 3) * np.clip((d - t) / .03, 0, 1)
    if kind == 7:
        return np.maximum(c.slow(int(c.r.integers(5, 25))) + .2, 0)
    at, w = c.r.uniform(0, .4) * d, d * c.between(.15, .6)
    return np.sin(np.pi * np.clip((t - at) / w, 0, 1)) ** c.between(.3, 1.5)


def gene(c):
    """The sound of a random program of one to three layers. c.tags describes the first layer, for captions."""
    out = 0
    for i in range(int(c.r.choice([1, 1, 2, 2, 3]))):
        k, s = int(c.r.integers(len(SOURCES))), int(c.r.integers(len(SHAPES)))
        x, f = source(c, k)
        if c.r.random() < .35:
            g = c.between(200, 4000) * (np.exp(.8 * np.sin(c.phase(c.between(.5, 9)))) if c.r.random() < .4 else 1)
            x = band(x, np.mean(g) / c.between(1.2, 4), np.mean(g) * c.between(1.2, 4), c.r.uniform(.5, 2))
        x = x * shape(c, s)
        x = x / (np.sqrt((x ** 2).mean()) + 1e-9)
        if i == 0:
            m = float(np.median(f))
            c.tags = (k, s, 0 if m < 250 else 2 if m > 1200 else 1)
        out = out + x * (1 if i == 0 else c.between(.1, .9))
    return out


GENERATORS = {**sounds.ALL, **unseen.UNSEEN, "gene": gene}
LONG = {"doorbell": 1., "glass_break": .6, "coin": .8, "rooster": 1.5, "carriage": 1.2, "camera": .4, "sonar": .7, "whip": .4, "meow": .8, "music_box": .8}


def finish(x):
    """The sound trimmed to its audible part, faded in and out, at level 0.1; None if it is silent."""
    if not np.isfinite(x).all() or np.abs(x).max() < 1e-6:
        return None
    x = x / np.abs(x).max()
    loud = np.flatnonzero(np.abs(x) > .01)
    x = x[max(0, loud[0] - 80):loud[-1] + 80].copy()
    if len(x) < 1600:
        return None
    edge = np.linspace(0, 1, 60)
    x[:60] *= edge
    x[-60:] *= edge[::-1]
    return x * .1 / (np.sqrt((x ** 2).mean()) + 1e-9)


def render(name, patch, instance, sibling=None, jitter=.025, longest=2.2):
    """The samples of an instance of a patch, None if it is silent, and the tags of a random program."""
    r = Twin(patch, instance, jitter, sibling)
    seconds = float(np.exp(r.uniform(np.log(max(.3, LONG.get(name, .3))), np.log(longest))))
    c = Canvas(r, int(seconds * RATE))
    with np.errstate(all="ignore"):
        x = GENERATORS[name](c)
    return finish(np.asarray(x, np.float64)), getattr(c, "tags", None)
