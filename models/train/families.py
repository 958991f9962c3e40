"""Twenty families of synthesised sound, at any length: what audioldm-tiny makes and gama-tiny knows.

FAMILIES maps a name to a function of a Canvas that gives samples [n] (float64, any
scale) and the sound's attributes: {"pitch": 0 low, 1 middle, 2 high}, {"speed": 0
slow .. 2 fast}, {"weight": 0 light .. 2 heavy} or {"direction": 0 rising, 1 falling}.
"""
import numpy as np

RATE = 16000


class Canvas:
    """n samples to draw on, with a random generator r."""

    def __init__(self, r, n):
        self.r, self.n = r, n
        self.t = np.arange(n) / RATE
        self.seconds = n / RATE

    def noise(self):
        return self.r.standard_normal(self.n)

    def between(self, a, b):
        """Log-uniform."""
        return float(np.exp(self.r.uniform(np.log(a), np.log(b))))

    def phase(self, hertz):
        return 2 * np.pi * np.cumsum(np.broadcast_to(hertz, (self.n,))) / RATE

    def slow(self, knots):
        """A random curve of unit variance with so many knots in 2.56 s."""
        k = max(3, int(knots * self.seconds / 2.56))
        return np.interp(self.t, np.linspace(0, self.seconds, k), self.r.standard_normal(k))

    def strike(self, at, attack, decay):
        """Up within attack seconds, then down by 1/e in each decay seconds."""
        t = self.t - at
        return np.where(t < 0, 0, np.minimum(np.maximum(t, 0) / attack, 1) * np.exp(-np.maximum(t, 0) / decay))

    def repeat(self, one, rate, tail=.06):
        """Sums one(start second) at a steady rate."""
        x, at = np.zeros(self.n), self.r.uniform(.02, .3)
        while at < self.seconds - tail:
            x += one(at)
            at += 1 / rate
        return x


def band(x, low, high, steep=1.0):
    """Band-pass by a smooth curve in the frequency domain."""
    f = np.fft.rfftfreq(len(x), 1 / RATE) + 1e-3
    gain = 1 / (1 + (low / f) ** (4 * steep)) / (1 + (f / high) ** (4 * steep))
    return np.fft.irfft(np.fft.rfft(x) * gain, len(x))


def third(v, low, high):
    """0, 1 or 2: the third of the range, on a log scale, that v lies in."""
    q = np.log(v / low) / np.log(high / low)
    return 0 if q < .33 else 2 if q > .67 else 1


def sine(c):
    f = c.between(120, 3000)
    return np.sin(c.phase(f)), {"pitch": third(f, 120, 3000)}


def chirp(c):
    rising, a, b = c.r.random() < .5, c.between(150, 500), c.between(1500, 5000)
    f = a * (b / a) ** (c.t / c.t[-1])
    return np.sin(c.phase(f if rising else f[::-1])), {"direction": 0 if rising else 1}


def white_noise(c):
    return c.noise(), {}


def kick(c):
    rate, f, drop = c.between(1, 4), c.between(40, 65), c.r.uniform(100, 220)

    def one(at):
        t = np.maximum(c.t - at, 0)
        return np.where(c.t >= at, np.sin(2 * np.pi * (f * t + drop * .03 * (1 - np.exp(-t / .03)))) * np.exp(-t / .14), 0)
    return c.repeat(one, rate), {"speed": third(rate, 1, 4)}


def snare(c):
    rate, rattle, f, decay = c.between(1, 4), band(c.noise(), 900, 7000), c.r.uniform(160, 230), c.r.uniform(.06, .1)

    def one(at):
        return rattle * .5 * c.strike(at, .001, decay) + .5 * np.sin(2 * np.pi * f * (c.t - at)) * c.strike(at, .001, .05)
    return c.repeat(one, rate), {"speed": third(rate, 1, 4)}


def hihat(c):
    rate, hiss, decay = c.between(2, 8), band(c.noise(), 6000, 12000, 2), c.r.uniform(.015, .05)
    return c.repeat(lambda at: hiss * c.strike(at, .0005, decay), rate), {"speed": third(rate, 2, 8)}


BELL = [(.5, .4, 1.6), (1, 1, 1.2), (1.19, .5, 1.), (1.56, .35, .8), (2, .5, .7), (2.51, .3, .5), (3.01, .25, .4), (4.1, .2, .25)]


def struck(c, one, longest):
    """One strike, or in a long sound one every so often."""
    x, at = np.zeros(c.n), c.r.uniform(.02, min(.3, .3 * c.seconds))
    while at < max(c.seconds - .3, .31 * c.seconds):
        x = x + one(at)
        at += longest * c.r.uniform(.6, 1)
    return x


def bell(c):
    f = c.between(300, 1600)

    def one(at):
        return sum(a * np.sin(2 * np.pi * f * m * (c.t - at)) * c.strike(at, .002, d) for m, a, d in BELL if f * m < 7600)
    return struck(c, one, 3.2), {"pitch": third(f, 300, 1600)}


def pluck(c):
    f = c.between(90, 500)

    def one(at):
        return sum(np.sin(2 * np.pi * f * k * (c.t - at)) * c.strike(at, .001, 1 / (1 + .45 * k)) / k ** .8
                   for k in range(1, min(int(7000 / f), 40)))
    return struck(c, one, c.r.choice([1.2, 3.])), {"pitch": third(f, 90, 500)}


def siren(c):
    rate, centre, depth = c.between(.5, 3), c.between(600, 1000), c.r.uniform(.25, .45)
    p = c.phase(centre * np.exp(depth * np.sin(2 * np.pi * rate * c.t + c.r.uniform(0, 6.28))))
    return np.sin(p) + .4 * np.sin(2 * p) + .25 * np.sin(3 * p), {"speed": third(rate, .5, 3)}


