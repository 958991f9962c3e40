"""Sounds that are none of the known families, so that the model learns to say it cannot tell.

TRAINING is for training. HELD_OUT is for measuring only: each of its generators
is used for nothing else. None of them distorts a known sound: such a sound is
still known to a listener, and teaching otherwise makes the model refuse too much.
"""
import numpy as np

from families import Canvas, band


def melody(c, step, low, high, glide=0.):
    """A curve of hertz that holds random notes for about so many seconds each."""
    f, at = np.empty(c.n), 0
    note = c.between(low, high)
    while at < c.n:
        k = max(80, int(step * c.r.uniform(.5, 1.6) * 16000))
        new = float(np.clip(note * 2 ** (c.r.integers(-7, 8) / 12), low, high))
        f[at:at + k] = new
        g = min(int(glide * 16000), k, c.n - at)
        if g > 1:
            f[at:at + g] = np.geomspace(note, new, g)
        note, at = new, at + k
    return f


def gate(c, rate, duty):
    return ((c.t * rate + c.r.random()) % 1) < duty


def at_random(c, one, every, spread=.7):
    """Sums one(start) at irregular moments."""
    x, at = np.zeros(c.n), c.r.uniform(0, .2)
    while at < c.seconds - .05:
        x = x + one(at)
        at += every * c.r.uniform(1 - spread, 1 + spread)
    return x


def resonance(f, centre, width):
    return 1 / (1 + ((f - centre) / width) ** 2)


def modulated(c):
    p = c.phase(c.between(60, 1500) * np.exp(.3 * c.slow(c.r.integers(4, 30))))
    x = np.sin(p + c.r.uniform(1, 8) * np.sin(p * c.r.uniform(.2, 7.3) + c.slow(5)))
    return x * (.3 + .7 * (c.r.random() < .5 or (np.sin(c.phase(c.between(1, 12))) > 0)))


def bursts(c):
    def one(at):
        f = c.between(200, 5000)
        return band(c.noise(), f * .85, f * 1.15, 2) * c.strike(at, c.r.uniform(.001, .1), c.r.uniform(.03, .25))
    return at_random(c, one, .4)


def drifting_partials(c):
    return sum(np.sin(c.phase(c.between(80, 6000) * np.exp(c.r.uniform(0, .2) * c.slow(6)))) * np.maximum(c.slow(c.r.integers(4, 14)), 0)
               for _ in range(c.r.integers(4, 10)))


def arpeggio(c):
    step = c.between(.06, .4)
    notes = c.between(80, 700) * 2 ** (c.r.integers(0, 24, int(c.seconds / step) + 2) / 12)
    p = c.phase(notes[(c.t / step).astype(int)])
    x = np.sign(np.sin(p)) if c.r.random() < .5 else (p / np.pi) % 2 - 1
    return x * ((c.t / step) % 1 < c.r.uniform(.3, .95))


def squelch(c):
    f, centre = c.between(50, 300), c.between(300, 2500) * np.exp(.9 * c.slow(c.r.integers(6, 20)))
    p = c.phase(f)
    return sum(np.sin(k * p) / k ** .3 * resonance(k * f, centre, .15 * centre) for k in range(1, 24))


def scrape(c):
    x, out = c.noise(), 0
    for _ in range(c.r.integers(2, 5)):
        p = c.phase(c.between(400, 5000) * np.exp(.5 * c.slow(c.r.integers(8, 30))))
        low = band(x, 5, c.between(60, 300), 2)
        out = out + low * np.sin(p) * np.maximum(c.slow(c.r.integers(6, 20)) + .3, 0)
    return out


def croak(c):
    rate, f = c.between(25, 70), c.between(500, 1500)

    def one(at):
        length = c.r.uniform(.15, .5)
        inside = (c.t > at) & (c.t < at + length)
        pulses = np.exp(-((c.t * rate) % 1) * c.r.uniform(3, 8))
        return inside * pulses * (np.sin(2 * np.pi * f * c.t) + .5 * np.sin(2 * np.pi * f * 2.7 * c.t))
    return at_random(c, one, c.r.uniform(.5, 1.2), .3)


def modem(c):
    """Data as two or four fast switching tones."""
    rate, f = c.between(30, 300), c.between(600, 2000)
    symbols = c.r.integers(0, c.r.choice([2, 4]), int(c.seconds * rate) + 2)
    return np.sin(c.phase(f * (1 + c.r.uniform(.15, .5) * symbols[(c.t * rate).astype(int)])))


