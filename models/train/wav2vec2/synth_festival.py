#!/usr/bin/env python3
"""Make a shard with festival's diphone voices, English and foreign.

  synth_festival.py OUT COUNT SEED

There are few free English voices made from human speech, and two of those are
held out. So Czech, Italian and Finnish diphone voices read English too: flite
gives phones and durations, a table gives the nearest sounds of the language,
the pitch is drawn here. The accent is heavy, but the voices are human.
Voices that are not installed are left out.
"""
import glob
import os
import random
import re
import subprocess
import sys
import tempfile

from scipy.io import wavfile

import flite
import shards
import text

# English phone -> sounds of the language, best first, a blank between two of them.
CZECH = {
    "aa": ["a:", "a"], "ae": ["e", "a"], "ah": ["a"], "ao": ["o:", "o"], "aw": ["a u"], "ax": ["e", "a"], "axr": ["e r"], "ay": ["a j"],
    "b": ["b"], "ch": ["c~"], "d": ["d"], "dh": ["d", "z"], "eh": ["e"], "er": ["e r", "e: r"], "ey": ["e j", "e:"], "f": ["f"], "g": ["g"],
    "hh": ["h", "ch"], "ih": ["i"], "iy": ["i:"], "jh": ["dz~"], "k": ["k"], "l": ["l"], "m": ["m"], "n": ["n"], "ng": ["n g", "n"],
    "ow": ["o u", "o:"], "oy": ["o j"], "p": ["p"], "r": ["r"], "s": ["s"], "sh": ["s~"], "t": ["t"], "th": ["t", "s", "f"], "uh": ["u"],
    "uw": ["u:", "u"], "v": ["v"], "w": ["v", "u"], "y": ["j"], "z": ["z", "s"], "zh": ["z~"], "dx": ["t"],
}
FINNISH = dict(CZECH, **{
    "ae": ["@", "a"], "ax": ["7", "e", "a"], "axr": ["7 r", "e r"], "ch": ["t s"], "dh": ["d"], "er": ["7: r", "7 r"], "hh": ["h"], "jh": ["d s", "t s"],
    "sh": ["s"], "z": ["s"], "zh": ["s"], "ng": ["N", "N:"], "th": ["t", "f"], "aw": ["a u"], "ay": ["a i"], "ey": ["e i"], "oy": ["o i"]})
ITALIAN = dict(CZECH, **{
    "aa": ["a1", "a"], "ae": ["E1", "a1", "e"], "ah": ["a1", "a"], "ao": ["O1", "o"], "aw": ["a1 u"], "ax": ["e", "a"], "axr": ["e r"],
    "ay": ["a1 i"], "ch": ["tS"], "dh": ["d"], "eh": ["E1", "e"], "er": ["E1 r", "e r"], "ey": ["e1 i", "e1"], "hh": [""], "ih": ["i", "i1"],
    "iy": ["i1", "i"], "jh": ["dZ"], "ng": ["n g", "n"], "ow": ["o1 u", "o1"], "oy": ["O1 i"], "sh": ["S"], "th": ["t", "f"], "uh": ["u", "u1"],
    "uw": ["u1", "u"], "w": ["w", "u", "v"], "y": ["j", "i"], "zh": ["dZ"]})
VOICES = {"ked_diphone": (None, "pau", 9), "czech_dita": (CZECH, "#", 3), "czech_krb": (CZECH, "#", 2), "czech_machac": (CZECH, "#", 3),
          "czech_ph": (CZECH, "#", 3), "lp_diphone": (ITALIAN, "#", 3), "pc_diphone": (ITALIAN, "#", 3),
          "suo_fi_lj_diphone": (FINNISH, "#", 3), "hy_fi_mv_diphone": (FINNISH, "#", 3)}
ROOT = "/usr/share/festival/voices"


