"""Families of sound for training, beside those of families.py and strangers.py, on the Canvas of families.py.

NAMES has the names of each family; the last two are for measuring only.
"""
import numpy as np

import families
import strangers
from families import band
from strangers import at_random, gate, melody, resonance


def env(c, at, d, attack=.02):
    """Rise and fall within d seconds."""
    u = np.clip((c.t - at) / d, 0, 1)
    return np.minimum(u / attack, 1) * (1 - u) ** .7 * (u > 0)


def inside(c, at, d):
    return np.clip((c.t - at) / d, 0, 1)


def modes(c, f, ratios, at, decay, attack=.001):
    return sum(a * np.sin(2 * np.pi * f * m * (c.t - at)) * c.strike(at, attack, decay / m ** .7) for m, a in ratios if f * m < 7800)


def voice(c, f, formants, breath=0.):
    p = c.phase(f)
    top = int(min(30, 7500 / max(np.max(f), 1)))
    x = sum(np.sin(k * p) * sum(a * resonance(k * f, b, w) for b, w, a in formants) for k in range(1, max(top, 2)))
    return x + breath * band(c.noise(), formants[0][0], 4000)


def kettle(c):
    f = c.between(900, 2600) * (1 + .5 * np.minimum(c.t / c.between(.3, 2), 1)) * np.exp(.01 * c.slow(20))
    return np.sin(c.phase(f)) + .4 * np.sin(2 * c.phase(f)) + c.r.uniform(.1, .6) * band(c.noise(), 2000, 7500)


def drip(c):
    f, sweep, d = c.between(500, 1800), c.r.uniform(.2, 1.2), c.r.uniform(.02, .07)

    def one(at):
        u = inside(c, at, d * 2)
        return np.sin(c.phase(f * np.exp(sweep * u))) * c.strike(at, .001, d)
    return at_random(c, one, c.between(.25, .9), .25)


def knock(c):
    f, d, rate, n = c.between(150, 900), c.r.uniform(.01, .04), c.between(3, 8), int(c.r.integers(2, 6))
    return at_random(c, lambda at: sum(modes(c, f, [(1, 1), (1.7, .6), (2.9, .3)], at + i / rate, d) for i in range(n)), n / rate + c.r.uniform(.3, .8), .1)


def footsteps(c):
    rate, low, high = c.between(1.4, 3), c.between(80, 300), c.between(1000, 5000)
    grit = band(c.noise(), low * 4, high)

    def one(at):
        return modes(c, low, [(1, 1), (1.6, .5)], at, .03) + .8 * grit * (c.strike(at, .004, .02) + .6 * c.strike(at + .09, .01, .03))
    return c.repeat(one, rate)


def applause(c):
    x, rate = np.zeros(c.n), c.between(20, 120)
    clap = band(c.r.standard_normal(1200), c.between(700, 1300), c.between(2000, 4500))[:480] * np.exp(-np.arange(480) / 90)
    hits = (c.r.random(c.n) < rate / 16000) * c.r.exponential(1, c.n)
    return np.convolve(hits, clap)[:c.n] + x


def crackle(c):
    hits = (c.r.random(c.n) < c.between(8, 60) / 16000) * c.r.exponential(1, c.n) ** 2
    pop = np.exp(-np.arange(96) / c.between(4, 20)) * c.r.standard_normal(1000)[:96]
    return np.convolve(hits, pop)[:c.n] + c.r.uniform(.02, .15) * band(c.noise(), 60, 500)


def thunder(c):
    def one(at):
        return band(c.noise(), 30, c.between(120, 400)) * c.strike(at, .05, c.between(.3, 1)) * (1 + .6 * c.slow(12)) + .3 * band(c.noise(), 300, 3000) * c.strike(at, .002, .06)
    return at_random(c, one, 1.8, .3)


def vibration(c):
    f, rate, duty = c.between(120, 240), c.between(.8, 3), c.r.uniform(.4, .75)
    p = c.phase(f)
    return (np.sign(np.sin(p)) * .6 + .5 * band(c.noise(), 300, 2500) * (np.sin(p) > .3)) * gate(c, rate, duty)


def hilo(c):
    a, ratio, rate = c.between(350, 900), c.r.uniform(1.2, 1.5), c.between(.8, 3)
    p = c.phase(np.where(gate(c, rate, .5), a, a * ratio))
    return np.sin(p) + .5 * np.sin(3 * p) + .3 * np.sin(5 * p)