def dialling(c):
    """Pairs of tones as of a telephone's keys."""
    x, at = np.zeros(c.n), c.r.uniform(0, .2)
    on, off = c.r.uniform(.08, .25), c.r.uniform(.05, .2)
    while at < c.seconds:
        a, b = c.r.choice([697, 770, 852, 941]), c.r.choice([1209, 1336, 1477, 1633])
        x += ((c.t > at) & (c.t < at + on)) * (np.sin(2 * np.pi * a * c.t) + np.sin(2 * np.pi * b * c.t))
        at += on + off
    return x


def trill(c):
    """A telephone's ring: two tones in fast turn, with rests."""
    a = c.between(500, 1800)
    f = np.where(gate(c, c.between(12, 28), .5), a, a * c.r.uniform(1.15, 1.4))
    p = c.phase(f)
    return (np.sin(p) + .3 * np.sin(3 * p)) * gate(c, c.between(.4, 1.2), c.r.uniform(.4, .7))


def bouncing(c):
    """Thuds that come ever faster, as of a ball let fall."""
    x, at, gap, f, decay = np.zeros(c.n), c.r.uniform(0, .2), c.r.uniform(.3, .6), c.between(150, 900), c.r.uniform(.01, .04)
    first = gap
    while at < c.seconds - .05:
        x += np.sin(2 * np.pi * f * (c.t - at)) * c.strike(at, .001, decay) * gap
        at, gap = at + gap, gap * c.r.uniform(.78, .86)
        if gap < .03:
            at, gap = at + c.r.uniform(.3, .6), first
    return x


def ratchet(c):
    """Bunches of noisy clicks at a changing rate."""
    p = c.phase(c.between(15, 60) * np.exp(.5 * c.slow(5))) / (2 * np.pi) % 1
    return band(c.noise() * np.exp(-p * c.r.uniform(4, 12)), c.between(300, 1500), c.between(2000, 7000)) * gate(c, c.between(.6, 2), .6)


def glitter(c):
    """Many short high tones at random."""
    x = np.zeros(c.n)
    for _ in range(int(c.seconds * c.between(12, 50))):
        at, m = int(c.r.uniform(0, c.n - 10)), int(c.r.uniform(200, 1600))
        t = np.arange(min(m, c.n - at)) / 16000
        x[at:at + m] += np.sin(2 * np.pi * c.between(1500, 7500) * t) * np.sin(np.pi * t * 16000 / m) * c.r.random()
    return x


def reed(c):
    """A melody of a bright, nasal tone with vibrato."""
    f = melody(c, c.r.uniform(.15, .5), 120, 900, .03) * (1 + .012 * np.sin(2 * np.pi * c.between(4, 7) * c.t))
    p, centre = c.phase(f), c.between(800, 2500)
    return sum(np.sin(k * p) * (.15 + resonance(k * f, centre, 400)) for k in range(1, 14)) * (.6 + .4 * c.slow(6))


def whistle(c):
    """Somebody whistles a tune: a sine of gliding notes, with breath."""
    f = melody(c, c.r.uniform(.12, .4), 700, 2500, .06) * (1 + .01 * np.sin(2 * np.pi * 5.5 * c.t))
    return np.sin(c.phase(f)) * (.4 + .6 * gate(c, c.between(1.5, 4), .8)) + .06 * band(c.noise(), 1000, 4000)


def growl(c):
    f = c.between(40, 120) * np.exp(.15 * c.slow(20))
    p = c.phase(f)
    x = sum(np.sin(k * p + .8 * c.slow(15)) * resonance(k * f, c.between(250, 700), 200) for k in range(1, 16))
    return (x + .4 * band(c.noise(), 200, 900) * (np.sin(p) > 0)) * np.maximum(c.slow(4) + .9, .1)


def zipper(c):
    """Noise whose band runs up or down, again and again."""
    rate, up = c.between(.8, 3), c.r.random() < .5
    u = (c.t * rate + c.r.random()) % 1
    p = c.phase(c.between(300, 700) * c.between(6, 12) ** (u if up else 1 - u))
    return band(c.noise(), 5, c.between(80, 300), 2) * np.sin(p) * (.2 + np.sin(np.pi * u))


def clock_chatter(c):
    """Two or three short knocks of wood in an uneven pattern."""
    f = [c.between(300, 2500) for _ in range(3)]
    decay = c.r.uniform(.006, .03)
    return at_random(c, lambda at: np.sin(2 * np.pi * f[c.r.integers(3)] * (c.t - at)) * c.strike(at, .0005, decay) * c.r.random(), c.between(.06, .25))


def brass(c):
    """Notes that swell and brighten as they grow loud."""
    f = melody(c, c.r.uniform(.25, .7), 90, 500)
    loud = np.clip((c.t * c.between(1.2, 3)) % 1 * 4, 0, 1)
    p = c.phase(f)
    return sum(np.sin(k * p) * loud ** (k / 3) / k ** .5 for k in range(1, 14))


