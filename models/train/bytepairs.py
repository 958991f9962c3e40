"""Byte-level byte-pair encoding, as of GPT-2: training, and encoding as the server does it."""
import collections
import re

_SPLIT = re.compile(r"'s|'t|'re|'ve|'m|'ll|'d| ?[A-Za-z]+| ?[0-9]+| ?[^\sA-Za-z0-9]+|\s+(?!\S)|\s+")


def byte_letters():
    """A printable character for each byte."""
    plain = list(range(33, 127)) + list(range(161, 173)) + list(range(174, 256))
    letters, extra = {b: chr(b) for b in plain}, 256
    for b in range(256):
        if b not in letters:
            letters[b] = chr(extra)
            extra += 1
    return [letters[b] for b in range(256)]


LETTERS = byte_letters()
_BYTES = {c: b for b, c in enumerate(LETTERS)}


def words(text):
    return ["".join(LETTERS[b] for b in w.encode()) for w in _SPLIT.findall(text)]


def join(pieces, pair):
    out, i = [], 0
    while i < len(pieces):
        if tuple(pieces[i:i + 2]) == pair:
            out.append(pieces[i] + pieces[i + 1])
            i += 2
        else:
            out.append(pieces[i])
            i += 1
    return out


def learn(counts, merges, size):
    """Add merges to a list of them until it has so many. counts: {word: weight}."""
    merges = [tuple(m) for m in merges]
    tokens = {a + b for a, b in merges}
    split = {w: list(w) for w in counts}
    for pair in merges:
        for w, pieces in split.items():
            if pair[0] in pieces:
                split[w] = join(pieces, pair)
    while len(merges) < size:
        pairs = collections.Counter()
        for w, pieces in split.items():
            for pair in zip(pieces, pieces[1:]):
                pairs[pair] += counts[w]
        pairs = {p: c for p, c in pairs.items() if p[0] + p[1] not in tokens}
        if not pairs:
            break
        best = max(pairs, key=lambda p: (pairs[p], p))
        merges.append(best)
        tokens.add(best[0] + best[1])
        for w, pieces in split.items():
            if best[0] in pieces:
                split[w] = join(pieces, best)
    return merges


class Tokenizer:
    """specials get the first ids, then come the bytes in the order given, then the merges."""

    def __init__(self, merges, specials, letters=LETTERS):
        self.merges = [tuple(m) for m in merges]
        self.rank = {m: i for i, m in enumerate(self.merges)}
        self.specials = specials
        self.tokens = list(dict.fromkeys([*specials, *letters, *(a + b for a, b in self.merges)]))
        self.id = {t: i for i, t in enumerate(self.tokens)}
        self._cache = {}

    def word(self, w):
        if w not in self._cache:
            pieces = list(w)
            while len(pieces) > 1:
                best = min(zip(pieces, pieces[1:]), key=lambda p: self.rank.get(p, 1 << 30))
                if best not in self.rank:
                    break
                pieces = join(pieces, best)
            self._cache[w] = [self.id[p] for p in pieces]
        return self._cache[w]

    def encode(self, text):
        return [i for w in words(text) for i in self.word(w)]

    def decode(self, ids):
        text = "".join(self.tokens[i] for i in ids if self.tokens[i] not in self.specials)
        return bytes(_BYTES[c] for c in text).decode("utf8", "replace")