def smoke_alarm(c):
    f, n, on = c.between(2400, 3500), int(c.r.integers(1, 5)), c.r.uniform(.08, .3)
    x, at = np.zeros(c.n), c.r.uniform(0, .1)
    while at < c.seconds:
        for i in range(n):
            x += ((c.t > at) & (c.t < at + on * .6))
            at += on
        at += on * 2
    return x * (np.sin(c.phase(f)) + .3 * np.sin(2 * c.phase(f)))


def vacuum(c):
    f = c.between(100, 300)
    p = c.phase(f * (1 + .15 * (1 - np.exp(-c.t / .3))))
    return band(c.noise(), 200, c.between(2000, 6000), .5) + sum(np.sin(k * p + k) * c.r.uniform(.05, .5) for k in range(1, 14))


def fan(c):
    rate = c.between(8, 40)
    return band(c.noise(), 80, c.between(400, 2000), .5) * (1 + c.r.uniform(.3, .9) * np.sin(c.phase(rate))) + .4 * np.sin(c.phase(rate * 5))


def drill(c):
    rate = c.between(18, 45)
    p = (c.t * rate) % 1
    return band(c.noise(), c.between(200, 900), c.between(2000, 6000)) * np.exp(-p * c.r.uniform(3, 8)) + .6 * np.sin(c.phase(rate * 3)) * np.exp(-p * 4)


def owl(c):
    f, n, rate = c.between(280, 650), int(c.r.integers(2, 5)), c.between(2, 4)

    def one(at):
        return sum(np.sin(c.phase(f * (1 + .06 * np.sin(np.pi * inside(c, at + i / rate, .3))))) * np.sin(np.pi * inside(c, at + i / rate, c.r.uniform(.15, .35))) ** .6 for i in range(n))
    return at_random(c, one, n / rate + .6, .2)


def gallop(c):
    rate, f = c.between(1.5, 3), c.between(200, 700)
    one = lambda at: sum(modes(c, f * m, [(1, 1), (2.1, .5)], at + dt, .02) for dt, m in ((0, 1), (.11, 1.2), (.21, .9)))
    return c.repeat(one, rate)


def marimba(c):
    f, step = c.between(180, 800), c.between(.12, .5)
    notes = 2 ** (c.r.integers(0, 13, 40) / 12)
    x, at, i = np.zeros(c.n), .02, 0
    while at < c.seconds - .05:
        x += modes(c, f * notes[i % 40], [(1, 1), (3.93, .35), (9.5, .1)], at, .25)
        at, i = at + step, i + 1
    return x


def violin(c):
    f = melody(c, c.between(.2, 1.2), 196, 1400, .04) * (1 + .012 * np.sin(2 * np.pi * c.between(4.5, 7) * c.t))
    p = c.phase(f)
    a, b = c.between(400, 900), c.between(1800, 3500)
    return sum(np.sin(k * p) / k * (.5 + resonance(k * f, a, 200) + resonance(k * f, b, 600)) for k in range(1, 18)) * (.6 + .4 * np.abs(np.sin(c.phase(c.between(.5, 2)))))


def flute(c):
    f = melody(c, c.between(.15, .8), 300, 1600, .03) * (1 + .008 * np.sin(2 * np.pi * 5 * c.t))
    p = c.phase(f)
    return np.sin(p) + c.r.uniform(.1, .4) * np.sin(2 * p) + .1 * np.sin(3 * p) + c.r.uniform(.05, .3) * band(c.noise(), 800, 5000)


def train(c):
    rate = c.between(1.5, 5) * (1 + .2 * c.t / c.seconds)
    p = (np.cumsum(rate) / 16000) % 1
    return band(c.noise(), 200, c.between(1500, 5000)) * np.exp(-p * c.r.uniform(3, 7)) + .3 * band(c.noise(), 40, 150)


def gunshot(c):
    low, d = c.between(100, 400), c.between(.03, .2)
    return at_random(c, lambda at: c.noise() * c.strike(at, .0005, .015) + band(c.noise(), low, 3000) * c.strike(at, .001, d), c.between(.15, 1.2), .3)


def notification(c):
    f, step, d = c.between(500, 1800), c.r.uniform(.06, .2), c.r.uniform(.08, .4)
    notes = 2 ** (c.r.integers(-7, 13, 5) / 12)
    k = int(c.r.integers(2, 5))
    tone = [(1, 1), (2, c.r.uniform(0, .5)), (3, c.r.uniform(0, .3))]
    return at_random(c, lambda at: sum(modes(c, f * notes[i], tone, at + i * step, d, .004) for i in range(k)), k * step + .8, .1)