def rain(c):
    density = c.between(60, 400)
    drops = (c.r.random(c.n) < density / RATE) * c.r.exponential(1, c.n)
    drop = np.exp(-np.arange(200) / 25.) * c.r.standard_normal(200)
    x = band(c.noise(), 1500, 6500, .5) * .12 + band(np.convolve(drops, drop)[:c.n], 1000, 7500, .5) * .5
    return x, {"weight": third(density, 60, 400)}


def wind(c):
    x = c.noise()
    g = 1 / (1 + np.exp(-2 * c.slow(6)))
    swell = .25 + .75 / (1 + np.exp(-1.5 * c.slow(6)))
    return (band(x, 150, 350, .7) * (1 - g) + band(x, 400, 900, .7) * g) * swell, {}


def beep(c):
    f, rate, duty = c.between(500, 2500), c.between(1.2, 6), c.r.uniform(.35, .55)
    p = (c.t * rate + c.r.random()) % 1
    gate = np.clip(np.minimum(p, duty - p) / rate * 200, 0, 1)
    return np.sin(c.phase(f)) * gate, {"speed": third(rate, 1.2, 6), "pitch": third(f, 500, 2500)}


def engine(c):
    f = c.between(28, 80)
    p = c.phase(f * (1 + .04 * c.slow(8)))
    x = sum(np.sin(k * p + c.r.uniform(0, 6.28)) / k ** .7 * c.r.uniform(.4, 1) for k in range(1, 14))
    return x + band(c.noise(), 60, 500) * .8, {"pitch": third(f, 28, 80)}


def clicks(c):
    rate, decay, f = c.between(4, 20), c.r.uniform(.0005, .0015), c.r.uniform(1500, 3500)
    t = np.arange(160) / RATE
    click = np.exp(-t / decay) * np.cos(2 * np.pi * f * t)
    x, at = np.zeros(c.n), c.r.uniform(0, .1)
    while at < c.seconds - .02:
        i = int(at * RATE)
        x[i:i + 160] += click[:c.n - i]
        at += 1 / rate
    return x, {"speed": third(rate, 4, 20)}


def organ(c):
    f, x = c.between(130, 400), 0
    for semitones in (0, c.r.choice([3, 4]), 7):
        for k, a in ((.5, .4), (1, 1), (2, .7), (3, .4), (4, .4), (6, .2), (8, .15)):
            x = x + a * np.sin(c.phase(f * 2 ** (semitones / 12) * k) + c.r.uniform(0, 6.28))
    return x * np.minimum(c.t / .05, 1), {"pitch": third(f, 130, 400)}


def birds(c):
    x, at, base, rate = np.zeros(c.n), c.r.uniform(0, .3), c.between(2500, 4500), c.between(2.5, 8)
    while at < c.seconds - .11:
        d = c.r.uniform(.05, .12)
        u = np.clip((c.t - at) / d, 0, 1)
        f = base * np.exp(c.r.uniform(-.25, .25) + c.r.uniform(-.5, .5) * u + .08 * np.sin(2 * np.pi * 25 * c.t))
        x += np.sin(np.pi * u) * np.sin(c.phase(np.minimum(f, 7500)))
        at += d + c.r.exponential(1 / rate) * .8
    return x, {"speed": third(rate, 2.5, 8)}


def wobble(c):
    f, rate = c.between(45, 100), c.between(1.5, 8)
    cut = f * 2 * 25 ** (.5 - .5 * np.cos(2 * np.pi * rate * c.t + c.r.uniform(0, 6.28)))
    p = c.phase(f)
    return sum(np.sin(k * p) / k / (1 + (k * f / cut) ** 4) for k in range(1, 40)), {"speed": third(rate, 1.5, 8)}


def laser(c):
    rate, high, low, fall = c.between(1, 4), c.between(2500, 7000), c.between(150, 400), c.r.uniform(.05, .12)

    def one(at):
        t = np.maximum(c.t - at, 0)
        return np.where(c.t >= at, np.sin(2 * np.pi * (low * t + high * fall * (1 - np.exp(-t / fall)))) * np.exp(-t / .16), 0)
    return c.repeat(one, rate), {"speed": third(rate, 1, 4)}


def waves(c):
    rate = c.between(.35, .9)
    g = .5 - .5 * np.cos(2 * np.pi * rate * c.t + c.r.uniform(0, 6.28))
    x = c.noise()
    return band(x, 150, 900, .5) * (.15 + .85 * g) + band(x, 900, 5000, .5) * g ** 3 * .9, {}


def heart(c):
    rate, f = c.between(.8, 2.2), c.r.uniform(45, 70)
    gap = min(.3, .32 / rate)

    def thump(at, hertz, a):
        return a * np.sin(2 * np.pi * hertz * np.maximum(c.t - at, 0)) * c.strike(at, .008, .045)
    return c.repeat(lambda at: thump(at, f, 1) + thump(at + gap, f * 1.15, .65), rate), {"speed": third(rate, .8, 2.2)}


FAMILIES = {"sine": sine, "chirp": chirp, "noise": white_noise, "kick": kick, "snare": snare, "hihat": hihat, "bell": bell,
            "pluck": pluck, "siren": siren, "rain": rain, "wind": wind, "beep": beep, "engine": engine, "clicks": clicks,
            "organ": organ, "birds": birds, "wobble": wobble, "laser": laser, "waves": waves, "heart": heart}
NAMES = list(FAMILIES)


def make(r, name, n):
    """(samples [n], peak 1, float64; attributes)."""
    x, attributes = FAMILIES[name](Canvas(r, n))
    return x / (np.abs(x).max() + 1e-9), attributes
