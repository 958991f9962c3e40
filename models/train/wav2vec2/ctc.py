"""Decoders and the word error rate."""
import math

import numpy as np

import text

NEG = -1e30
FLOOR = -16  # a symbol less likely than this is not tried in a frame


def greedy(logits):
    out, last = [], -1
    for i in np.asarray(logits).argmax(-1).tolist():
        if i != last and i > 3:
            out.append(" " if i == 4 else text.VOCAB[i])
        last = i
    return " ".join("".join(out).split())


def edits(a, b):
    d = list(range(len(b) + 1))
    for i, x in enumerate(a, 1):
        p, d[0] = d[0], i
        for j, y in enumerate(b, 1):
            c = d[j]
            d[j] = min(d[j] + 1, d[j - 1] + 1, p + (x != y))
            p = c
    return d[-1]


def wer(pairs):
    """[(hypothesis, reference)] -> word errors / words."""
    e = sum(edits(h.split(), r.split()) for h, r in pairs)
    return e / max(1, sum(len(r.split()) for _, r in pairs))


def prefix_tree(words):
    """Nodes as dicts symbol -> node number; `ends` tells where a word is complete."""
    nodes, ends = [{}], {}
    for w in words:
        n = 0
        for c in w.upper():
            s = text.SYMBOL[c]
            if s not in nodes[n]:
                nodes.append({})
                nodes[n][s] = len(nodes) - 1
            n = nodes[n][s]
        ends[n] = w.upper()
    return nodes, ends


def _add(a, b):
    if a < b:
        a, b = b, a
    return a if b <= NEG else a + math.log1p(math.exp(b - a))


def beam(logits, tree, width=24, word_bonus=0.0):
    """CTC prefix beam search in which every word must come from the list.

    A prefix is (words, node in the tree, last symbol). Two scores as usual:
    ending in blank, ending in a symbol.
    """
    nodes, ends = tree
    x = np.asarray(logits, np.float64)
    lp = x - x.max(-1, keepdims=True)
    lp -= np.log(np.exp(lp).sum(-1, keepdims=True))
    bar = text.SYMBOL["|"]
    beams = {((), 0, bar): (0.0, NEG)}
    for f in lp:
        f = f.tolist()
        new = {}

        def put(k, b, s):
            o = new.get(k)
            new[k] = (b, s) if o is None else (_add(o[0], b), _add(o[1], s))

        for k, (b, s) in beams.items():
            words, n, last = k
            t = _add(b, s)
            put(k, t + f[0], s + f[last] if (words or n) else NEG)
            if not n:  # a second separator changes nothing, nor one before the first word
                put(k, NEG, (b if words else t) + f[bar])
            for c, m in nodes[n].items():
                if f[c] < FLOOR:
                    continue
                put((words, m, c), NEG, (b if c == last else t) + f[c])
            if n in ends:
                put((words + (ends[n],), 0, bar), NEG, t + f[bar] + word_bonus)
        beams = dict(sorted(new.items(), key=lambda kv: -_add(*kv[1]))[:width])
    best, out = NEG, " ".join(next(iter(beams))[0])
    for (words, n, _), (b, s) in beams.items():
        if n and n not in ends:
            continue
        v = _add(b, s) + (word_bonus if n else 0)
        if v > best:
            best, out = v, " ".join(words + ((ends[n],) if n else ()))
    return out