def gong_cluster(c):
    """A dense inharmonic cluster that swells and dies away slowly."""
    f = [c.between(90, 3000) for _ in range(c.r.integers(12, 25))]
    rise = c.r.uniform(.1, .5)
    return at_random(c, lambda at: sum(np.sin(2 * np.pi * g * c.t + c.r.uniform(0, 6)) * c.strike(at, rise, c.r.uniform(.2, .9)) for g in f), 1.6, .3)


def vowel(c):
    """A sung vowel, without words."""
    f = melody(c, c.r.uniform(.3, .8), 110, 500, .08) * (1 + .012 * np.sin(2 * np.pi * c.between(4.5, 6.5) * c.t))
    p, a, b = c.phase(f), c.between(300, 900), c.between(900, 2600)
    return sum(np.sin(k * p) * (resonance(k * f, a, 90) + .6 * resonance(k * f, b, 140)) for k in range(1, 20))


def low(c):
    """A cow: long low calls of a nasal voice that sag at the end."""
    def one(at):
        d, base, open_ = c.r.uniform(.8, 1.8), c.between(90, 220), c.between(350, 800)
        u = np.clip((c.t - at) / d, 0, 1)
        f = base * (1 + .25 * np.sin(np.pi * u ** .5)) * (1 + .01 * np.sin(c.phase(c.between(4, 8))))
        p, formant = c.phase(f), 250 + open_ * np.sin(np.pi * u)
        return sum(np.sin(k * p) * (resonance(k * f, formant, 150) + .15 * resonance(k * f, 2400, 500)) for k in range(1, 26)) * np.sin(np.pi * u) ** .4
    return at_random(c, one, 2., .3)


def bleat(c):
    """A sheep: a voice that trembles in loudness and pitch."""
    def one(at):
        d, rate, f = c.r.uniform(.4, 1.1), c.between(7, 14), c.between(220, 480)
        inside, shake = (c.t > at) & (c.t < at + d), np.sin(2 * np.pi * rate * c.t)
        p = c.phase(f * (1 + .05 * shake))
        voice = sum(np.sin(k * p) * (resonance(k * f, 900, 250) + .5 * resonance(k * f, 2100, 350)) for k in range(1, 18))
        return inside * (.55 + .45 * shake) * voice
    return at_random(c, one, c.between(.9, 1.6), .3)


def quack(c):
    """A duck: short hoarse calls, each falling in pitch, in rows."""
    base, formant = c.between(160, 380), c.between(1000, 1900)

    def one(at):
        d = c.r.uniform(.09, .22)
        u = np.clip((c.t - at) / d, 0, 1)
        f = base * (1.15 - .4 * u)
        p = c.phase(f)
        x = sum(np.sin(k * p + .6 * np.sin(p / 2)) * resonance(k * f, formant, 500) for k in range(1, 22))
        return (x + .3 * band(c.noise(), 800, 2600)) * np.sin(np.pi * u) ** .4
    return at_random(c, one, c.between(.22, .5), .3)


def howl(c):
    """A wolf, or somebody who calls from far off: a long tone that climbs, stays and sinks, with few partials."""
    def one(at):
        d, base, top = c.r.uniform(1.2, 3), c.between(150, 450), c.r.uniform(1.4, 2.4)
        u = np.clip((c.t - at) / d, 0, 1)
        f = base * top ** np.minimum(np.minimum(u / .25, 1), (1 - u) / .35 + .2) * np.exp(.02 * c.slow(12))
        p, tilt = c.phase(f), c.r.uniform(1, 2.2)
        return sum(np.sin(k * p) / k ** tilt for k in range(1, 7)) * np.sin(np.pi * u) ** .5
    return at_random(c, one, 2.6, .3)


def sobbing(c):
    """A child that cries: bursts of a strained voice between two breaths."""
    def one(at):
        d, base = c.r.uniform(.25, .6), c.between(330, 560)
        u = np.clip((c.t - at) / d, 0, 1)
        f = base * (1.1 - .25 * u) * (1 + .02 * np.sin(c.phase(c.between(5, 11))))
        p, centre = c.phase(f), c.between(1100, 1800)
        x = sum(np.sin(k * p) * (resonance(k * f, centre, 300) + .6 * resonance(k * f, 3300, 600) + .05) for k in range(1, 15))
        return x * np.minimum(u * 8, 1) * (1 - u) ** .4 + .25 * band(c.noise(), 1500, 4500) * ((c.t > at + d) & (c.t < at + d + .15))
    return at_random(c, one, c.between(.5, .9), .25)