def diphones(voice):
    out = set()
    for f in glob.glob(f"{ROOT}/*/{voice}/group/*.group"):
        with open(f, "rb") as h:
            for line in h.read(200000).split(b"\n"):
                m = re.match(rb"([^ ]+-[^ ]+) \d+ \d+ \d+\s*$", line)
                if m:
                    out.add(m.group(1).decode("latin1"))
    return out


def foreign(phones, table, silence, have, r):
    """[(phone, duration)] in the voice's own phones, or None when a joint is missing from it."""
    out, last = [(silence, .12, "")], silence
    for p, d in phones:
        if p == "pau":
            cand = [silence]
        elif table is None:
            cand = [p]
        elif p in table:
            cand = table[p]
            if len(cand) > 1 and r.random() < .25:
                cand = cand[1:] + cand[:1]
        else:
            return None
        for c in cand:
            seq = c.split()
            if all(not have or f"{a}-{b}" in have for a, b in zip([last] + seq, seq)):
                break
        else:
            return None
        out += [(s, d / len(seq), p) for s in seq]
        last = seq[-1] if seq else last
    if have and f"{last}-{silence}" not in have:
        return None
    return out + [(silence, .12, "")]


def main():
    path, count, seed = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    r = random.Random(seed)
    w = shards.Writer(path)
    voices = [v for v in VOICES if glob.glob(f"{ROOT}/*/{v}")]
    have = {v: diphones(v) for v in voices}
    print({v: len(h) for v, h in have.items()}, flush=True)
    lost = dict.fromkeys(voices, 0)
    with tempfile.TemporaryDirectory() as tmp:
        while len(w.texts) < count:
            v = r.choices(voices, [VOICES[q][2] for q in voices])[0]
            table, silence, _ = VOICES[v]
            jobs, scm = [], [f"(voice_{v})"]
            while len(jobs) < 60:   # one festival process for sixty phrases
                t = text.train_sentence(r)
                shift, stretch = r.uniform(.86, 1.22), r.uniform(.75, 1.5)
                ph = [(p, (e - s) * stretch * shift) for s, e, p in flite.synth(t, "kal16")[2]][1:-1]
                seg = foreign(ph, table, silence, have[v], r)
                if seg is None:
                    lost[v] += 1
                    if lost[v] > 3000:
                        break
                    continue
                f0 = r.uniform(80, 250) / shift
                drop, wave = r.uniform(.02, .25), r.uniform(.02, .15)
                o = []
                for k, (p, d, _) in enumerate(seg):
                    f = f0 * (1 + drop * (.5 - k / len(seg)) + r.gauss(0, wave) * .6)
                    o.append(f"({p} {d:.4f} ({d / 2:.4f} {max(50, f):.0f}))")
                out = f"{tmp}/{len(jobs)}.wav"
                scm.append(f"(set! u (Utterance Segments ({' '.join(o)})))(utt.synth u)(utt.save.wave u \"{out}\")")
                jobs.append((out, t, shift, seg))
            with open(tmp + "/x.scm", "w") as f:
                f.write("\n".join(scm))
            subprocess.run(["festival", "-b", tmp + "/x.scm"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            for out, t, shift, seg in jobs:
                if not os.path.exists(out):
                    continue
                rate, x = wavfile.read(out)
                os.remove(out)
                y, cut = shards.trim(shards.resample(x, round(rate * shift / 100) * 100))
                if y is None or len(y) > 8 * shards.RATE:
                    continue
                s, lab = 0.0, []
                for _, d, p in seg:  # the labels stay the English phones
                    lab.append((s / shift, w.label("f_" + p) if p else 0))
                    s += d
                w.add(y, shards.frame_labels(lab, len(y), cut), t, v)
            print(v, len(w.texts), "%.2f h" % w.hours(), flush=True)
    w.save()
    c = {v: w.voices.count(v) for v in voices}
    print(path, len(w.texts), "utterances", "%.2f h" % w.hours(), c, "left out", lost)


if __name__ == "__main__":
    main()
