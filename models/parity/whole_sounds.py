"""Twenty sounds made with whole numbers alone, so that any language makes the same."""

RATE = 16000


def clip(k):
    """Samples of 16 bits, half a second to 2.4 s: a sawtooth, noise, a square wave with noise, strokes; the last is silence."""
    state, saw, square, out = 12345 + 7919 * k, 0, 0, []
    for i in range(8000 + 1600 * k):
        state = (state * 1664525 + 1013904223) % 2 ** 32
        noise = (state >> 16) - 32768
        saw = (saw + 200 + 137 * k) % 65536
        square = (square + 900 + 611 * k) % 65536
        value = {
            0: saw - 32768,
            1: noise,
            2: (16000 if square < 32768 else -16000) + scaled(noise, 1, 8),
            3: scaled(saw - 32768, 4000 - i % 4000, 4000),
        }[k % 4]
        out.append(0 if k == 19 else scaled(value, 32767 >> (k % 5), 32768))
    return out


def scaled(value, by, of):
    """value * by / of, towards zero."""
    size = abs(value) * by // of
    return size if value >= 0 else -size
