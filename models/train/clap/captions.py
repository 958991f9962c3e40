"""Captions of the keys of shards, [0] for training and [1] for measuring only, and the tokenizer."""
import collections

import numpy as np

import patches
import sounds
import speech
from bytepairs import LETTERS, Tokenizer, learn, words as pieces_of

# A network learns whole templates by heart: with 21 of them, unseen ones cost a third of the accuracy. So this is a grammar, with words left out and
# meaningless ones inserted.
BEFORE = """||||the sound of|sound of|this is|a recording of|I hear|there is|an audio clip of|this sounds like|you can hear|a sound:|it is|we hear|listen to|someone recorded|here comes|I think it is
maybe|in the distance|nearby|a file of|one can hear|the noise of|what you hear is|a track with|clip of|the recording has|an example of|something like|it could be|we are hearing|a person recorded|on this tape:|well,""".replace("\n", "|").split("|")
AFTER = """|||||||can be heard|in the background|, recorded|in a room|outside|nearby|is playing|somewhere|is heard|again|close by|, I think|on the tape|far away|for a while|here|, nothing else""".replace("\n", "|").split("|")
TEMPLATES = [[(f"{x} {{}}" if x else "{}") for x in BEFORE[3:]], ["the clip has {} in it", "an audio recording with {}", "that sounds to me like {}", "{} is what one hears"]]
FILLERS = speech.training_words()[::11]
SAID = [["the word {}", "a voice saying {}", "somebody says {}", "{}, spoken", "a person says the word {}", "spoken word {}", "someone saying {}"], ["a speaker who says {}", "the spoken word {}"]]
PITCH = [["a low", "a deep"], ["a middle", "a medium"], ["a high", "a high pitched"]]
SPECIALS = ["<s>", "<pad>", "</s>", "<unk>"]


def wrapped(r, text):
    """A caption for training with a name in it."""
    pick = lambda a: a[r.integers(len(a))]
    if r.random() < .3:
        head, _, rest = text.partition(" ")
        text = pick(["the ", "some ", "one ", "", "", "that "]) + rest if head in ("a", "an") else text
    x, y = pick(BEFORE), pick(AFTER) if r.random() < .4 else ""
    words = [w for w in x.split() if r.random() > .12], [w for w in y.split() if r.random() > .12]
    for part in words:
        if r.random() < .12:
            part.insert(int(r.integers(len(part) + 1)), pick(FILLERS))
    y = " ".join(words[1])
    return " ".join(words[0] + [text]) + (y if y.startswith(",") else " " + y if y else "")


def caption(r, key, test=0):
    kind, _, value = key.partition(":")
    pick = lambda a: a[r.integers(len(a))]
    if kind == "word":
        return pick(SAID[test]).format(value)
    if kind == "family":
        names = sounds.NAMES[value]
        return wrapped(r, pick(names[:-2])) if not test else pick(TEMPLATES[1]).format(pick(names[:-2]))
    k, s, p = eval(value)
    body = f"{patches.SOURCES[k][2:].lstrip()} sound"
    u = r.random()
    text = f"{pick(PITCH[p])} {body} {patches.SHAPES[s]}" if u < .7 else f"{patches.SOURCES[k]} sound, {patches.SHAPES[s]}" if u < .85 else f"{pick(PITCH[p])} {body}"
    return wrapped(r, text) if r.random() < .6 else text


def tokenizer(words, merges=700, seed=5):
    r, counts = np.random.default_rng(seed), collections.Counter()
    keys = ["family:" + k for k in sounds.ALL]
    for key in keys * 30:
        counts.update(pieces_of(caption(r, key)))
    for _ in range(1500):
        counts.update(pieces_of(caption(r, f"gene:({r.integers(11)},{r.integers(9)},{r.integers(3)})")))
    for w in r.choice(words, 3000):
        counts.update(pieces_of(caption(r, "word:" + w)))
    return Tokenizer(learn({w: int(n ** .5) + 1 for w, n in counts.items()}, [], merges), SPECIALS, LETTERS)


def encode(t, text, r=None, context=24):
    """Ids between <s> and </s>. With r, for training, merges are sometimes left out."""
    drop = 0 if r is None else r.choice([0, .1, .5])
    ids = [i for w in pieces_of(text) for i in (t.loosely(w, r, drop) if drop else t.word(w))]
    return [0] + ids[:context - 2] + [2]


def batch(rows):
    n = max(map(len, rows))
    ids, mask = np.ones((len(rows), n), np.int64), np.zeros((len(rows), n), np.int64)
    for i, row in enumerate(rows):
        ids[i, :len(row)], mask[i, :len(row)] = row, 1
    return ids, mask