def error_buzz(c):
    f, rate, duty = c.between(70, 300), c.between(1, 5), c.r.uniform(.3, .8)
    p = c.phase(f)
    x = np.sign(np.sin(p)) if c.r.random() < .5 else (p / np.pi) % 2 - 1
    return band(x, 60, c.between(800, 5000)) * gate(c, rate, duty)


def chainsaw(c):
    f = c.between(60, 140) * np.exp(.4 * c.slow(8))
    p = c.phase(f)
    x = sum(np.sin(k * p + k * k) / k ** .3 for k in range(1, 28))
    return band(np.tanh(x), 150, 5000) + .4 * band(c.noise(), 500, 5000)


def insect(c):
    f = c.between(150, 700) * np.exp(.12 * c.slow(10))
    p = c.phase(f)
    return sum(np.sin(k * p) * c.r.uniform(.2, 1) / k for k in range(1, 10)) * (.2 + np.maximum(c.slow(6) + .6, 0))


def cuckoo(c):
    f, ratio = c.between(450, 900), c.r.uniform(.75, .85)

    def one(at):
        return sum(np.sin(c.phase(np.full(c.n, g))) * np.sin(np.pi * inside(c, at + dt, .18)) ** .5 for g, dt in ((f, 0), (f * ratio, .26)))
    return at_random(c, one, 1., .15)


def car_horn(c):
    f = c.between(300, 480)
    p, q = c.phase(f), c.phase(f * c.r.uniform(1.2, 1.3))
    x = sum(np.sin(k * p) * c.r.uniform(.3, 1) + np.sin(k * q) * c.r.uniform(.3, 1) for k in range(1, 9))
    return x * gate(c, c.between(.4, 2.5), c.r.uniform(.4, .9))


def cough(c):
    a, b = c.between(400, 900), c.between(1200, 2400)

    def one(at):
        d = c.r.uniform(.12, .3)
        x = band(c.noise(), a * .8, a * 1.3) + .7 * band(c.noise(), b * .85, b * 1.2)
        return x * env(c, at, d, .08) + .5 * voice(c, c.between(120, 260) * np.ones(c.n), [(a, 150, 1), (b, 300, .5)]) * env(c, at + .03, d)
    return at_random(c, one, c.between(.35, .9), .3)


def laugh(c):
    f, rate, fall = c.between(130, 420), c.between(3.5, 6.5), c.r.uniform(0, .4)
    v = [(c.between(500, 900), 120, 1), (c.between(1100, 1900), 180, .6)]
    tone = voice(c, f * (1.1 - fall * c.t / c.seconds) * (1 + .1 * np.sin(c.phase(rate))), v, .1)
    u = (c.t * rate) % 1
    return tone * np.sin(np.pi * np.clip(u / .55, 0, 1)) + .15 * band(c.noise(), 800, 4000) * (u > .55)


def snore(c):
    rate, f = c.between(.4, 1.2), c.between(25, 70)
    u = (c.t * rate) % 1
    p = (c.t * f) % 1
    return band(c.noise() * (np.exp(-p * 5) + .2), 100, c.between(500, 1500)) * np.sin(np.pi * np.clip(u / .6, 0, 1)) + .2 * band(c.noise(), 800, 3000) * np.sin(np.pi * np.clip(u / .4 - 1.5, 0, 1))


def spray(c):
    low = c.between(1500, 4500)
    return band(c.noise(), low, 7800, 2) * (gate(c, c.between(.6, 3), c.r.uniform(.3, .8)) + .02)


def crumple(c):
    hits = (c.r.random(c.n) < c.between(100, 500) / 16000) * c.r.exponential(1, c.n) ** 1.5
    x = np.convolve(hits, np.exp(-np.arange(60) / c.between(4, 12)) * c.r.standard_normal(1000)[:60])[:c.n]
    return band(x, c.between(800, 2000), 7500) * np.maximum(.2, c.slow(20) + .5)


def typing(c):
    f, d = c.between(1200, 3500), c.r.uniform(.004, .012)
    hiss = band(c.noise(), f * .6, f * 2)

    def one(at):
        a = c.r.uniform(.4, 1)
        return a * hiss * (c.strike(at, .0005, d) + .5 * c.strike(at + c.r.uniform(.05, .09), .0005, d))
    return at_random(c, one, c.between(.1, .3), .6)


