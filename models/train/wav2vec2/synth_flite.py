#!/usr/bin/env python3
"""Make a shard with flite.

  synth_flite.py OUT COUNT SEED train|dev|test

Training voices: kal, kal16, awb, made to sound like more people by reading the
samples at a false rate (shifts the formants) with the pitch set on its own.
test: the voices rms and slt read the sentences that no training shard holds.
"""
import random
import sys
import time

import flite
import shards
import text


def main():
    path, count, seed, kind = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
    r = random.Random(seed)
    w = shards.Writer(path)
    tests = text.flite_test_texts() if kind == "test" else []
    t0 = time.time()
    while len(w.texts) < count:
        shift = 1.0
        if kind == "test":
            v = text.FLITE_TEST[len(w.texts) % 2]
            txt = tests[len(w.texts)]
            stretch, f0 = r.uniform(.85, 1.25), flite.F0[v] * r.uniform(.9, 1.1)
        else:
            v = r.choices(text.FLITE_TRAIN, [.2, .35, .45])[0]
            txt = text.train_sentence(r)
            stretch = r.uniform(.75, 1.45)
            if kind == "train":
                shift = r.uniform(.84, 1.28)
            # the voice's own pitch at half of the time, else anywhere a human voice may be
            f0 = (flite.F0[v] * r.uniform(.8, 1.3)) if r.random() < .5 else r.uniform(75, 230) / shift
        x, rate, ph = flite.synth(txt, v, stretch * shift, f0)
        y, cut = shards.trim(shards.resample(x, round(rate * shift / 100) * 100))
        if y is None or len(y) > 8 * shards.RATE:
            continue
        lab = [(s / shift, 0 if p == "pau" else w.label("f_" + p)) for s, _, p in ph]
        w.add(y, shards.frame_labels(lab, len(y), cut), txt, v)
        if len(w.texts) % 1000 == 0:
            print(len(w.texts), "%.2f h" % w.hours(), "%.0f s" % (time.time() - t0), flush=True)
    w.save()
    print(path, len(w.texts), "utterances", "%.2f h" % w.hours(), len(w.names), "labels")


if __name__ == "__main__":
    main()
