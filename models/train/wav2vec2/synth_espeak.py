#!/usr/bin/env python3
"""Make a shard with espeak-ng.

  synth_espeak.py OUT COUNT SEED train|dev|test|accent

train, dev and test differ in their voices (text.py). `accent` lets the voices of
other languages read English phonemes: their sounds differ from the English
tables, which teaches the model not to lean on one accent.
"""
import random
import sys
import time

import espeak
import shards
import text

# A false rate at resampling shifts the formants; test and dev voices keep theirs.
RATES = [18800, 19200, 20000, 20800, 21600, 22050, 22050, 22400, 23200, 24000, 24800, 25600]
MAX_SECONDS = 8

ACCENTS = """de nl it es pl sv cy ga gd cs da nb pt pt-br ru af hi tr ro el lt la sq hu id eu ca hr
bg fr-fr sr sl lv is lb mt bn ta ms vi sk uk mk ur fi et""".split()
# What a speaker of another language may say for an English phoneme, nearest first.
NEAR = {
    "@": ["@", "@-", "V", "a", "e"], "3": ["3", "@", "@r", "V", "e r"], "3:": ["3:", "@ r", "Y r", "E r", "e r"],
    "V": ["V", "a", "A", "@"], "0": ["0", "O", "o"], "A:": ["A:", "A", "a:", "a"], "A@": ["A@", "A: r", "A r", "a: r", "a r"],
    "aa": ["aa", "a", "A"], "a": ["a", "A", "E"], "E": ["E", "e"], "e": ["e", "E"], "I": ["I", "i"], "I2": ["I2", "I", "i"],
    "i": ["i", "I"], "i:": ["i:", "i", "I"], "i@": ["i@", "i @", "i a", "i e"], "i@3": ["i@3", "i: r", "i r"], "O:": ["O:", "O", "o:", "o"],
    "O@": ["O@", "O: r", "O r", "o r"], "o@": ["o@", "o: r", "O r", "o r"], "O2": ["O2", "O", "0", "o"], "OI": ["OI", "O I", "o I", "o i"],
    "U": ["U", "u"], "u": ["u", "U"], "u:": ["u:", "u", "U"], "oU": ["oU", "o U", "o u", "o:", "o"],
    "aI": ["aI", "a I", "a i", "a j"], "eI": ["eI", "e I", "E I", "e i", "e:", "e"], "aU": ["aU", "a U", "a u", "a w"],
    "aI@": ["aI@", "aI @", "aI o", "a I o", "a i o", "a j o"], "aI3": ["aI3", "aI @"], "e@": ["e@", "E r", "e r"], "U@": ["U@", "u @"],
    "@L": ["@L", "@ l", "e l", "a l"], "@2": ["@2", "@", "e", "a"], "@5": ["@5", "@", "u", "e", "a"], "@3": ["@3", "@"],
    "T": ["T", "t", "s"], "D": ["D", "d", "z"], "w": ["w", "v", "B"], "w#": ["w#", "w", "v"], "h": ["h", "x", "H"], "r": ["r", "R", "*", "**"],
    "N": ["N", "n g", "n"], "Z": ["Z", "z"], "S": ["S", "s"], "tS": ["tS", "t S", "t s"], "dZ": ["dZ", "d Z", "tS", "d z"],
    "t2": ["t2", "t"], "t#": ["t#", "t", "d"], "d#": ["d#", "d"], "j": ["j", "i"], "v": ["v", "B", "w", "b"], "z": ["z", "s"], "l": ["l"],
    "g": ["g", "Q", "k"], "f": ["f", "p"], "k": ["k"], "p": ["p"], "b": ["b"], "d": ["d"], "s": ["s"], "t": ["t"], "m": ["m"], "n": ["n"],
}
_known = {}


def can_say(lang, seq):
    """A phoneme that the table lacks ends the word early, so look at what came out."""
    k = (lang, seq)
    if k not in _known:
        o = espeak.synth("[[" + seq.replace(" ", "") + "]]", lang)
        got = [p for _, p in o[1] if p.strip("_:|;'")] if o else []
        _known[k] = got == seq.split()
    return _known[k]


_words = {}


def english_phones(word, voice):
    k = (word, voice)
    if k not in _words:
        _words[k] = [p for _, p in espeak.synth(word, voice)[1] if p.strip("_:|;'") and not p.startswith("_")]
    return _words[k]


def accent_text(txt, lang, r):
    out = []
    base = r.choice(["en-us", "en"])
    for w in txt.split():
        ps = english_phones(w, base)
        o = []
        for p in ps:
            # now and then the second or third best, as speakers vary
            c = [q for q in NEAR.get(p, [p]) if can_say(lang, q)]
            if not c:
                return None
            o.append(c[0] if r.random() < .75 else r.choice(c[:3]))
        # stress on the first syllable is right for most of the list
        out.append("'" + "".join(o).replace(" ", ""))
    return "[[" + (" " if r.random() < .8 else "_: ").join(out) + "]]"


def main():
    path, count, seed, kind = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
    r = random.Random(seed)
    w = shards.Writer(path)
    t0, bad = time.time(), {}
    while len(w.texts) < count:
        txt = (text.train_sentence if kind in ("train", "accent") else text.sentence)(r)
        spoken, rate = txt, espeak.RATE
        variant = r.choice(text.STANDARD) if r.random() < .5 else r.choice(text.NAMED)
        if kind == "test":
            v = r.choice(text.TEST_VOICES)
        elif kind == "dev":
            v = r.choice(["en-us", "en", "en-gb-x-rp", "en-029"]) + r.choice(text.DEV_VARIANTS)
        else:
            v = r.choice(text.BASES if kind == "train" else ACCENTS) + variant
            rate = r.choice(RATES)
            if kind == "accent":
                spoken = accent_text(txt, v.split("+")[0], r)
            elif r.random() < .2:
                spoken = ", ".join(txt.split())
        wide = kind in ("train", "accent")
        o = spoken and espeak.synth(spoken, v, r.randint(105, 240) if wide else r.randint(120, 200),
                                    r.randint(5, 95) if wide else r.randint(20, 80),
                                    r.randint(60, 120), r.randint(5, 95) if wide else r.randint(20, 80))
        if not o:
            bad[v.split("+")[0]] = bad.get(v.split("+")[0], 0) + 1
            continue
        y, cut = shards.trim(shards.resample(o[0], rate))
        if y is None or len(y) > MAX_SECONDS * shards.RATE:
            continue
        sc = espeak.RATE / rate / 1000
        ph = [(ms * sc, 0 if n.startswith("_") else w.label(n)) for ms, n in o[1]]
        w.add(y, shards.frame_labels(ph, len(y), cut), txt, v)
        if len(w.texts) % 2000 == 0:
            print(len(w.texts), "%.2f h" % w.hours(), "%.0f s" % (time.time() - t0), flush=True)
    w.save()
    print(path, len(w.texts), "utterances", "%.2f h" % w.hours(), len(w.names), "labels", "not sayable:", bad)


if __name__ == "__main__":
    main()