def cymbal(c):
    f = [c.between(800, 7500) for _ in range(14)]
    d = c.between(.15, 1.2)
    metal = sum(np.sin(2 * np.pi * g * c.t + i) for i, g in enumerate(f)) * .15 + band(c.noise(), 2500, 7800)
    return at_random(c, lambda at: metal * c.strike(at, .002, d), c.between(.4, 1.5), .2)


def tom(c):
    f, d = c.between(70, 240), c.r.uniform(.1, .35)

    def one(at):
        t = np.maximum(c.t - at, 0)
        return np.sin(2 * np.pi * f * (t + .06 * (1 - np.exp(-t / .05)))) * c.strike(at, .001, d) + .2 * c.noise() * c.strike(at, .001, .02)
    return at_random(c, one, c.between(.2, .7), .2)


def shaker(c):
    rate, low = c.between(3, 9), c.between(2500, 5000)
    u = (c.t * rate) % 1
    return band(c.noise(), low, 7800) * (np.exp(-np.abs(u - .3) * c.r.uniform(6, 14)) + .4 * np.exp(-np.abs(u - .8) * 12))


def robot(c):
    f, step = c.between(60, 200), c.between(.06, .2)
    k = c.r.integers(0, 12, 80)
    centre = 300 * 1.22 ** k[(c.t / step).astype(int) % 80]
    p = c.phase(f)
    return sum(np.sign(np.sin(k * p)) / k * resonance(k * f, centre, 180) for k in range(1, 26))


def seagull(c):
    base = c.between(900, 1800)

    def one(at):
        d = c.r.uniform(.2, .5)
        u = inside(c, at, d)
        f = base * (1 + .5 * np.sin(np.pi * u ** .5))
        p = c.phase(f)
        return (np.sin(p) + .6 * np.sin(2 * p) + .4 * np.sin(3 * p)) * np.sin(np.pi * u) ** .5
    return at_random(c, one, c.between(.35, .8), .3)


def saw_pad(c):
    x, f = 0, c.between(80, 300)
    for s in c.r.choice([0, 3, 4, 5, 7, 9, 10, 12], 3):
        for d in (.994, 1.006):
            x = x + (c.phase(f * 2 ** (s / 12) * d) / np.pi) % 2 - 1
    return band(x, 60, c.between(500, 4000)) * (.4 + .6 * np.minimum(c.t / c.between(.05, .8), 1))


def riser(c):
    up, rate = c.r.random() < .5, c.between(.5, 2)
    u = (c.t * rate) % 1
    u = u if up else 1 - u
    p = c.phase(c.between(100, 400) * c.between(4, 16) ** u)
    return ((p / np.pi) % 2 - 1) * (.3 + .7 * u) + c.r.uniform(0, .6) * band(c.noise(), 1000, 7000) * u


TRAIN = {f.__name__: f for f in (
    kettle, drip, knock, footsteps, applause, crackle, thunder, vibration, hilo, smoke_alarm, vacuum, fan, drill, owl, gallop, marimba, violin, flute, train,
    gunshot, notification, error_buzz, chainsaw, insect, cuckoo, car_horn, cough, laugh, snore, spray, crumple, typing, cymbal, tom, shaker, robot, seagull,
    saw_pad, riser)}
ALL = {**families.FAMILIES, **strangers.TRAINING, **TRAIN}
ALL = {k: (lambda c, f=f: f(c)[0]) if k in families.FAMILIES else f for k, f in ALL.items()}


