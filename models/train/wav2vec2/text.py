"""Words, sentence templates and the lists of what is held out of training.

Everything that has to agree between synthesis, training and evaluation about
text lives here, so that a held-out voice or sentence cannot leak by accident.
"""
import os
import random

HERE = os.path.dirname(os.path.abspath(__file__))
MODEL_DIR = os.path.join(HERE, "..", "..", "wav2vec2-tiny")

# Id order of the 32 output symbols; the same as vocab.json of the model folder.
VOCAB = ["<pad>", "<s>", "</s>", "<unk>", "|"] + list("ETAONIHSRDLUMWCFGYPBVK'XJQZ")
SYMBOL = {c: i for i, c in enumerate(VOCAB)}


def encode(text):
    """Upper-case text to symbol ids, the blank between words being '|'."""
    return [SYMBOL["|" if c == " " else c] for c in text]


def load_words():
    with open(os.path.join(MODEL_DIR, "words.txt"), encoding="utf8") as f:
        return [w.lower() for w in f.read().split()]


WORDS = load_words()
DIGITS = "zero one two three four five six seven eight nine".split()


def template(r):
    """One spoken command, as a user of an audio tool might say it."""
    c = r.choice

    def d():
        return c(DIGITS)

    def w(s):
        return c(s.split())

    return c([
        lambda: f"{w('front rear side top')} {w('left right center')}",
        lambda: f"{w('play stop record mute solo loop open close save load')} {w('track channel sample')} {d()}",
        lambda: f"volume {w('up down')}",
        lambda: f"{w('piano guitar drum violin flute trumpet organ synth')} {w('louder softer faster slower on off solo')}",
        lambda: f"{w('filter reverb delay echo chorus noise')} {w('on off up down high low')}",
        lambda: f"set tempo {d()} {d()} {d()}",
        lambda: f"set {w('volume gain pan treble filter reverb')} {c(['left', 'right', 'high', 'low', 'center'] + DIGITS)}",
        lambda: f"{d()} {d()} {d()} {d()}",
        lambda: f"{w('high low')} pass filter {w('on off')}",
        lambda: f"{w('yes no')} {c(['please', 'thank you'])}",
        lambda: f"{w('sine square')} wave {w('on off louder softer')}",
    ])()


def sentence(r):
    """The test distribution: templates, else one to five random words."""
    if r.random() < .35:
        return template(r)
    n = r.choices([1, 2, 3, 4, 5], [.25, .25, .25, .15, .10])[0]
    return " ".join(r.choice(WORDS) for _ in range(n))


def train_sentence(r):
    """As sentence(), with some longer ones, and never a text held out for flite."""
    while True:
        if r.random() < .15:
            t = " ".join(r.choice(WORDS) for _ in range(r.randint(5, 9)))
        else:
            t = sentence(r)
        if not holds_test_text(t):
            return t


def flite_test_texts(n=240, seed=9001):
    """Texts of the flite test. Three to six random words: single words and
    two-word commands could not be kept out of training without losing them."""
    r = random.Random(seed)
    out = []
    while len(out) < n:
        t = " ".join(r.choice(WORDS) for _ in range(r.randint(3, 6)))
        if t not in out:
            out.append(t)
    return out


_held = None


def holds_test_text(text):
    """True when a flite test text occurs anywhere inside the text."""
    global _held
    if _held is None:
        _held = set(flite_test_texts())
    w = text.split()
    return any(" ".join(w[i:i + n]) in _held for n in range(3, 7) for i in range(len(w) - n + 1))


# espeak-ng. Held out, never trained on: variants m7 and f5, and every en-gb-scotland.
TEST_VOICES = ["en-gb-scotland", "en-gb-scotland+m1", "en-gb-scotland+f2",
               "en-us+m7", "en+m7", "en-us+f5", "en+f5"]
BASES = ["en-us", "en-us", "en-us", "en", "en", "en-gb-x-rp", "en-gb-x-gbclan",
         "en-gb-x-gbcwmd", "en-029", "en-us-nyc"]
# Development voices: kept out of the training shards too, used to choose a checkpoint.
DEV_VARIANTS = ["+m4", "+f4", "+Andy", "+linda", "+travis"]
STANDARD = [""] + ["+" + v for v in "m1 m2 m3 m5 m6 m8 f1 f2 f3".split()]
NAMED = ["+" + v for v in """Alex Alicia Andrea Annie AnxiousAndy Denis Diogo Gene Gene2 Henrique Hugo
Jacky Lee Marco Mario Michael Mike Nguyen Storm Tweaky adam anika announcer antonio aunty belinda
benjamin boris caleb david ed edward edward2 grandma grandpa gustave iven iven2 iven3 iven4 john
kaukovalta klatt klatt2 klatt3 klatt4 marcelo max michel miguel norbert pablo paul pedro quincy rob
robert sandro shelby steph steph2 steph3 victor zac""".split()]

# flite and festival. Held out: every voice of the speakers rms and slt.
FLITE_TRAIN = ["kal", "kal16", "awb"]  # awb_time can only tell the time
FLITE_TEST = ["rms", "slt"]
