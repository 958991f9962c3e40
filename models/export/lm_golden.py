#!/usr/bin/env python3
"""A language model of the words of wav2vec2-tiny, and what KenLM and pyctcdecode make of it: lm_golden.py BUILD_BINARY.

Writes services/ngram/testdata (the ARPA file, KenLM's binary files of it and KenLM's scores) and services/wav2vec2/testdata/lm (the
folder that pyctcdecode saves, and its beams for recorded logits). Needs numpy, kenlm and pyctcdecode (PyPI), and KenLM's build_binary,
which compile_query_only.sh in the source distribution of kenlm builds.
"""
import collections
import gzip
import json
import math
import os
import random
import shutil
import subprocess
import sys

import kenlm
import numpy as np
from pyctcdecode import Alphabet, BeamSearchDecoderCTC, LanguageModel

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.join(HERE, "../..")
TINY = os.path.join(HERE, "../wav2vec2-tiny")
NGRAM = os.path.join(ROOT, "services/ngram/testdata")
FOLDER = os.path.join(ROOT, "services/wav2vec2/testdata/lm")
ORDER = 4


def sentences(words):
    """Phrases in which some words follow each other more often than others."""
    r = random.Random(5)
    follow = {w: r.sample(words, 3) for w in words}
    for _ in range(220):
        w = r.choice(words)
        phrase = [w]
        for _ in range(r.randint(1, 5)):
            w = r.choice(follow[w]) if r.random() < .8 else r.choice(words)
            phrase.append(w)
        yield ["<s>"] + phrase + ["</s>"]


def arpa(texts, order, path):
    """Absolute discounting with back-off, which is enough for a test; n-grams seen once are left out above the bigrams."""
    counts = [collections.Counter() for _ in range(order + 1)]
    for t in texts:
        for n in range(1, order + 1):
            for i in range(len(t) - n + 1):
                counts[n][tuple(t[i:i + n])] += 1
    total = sum(c for g, c in counts[1].items() if g != ("<s>",))
    prob = {("<unk>",): math.log10(0.5 / total)}
    for g, c in counts[1].items():
        prob[g] = -99.0 if g == ("<s>",) else math.log10((c - .5) / total)
    kept = [None, dict(counts[1])] + [{g: c for g, c in counts[n].items() if n == 2 or c > 1} for n in range(2, order + 1)]
    bow = {}
    for n in range(2, order + 1):
        of = collections.defaultdict(list)
        for g in kept[n]:
            of[g[:-1]].append(g)
        for h, grams in of.items():
            seen = counts[n - 1][h]
            mass = 0.0
            lower = 0.0
            for g in grams:
                p = (kept[n][g] - .5) / seen
                prob[g] = math.log10(p)
                mass += p
                lower += 10 ** prob[g[1:]] if g[1:] in prob else 0
            bow[h] = math.log10(max(1e-4, 1 - mass) / max(1e-4, 1 - lower))
    with open(path, "w") as f:
        f.write("\\data\\\n")
        by = [[g for g in sorted(prob) if len(g) == n] for n in range(1, order + 1)]
        for n, grams in enumerate(by, 1):
            f.write("ngram %d=%d\n" % (n, len(grams)))
        for n, grams in enumerate(by, 1):
            f.write("\n\\%d-grams:\n" % n)
            for g in grams:
                f.write("%.6f\t%s" % (prob[g], " ".join(g)))
                if n < order and g in bow:
                    f.write("\t%.6f" % bow[g])
                f.write("\n")
        f.write("\n\\end\\\n")


def scores(path, texts):
    """The log10 probability of each word after those before it."""
    m = kenlm.Model(path)
    out = []
    for t in texts:
        state, row = kenlm.State(), []
        m.BeginSentenceWrite(state)
        for w in t:
            after = kenlm.State()
            row.append(round(m.BaseScore(state, w, after), 6))
            state = after
        row.append(round(m.BaseScore(state, "</s>", kenlm.State()), 6))
        out.append(row)
    return out


def write_ngram(build, words, lm):
    r = random.Random(9)
    texts = list(sentences(words))[:12]
    asked = [t[1:-1] for t in texts] + [[r.choice(words + ["nobody"]) for _ in range(6)] for _ in range(12)] + [["<unk>", words[0]], [""]]
    golden = {"kenlm": "0.3.0", "texts": asked, "scores": {"model.arpa": scores(lm, asked)}}
    for name, options in {"probing": ["probing"], "trie": ["trie"], "quantised": ["-q", "6", "-b", "7", "trie"], "array": ["-a", "22", "trie"],
                          "quantised-array": ["-q", "8", "-b", "8", "-a", "22", "trie"]}.items():
        path = os.path.join(NGRAM, name + ".bin")
        subprocess.run([build] + options + [lm, path], check=True, capture_output=True)
        golden["scores"][name + ".bin"] = scores(path, asked)
    with open(os.path.join(NGRAM, "golden.json"), "w") as f:
        json.dump(golden, f)


def recorded():
    with open(os.path.join(TINY, "clips/golden.json")) as f:
        clips = json.load(f)["clips"]
    with gzip.open(os.path.join(TINY, "clips/golden_logits.f32.gz")) as f:
        values = np.frombuffer(f.read(), "<f4")
    for c in clips:
        yield c["file"], values[c["offset"]:c["offset"] + c["frames"] * c["vocab"]].reshape(c["frames"], c["vocab"])


def write_beams(words, lm):
    with open(os.path.join(TINY, "vocab.json")) as f:
        vocabulary = sorted(json.load(f).items(), key=lambda x: x[1])
    labels = [k.lower() for k, _ in vocabulary]
    cases = []
    # The last words are left out of the unigrams, so that some words of the model are not known.
    for name, params, unigrams, hot in (("defaults", {}, words[:-8], []), ("weights", dict(alpha=.9, beta=.4, unk_score_offset=-4.), words, []),
                                        ("no boundary", dict(lm_score_boundary=False), words, []), ("no unigrams", {}, [], []),
                                        ("hot words", {}, words[:40], [words[60], words[61], "wooden"])):
        model = dict(params)
        model["score_boundary"] = model.pop("lm_score_boundary", True)
        decoder = BeamSearchDecoderCTC(Alphabet.build_alphabet(labels), LanguageModel(kenlm.Model(lm), unigrams, **model))
        if name == "defaults":
            shutil.rmtree(FOLDER, ignore_errors=True)
            os.makedirs(FOLDER)
            decoder.save_to_dir(FOLDER)
        for file, logits in list(recorded())[:10]:
            for scale in (1, .25):
                beams = decoder.decode_beams(np.float32(scale) * logits, prune_history=True, hotwords=hot)
                cases.append({"name": name, "file": file, "scale": scale, "params": params, "unigrams": unigrams, "hot": hot,
                              "beams": [{"text": b[0], "frames": [list(x[1]) for x in b[2]], "logit": round(float(b[3]), 5), "total": round(float(b[4]), 5)} for b in beams[:3]]})
    with open(os.path.join(FOLDER, "golden.json"), "w") as f:
        json.dump({"pyctcdecode": "0.5.0", "cases": cases}, f)


def main():
    os.makedirs(NGRAM, exist_ok=True)
    with open(os.path.join(TINY, "words.txt")) as f:
        words = [line.split()[0].lower() for line in f if line.strip()]
    lm = os.path.join(NGRAM, "model.arpa")
    arpa(list(sentences(words)), ORDER, lm)
    write_ngram(sys.argv[1], words, lm)
    write_beams(words, lm)


if __name__ == "__main__":
    main()