def theremin(c):
    """One voice of an early electronic instrument that slides between its notes with deep vibrato."""
    f = melody(c, c.r.uniform(.3, .9), 180, 1400, .25) * (1 + .02 * np.sin(2 * np.pi * c.between(4.5, 7.5) * c.t))
    p, centre = c.phase(f), c.between(600, 2000)
    return sum(np.sin(k * p) / k * (.3 + resonance(k * f, centre, 500)) for k in range(1, 10)) * (.5 + .5 * np.maximum(c.slow(5), 0))


def patch(c):
    """Anything: a random source, filter and shape of loudness."""
    f = melody(c, c.between(.04, .6), 60, 2500, c.r.choice([0, .02, .1])) * np.exp(c.r.uniform(0, .3) * c.slow(c.r.integers(4, 40)))
    p = c.phase(f)
    source = [lambda: (p / np.pi) % 2 - 1, lambda: np.sign(np.sin(p) - c.r.uniform(-.7, .7)), lambda: np.sin(p + c.r.uniform(1, 5) * np.sin(p * c.r.integers(1, 6))),
              lambda: band(c.noise(), 5, c.between(30, 200), 2) * np.sin(p)][c.r.integers(4)]()
    centre = c.between(150, 4000)
    source = band(source, centre / c.between(1.2, 6), centre * c.between(1.2, 6), c.r.uniform(.5, 2))
    shape = [lambda: np.maximum(c.slow(c.r.integers(5, 30)), 0), lambda: gate(c, c.between(1, 15), c.r.uniform(.2, .8)),
             lambda: np.exp(-((c.t * c.between(1, 9)) % 1) * c.r.uniform(1, 6))][c.r.integers(3)]()
    return source * (.05 + shape)


TRAINING = {f.__name__: f for f in (
    modulated, bursts, drifting_partials, arpeggio, squelch, scrape, croak, modem, dialling, trill, bouncing, ratchet, glitter, reed, whistle, growl,
    zipper, clock_chatter, brass, gong_cluster, vowel, low, bleat, quack, howl, sobbing, theremin, patch)}
TRAINING_NAMES = list(TRAINING) + ["patch"] * 3


# ---- for measuring only

def bark(c):
    base = c.between(250, 600)

    def one(at):
        u = np.clip((c.t - at) / .16, 0, 1)
        f = base * (1 + .5 * np.sin(np.pi * u))
        p = c.phase(f)
        x = sum(np.sin(k * p) * resonance(k * f, 1100, 500) for k in range(1, 12)) + .7 * band(c.noise(), 500, 3000)
        return x * np.sin(np.pi * u) ** .6
    return at_random(c, one, c.r.uniform(.35, .7), .4)


def bubbles(c):
    def one(at):
        d = c.r.uniform(.02, .06)
        u = np.clip((c.t - at) / d, 0, 1)
        return np.sin(c.phase(c.between(300, 1200) * np.exp(.9 * u))) * np.sin(np.pi * u)
    return at_random(c, one, c.between(.05, .2), .8)


def creak(c):
    """A door: stick and slip at a rate that wanders, through wooden resonances."""
    p = c.phase(c.between(30, 90) * np.exp(.8 * c.slow(6))) / (2 * np.pi) % 1
    x = np.exp(-p * 14) - .5 * np.exp(-p * 5)
    x = sum(band(x, f * .93, f * 1.07, 2) for f in (c.between(400, 700), c.between(900, 1400), c.between(1800, 2600)))
    return x * np.maximum(c.slow(4) + .7, .05)


def meow(c):
    def one(at):
        d = c.r.uniform(.5, .9)
        u = np.clip((c.t - at) / d, 0, 1)
        f = c.between(380, 600) * (1 + .45 * np.sin(np.pi * u ** .7))
        p, formant = c.phase(f), 900 + 1600 * np.sin(np.pi * u)
        return sum(np.sin(k * p) * resonance(k * f, formant, 450) for k in range(1, 10)) * np.sin(np.pi * u) ** .7
    return at_random(c, one, 1.2, .2)


def crockery(c):
    """Cups and plates: short inharmonic clinks, crowded and irregular."""
    def one(at):
        f, x = c.between(1500, 4200), 0
        for m in (1, 1.42, 1.87, 2.3):
            x = x + np.sin(2 * np.pi * f * m * (c.t - at)) * c.strike(at, .0005, c.r.uniform(.01, .06)) * c.r.random()
        return x * c.r.uniform(.2, 1)
    return at_random(c, one, c.between(.07, .22), .9)


HELD_OUT = {f.__name__: f for f in (bark, bubbles, creak, meow, crockery)}


def make(r, name, n):
    """Samples [n], any scale."""
    return (TRAINING if name in TRAINING else HELD_OUT)[name](Canvas(r, n))
