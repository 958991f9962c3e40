"""Families of sound for measuring only, with strangers.HELD_OUT. Training has none of them."""
import numpy as np

import strangers
from families import band
from strangers import at_random, gate, resonance
from sounds import ALL, inside, modes


def doorbell(c):
    f, ratio, gap, d = c.between(500, 900), c.r.uniform(.74, .86), c.r.uniform(.3, .6), c.r.uniform(.25, .6)
    t = [(1, 1), (2.01, .4), (3.02, .15), (5.4, .08)]
    return at_random(c, lambda at: modes(c, f, t, at, d, .003) + modes(c, f * ratio, t, at + gap, d * 1.3, .003), 1.9, .1)


def cricket(c):
    f, rate, pulse = c.between(3500, 5500), c.between(1.5, 4), c.between(25, 60)
    return np.sin(c.phase(f)) * (np.sin(c.phase(pulse)) > 0) * gate(c, rate, c.r.uniform(.3, .6))


def helicopter(c):
    rate = c.between(9, 20)
    u = (c.t * rate) % 1
    return band(c.noise(), 50, c.between(300, 900)) * np.exp(-u * c.r.uniform(3, 6)) * 2 + .5 * np.sin(c.phase(rate * 4)) * np.exp(-u * 3) + .15 * band(c.noise(), 800, 5000)


def glass_break(c):
    def one(at):
        x = band(c.noise(), 2500, 7800) * c.strike(at, .0005, .03)
        for _ in range(22):
            x = x + .4 * c.r.random() * np.sin(2 * np.pi * c.between(2000, 7500) * c.t) * c.strike(at + c.r.exponential(.15), .0005, c.r.uniform(.01, .08))
        return x
    return at_random(c, one, 1.3, .2)


def camera(c):
    a, b, gap = c.between(2000, 5000), c.between(800, 2500), c.r.uniform(.05, .2)
    return at_random(c, lambda at: band(c.noise(), a * .7, a * 1.4) * c.strike(at, .001, .012) + band(c.noise(), b * .7, b * 1.4) * c.strike(at + gap, .003, .02)
                     + .2 * band(c.noise(), 1500, 4000) * inside(c, at, gap) * (inside(c, at, gap) < 1), c.between(.5, 1.2), .2)


def coin(c):
    f, k = c.between(2500, 5000), c.r.uniform(.72, .85)

    def one(at):
        x, gap = 0, c.r.uniform(.12, .25)
        for i in range(9):
            x, at, gap = x + modes(c, f, [(1, 1), (1.51, .7), (1.93, .4)], at, .12) * .85 ** i, at + gap, gap * k
        return x
    return at_random(c, one, 1.4, .2)


def electric_arc(c):
    base = c.r.choice([100., 120.])
    p = (c.t * base) % 1
    bursts_ = np.maximum(c.slow(40) - .1, 0)
    return band(c.noise() * np.exp(-p * 9), 1000, 7500) * bursts_ + .25 * np.sin(c.phase(base)) + .1 * np.sin(3 * c.phase(base))


def hand_saw(c):
    rate = c.between(1.2, 3)
    u = (c.t * rate) % 1
    f = c.between(900, 2200)
    forth = np.sin(np.pi * np.clip(u / .5, 0, 1))
    back = np.sin(np.pi * np.clip(u / .5 - 1, 0, 1))
    teeth = .6 + .4 * np.sign(np.sin(c.phase(c.between(60, 140))))
    return band(c.noise(), f * .7, f * 1.8) * forth * teeth + .5 * band(c.noise(), f, f * 2.4) * back * teeth


def rooster(c):
    base = c.between(380, 700)

    def one(at):
        x = 0
        for dt, d, g in ((0, .16, 1), (.2, .14, 1.15), (.38, .2, 1.25), (.62, .75, 1.4)):
            u = inside(c, at + dt, d)
            f = base * g * (1 + .25 * np.sin(np.pi * u)) * (1 - .3 * u * (d > .5))
            p = c.phase(f)
            x = x + sum(np.sin(k * p) * resonance(k * f, 1700, 700) for k in range(1, 9)) * np.sin(np.pi * u) ** .5
        return x
    return at_random(c, one, 1.9, .1)


def music_box(c):
    f, step = c.between(900, 1600), c.between(.14, .3)
    notes = 2 ** (np.array([0, 2, 4, 5, 7, 9, 11, 12])[c.r.integers(0, 8, 40)] / 12)
    x, at, i = np.zeros(c.n), .02, 0
    while at < c.seconds - .05:
        x += modes(c, f * notes[i % 40], [(1, 1), (5.4, .25)], at, .5) + .06 * c.noise() * c.strike(at, .0005, .004)
        at, i = at + step, i + 1
    return x


def vuvuzela(c):
    f = c.between(200, 260) * (1 + .02 * c.slow(6))
    p = c.phase(f)
    return sum(np.sin(k * p) / k ** .4 * c.r.uniform(.5, 1) for k in range(1, 22)) * np.minimum(c.t / .08, 1) * (1 + .15 * c.slow(20))


def carriage(c):
    """A typewriter's bell and the ratchet of its carriage."""
    f, rate = c.between(2200, 3600), c.between(25, 60)

    def one(at):
        u = inside(c, at + .25, .5)
        teeth = np.exp(-((c.t * rate) % 1) * 8) * (u > 0) * (u < 1)
        return modes(c, f, [(1, 1), (2.7, .4)], at, .3) + .7 * band(c.noise(), 1200, 6000) * teeth + modes(c, 300, [(1, 1), (2.2, .5)], at + .75, .03)
    return at_random(c, one, 1.4, .15)


def rattlesnake(c):
    rate = c.between(35, 75) * (1 + .15 * c.slow(8))
    return band(c.noise(), c.between(2500, 4500), 7800, 1.5) * (.25 + (np.sin(c.phase(rate)) > .2)) * np.minimum(1, .3 + np.abs(c.slow(8)))


def sonar(c):
    f, d = c.between(700, 1600), c.between(.25, .7)
    return at_random(c, lambda at: np.sin(c.phase(f * (1 - .03 * inside(c, at, .5)))) * (c.strike(at, .006, d) + .35 * c.strike(at + .35, .05, d)), c.between(.9, 1.6), .1)


def whip(c):
    def one(at):
        u = inside(c, at, .22)
        p = c.phase(300 * 14 ** u)
        return .35 * band(c.noise(), 5, 400) * np.sin(p) * u * (u < 1) + 1.6 * c.noise() * c.strike(at + .22, .0005, c.r.uniform(.008, .02)) + .3 * band(c.noise(), 300, 2500) * c.strike(at + .23, .002, .1)
    return at_random(c, one, c.between(.7, 1.2), .2)


UNSEEN = {**strangers.HELD_OUT, **{f.__name__: f for f in (
    doorbell, cricket, helicopter, glass_break, camera, coin, electric_arc, hand_saw, rooster, music_box, vuvuzela, carriage, rattlesnake, sonar, whip)}}

assert not set(UNSEEN) & set(ALL)