# The last two names of each are for measuring only.
NAMES = {k: v.split("|") for k, v in {
    "sine": "a sine tone|a pure tone|a steady tone|one even tone|a sine wave|a pure sine", "chirp": "a sweep|a sliding tone|a glide|a tone sweep|a frequency sweep|a tone that slides",
    "noise": "white noise|static|hiss|steady noise|static hiss|white static", "kick": "a kick drum|a bass drum|a kick|kicks|kick drums|bass drums",
    "snare": "a snare drum|a snare|snare hits|drum rattles|snare drums|hits on a snare", "hihat": "a hi-hat|a hi hat|hi-hats|a closed hi-hat|hi hats|hits on a hi-hat",
    "bell": "a bell|a chime|a bell ringing|a church bell|bells|a ringing bell", "pluck": "a plucked string|a guitar|a guitar string|a harp|strings plucked|a plucked guitar",
    "siren": "a siren|a police siren|an alarm siren|a wailing siren|sirens|a siren wailing", "rain": "rain|rainfall|raindrops|raining|rain falling|falling raindrops",
    "wind": "wind|wind blowing|a breeze|gusts|blowing wind|gusts of wind", "beep": "a beep|beeping|beeps|an alarm clock|a beeping alarm|beeps of a clock",
    "engine": "an engine|a motor|a car engine|a running engine|a motor running|a motor of a car", "clicks": "clicks|clicking|ticking|a clock|a ticking clock|clock ticks",
    "organ": "an organ chord|an organ|a church organ|a chord|chords of an organ|a chord on a church organ", "birds": "birdsong|birds|birds singing|a bird|a singing bird|birds in song",
    "wobble": "a wobble bass|a wobbling bass|wobble bass|dubstep bass|a bass that wobbles|a dubstep wobble", "laser": "a laser|a laser zap|laser shots|a laser gun|shots of a laser|zaps",
    "waves": "ocean waves|waves|the sea|the ocean|waves of the sea|the ocean waves", "heart": "a heartbeat|heartbeats|a beating heart|a heart|a heart beating|beats of a heart",
    "modulated": "frequency modulation|a metallic warble|a warble|an FM tone|a warbling tone|metallic warbling", "bursts": "bursts of noise|noise bursts|puffs of noise|short puffs|puffs and bursts|bursts of hiss",
    "drifting_partials": "drifting tones|a drone of tones|slow drifting tones|an eerie drone|a drifting drone|eerie drifting tones", "arpeggio": "an arpeggio|a chiptune|a video game tune|fast notes|a chiptune arpeggio|a fast arpeggio",
    "squelch": "an acid bass|a squelch|a squelching synth|acid squelch|a squelchy acid bass|a squelching bass", "scrape": "scraping|scraping metal|a metal scrape|a scrape|metal scraping|a scraping of metal",
    "croak": "a frog|a frog croaking|croaking|croaks|a croaking frog|croaks of a frog", "modem": "a modem|a fax machine|data tones|a fax|a modem's data|tones of a modem",
    "dialling": "dialling a phone|dial tones|telephone keys|phone keys|keys of a telephone|a phone being dialled", "trill": "a telephone ringing|a phone ringing|a ringing telephone|a ringtone|a ringing phone|a telephone's ring",
    "bouncing": "a bouncing ball|a ball bouncing|bouncing|a ball|a ball that bounces|bounces of a ball", "ratchet": "a ratchet|ratcheting|a rattle of clicks|a winding ratchet|a ratchet winding|ratchet clicks",
    "glitter": "glitter|sparkling tones|tinkling|sparkles|tinkling sparkles|sparkling glitter", "reed": "an oboe|a reed|a clarinet|a reed pipe|an oboe melody|a tune on a clarinet",
    "whistle": "whistling|somebody whistling|a whistled tune|a whistle|somebody whistling a tune|a tune whistled", "growl": "a growl|growling|a growling beast|a snarl|a beast growling|snarling",
    "zipper": "a zipper|a zip|zipping|a zip closing|a zipper closing|zips", "clock_chatter": "wooden knocks|wood blocks|clattering wood|wooden clatter|a clatter of wood|knocks on wood blocks",
    "brass": "brass|a trumpet|a horn section|a trombone|a brass section|trumpets", "gong_cluster": "a gong|gongs|a tam-tam|a gong swelling|a swelling gong|a struck gong",
    "vowel": "singing|a sung vowel|a singer|a choir voice|a singer's voice|a vowel sung", "moo": "a cow|a cow mooing|mooing|cattle|a mooing cow|cows", "bleat": "a sheep|a sheep bleating|bleating|a goat|a bleating goat|bleating sheep",
    "quack": "a duck|a duck quacking|quacking|ducks|a quacking duck|quacks", "howl": "a wolf|a wolf howling|howling|a howl|a howling wolf|howls of a wolf", "sobbing": "a baby crying|crying|a crying child|sobbing|a crying baby|a child sobbing",
    "theremin": "a theremin|a wailing synth|a theremin melody|a sliding synth|a theremin sliding|a sliding theremin tune", "patch": "a synthesizer|a synth|a strange synth|an odd synth|an odd synthesizer|a strange synthesizer",
    "kettle": "a kettle|a kettle whistling|a whistling kettle|a boiling kettle|a kettle that whistles|a kettle boiling", "drip": "dripping water|drips|water dripping|a dripping tap|water drips|a tap dripping",
    "knock": "knocking|a knock on the door|knocking on a door|a knock|somebody knocking on the door|knocks on a door", "footsteps": "footsteps|steps|somebody walking|walking|steps of somebody|somebody's footsteps",
    "applause": "applause|clapping|a crowd clapping|hands clapping|a clapping crowd|applause of a crowd", "crackle": "a fire crackling|fire|a campfire|crackling|a crackling fire|a crackling campfire",
    "thunder": "thunder|a thunderstorm|rumbling thunder|rumbling|thunder rumbling|a rumbling storm", "vibration": "a phone vibrating|vibration|a vibrating phone|a buzzing phone|a phone buzzing|phone vibration",
    "hilo": "a two-tone siren|an ambulance|a two-tone alarm|a fire engine siren|an ambulance siren|a two-tone ambulance", "smoke_alarm": "a smoke alarm|a smoke detector|a shrill alarm|a fire alarm|a shrill smoke alarm|a shrill fire alarm",
    "vacuum": "a vacuum cleaner|vacuuming|a vacuum|a hoover|a vacuum running|a running vacuum cleaner", "fan": "a fan|a fan spinning|a ventilator|a spinning fan|a ventilator spinning|a fan running",
    "drill": "a drill|drilling|a jackhammer|a hammer drill|a jackhammer drilling|a hammer drill drilling", "owl": "an owl|an owl hooting|hooting|hoots|a hooting owl|hoots of an owl",
    "gallop": "a horse galloping|a galloping horse|hooves|a horse|a horse's hooves|galloping hooves", "marimba": "a marimba|a xylophone|a marimba tune|wooden bars|a xylophone tune|a tune on a marimba",
    "violin": "a violin|a fiddle|a cello|bowed strings|a bowed violin|a violin tune", "flute": "a flute|a flute melody|a recorder|a pan flute|a flute tune|a recorder melody", "train": "a steam train|a train|a locomotive|a train chuffing|a chuffing train|a chuffing steam locomotive",
    "gunshot": "a gunshot|a gun|gunshots|shooting|a gun shooting|shots of a gun", "notification": "a notification|a notification sound|a message tone|a message alert|a message notification|an alert tone",
    "error_buzz": "a buzzer|an error sound|an error buzz|a buzz|an error buzzer|a buzzer's buzz", "chainsaw": "a chainsaw|a motor saw|sawing with a chainsaw|a revving chainsaw|a chainsaw revving|a revving motor saw",
    "insect": "a bee|a mosquito|an insect buzzing|a fly|a buzzing insect|a buzzing bee", "cuckoo": "a cuckoo|a cuckoo calling|a cuckoo clock|cuckoo calls|a calling cuckoo|calls of a cuckoo", "car_horn": "a car horn|honking|a horn honking|a car honking|a honking car|a honking horn",
    "cough": "coughing|a cough|somebody coughing|coughs|a person's cough|coughs of somebody", "laugh": "laughter|laughing|somebody laughing|a laugh|a laughing person|somebody's laughter", "snore": "snoring|a snore|somebody snoring|snores|a snoring person|somebody's snores",
    "spray": "a spray can|spraying|a spray|an aerosol|an aerosol spray|a can spraying", "crumple": "crumpling paper|paper|paper crumpling|crumpled paper|paper being crumpled|crumples of paper", "typing": "typing|a keyboard|typing on a keyboard|computer keys|a keyboard typing|keys of a keyboard",
    "cymbal": "a cymbal|a cymbal crash|a crash cymbal|cymbals|a crashing cymbal|crash cymbals", "tom": "a tom-tom|tom drums|a tom drum|toms|tom-tom drums|a drum tom", "shaker": "a shaker|maracas|a shaken shaker|shaking maracas|a shaker shaking|maracas shaking",
    "robot": "a robot voice|a robot|a robot talking|a talking robot|a robot's voice|a robot that talks", "seagull": "a seagull|seagulls|gulls|a gull crying|a crying gull|gulls crying", "saw_pad": "a synth pad|a synth chord|a string pad|a pad|a pad chord|a chord on a synth pad",
    "riser": "a riser|a synth riser|a build-up|a rising synth|a rising build-up|a synth rising"}.items()}
assert set(NAMES) == set(ALL), set(NAMES) ^ set(ALL)
