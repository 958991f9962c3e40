#!/usr/bin/env python3
"""Calibrate the confidence of wav2vec2-tiny, and measure it over HTTP.

  confidence.py calibrate DIR            writes ../../wav2vec2-tiny/confidence.json
  confidence.py measure DIR SERVER [SET] SERVER: bin/grym-synth

DIR is a folder of make_confidence.py. Calibration is a logistic regression of whether a
word is right on the features that the server computes, over the clips of the set
"calibration" only: as the search in the list finds the words, as it replaces them, and as
greedy decoding spells them. A word is right if the alignment of least edits has the same
word in the text that was spoken. Measured are the clips of the set "measured", of other
phrases and voices, or those of another set, and Debian's announcements (alsa-utils) where they are installed.
"""
import collections
import json
import os
import subprocess
import sys

import numpy as np

HERE = os.path.dirname(os.path.abspath(__file__))
FOLDER = os.path.join(HERE, "..", "..", "wav2vec2-tiny")
FILE = os.path.join(FOLDER, "confidence.json")
REPLACED = .1


def align(said, got):
    """Which words of got are right, and the edit distance in words."""
    n, m = len(said), len(got)
    d = np.zeros((n + 1, m + 1), int)
    d[:, 0], d[0] = range(n + 1), range(m + 1)
    for i in range(n):
        for j in range(m):
            d[i + 1, j + 1] = min(d[i, j] + (said[i] != got[j]), d[i, j + 1] + 1, d[i + 1, j] + 1)
    right, i, j = [False] * m, n, m
    while i and j:
        if said[i - 1] == got[j - 1] and d[i, j] == d[i - 1, j - 1]:
            right[j - 1] = True
        if d[i, j] == d[i - 1, j - 1] + (said[i - 1] != got[j - 1]):
            i, j = i - 1, j - 1
        elif d[i, j] == d[i - 1, j] + 1:
            i -= 1
        else:
            j -= 1
    return right, d[n, m]


def area(scores, right):
    """Area under the curve of right against wrong words, and how many there are of each."""
    s, y = np.array(scores), np.array(right, bool)
    a, b = s[y][:, None], s[~y][None]
    return ((a > b).mean() + .5 * (a == b).mean() if a.size and b.size else float("nan")), int(y.sum()), int((~y).sum())


def logistic(x, y, ridge=1.0):
    """Bias and weights by Newton's method, of features scaled to unit variance."""
    middle, spread = x.mean(0), x.std(0) + 1e-9
    a, b = np.c_[np.ones(len(x)), (x - middle) / spread], np.zeros(x.shape[1] + 1)
    for _ in range(50):
        p = 1 / (1 + np.exp(-a @ b))
        slope = a.T @ (p - y) + ridge * np.r_[0, b[1:]]
        b -= np.linalg.solve((a * (p * (1 - p))[:, None]).T @ a + ridge * np.eye(len(b)), slope)
    w = b[1:] / spread
    return b[0] - (w * middle).sum(), w


def evidence(folder, decoding=""):
    """The words that the server's code finds in each clip, with their features."""
    subprocess.run(["go", "test", "-count=1", "-run", "TestEvidenceOfClips", "./services/wav2vec2"], check=True, cwd=os.path.join(HERE, "..", "..", ".."),
                   env={**os.environ, "CONFIDENCE_CLIPS": os.path.abspath(folder), "CONFIDENCE_DECODING": decoding}, stdout=subprocess.DEVNULL)
    with open(os.path.join(folder, "evidence%s.json" % decoding), encoding="utf8") as f:
        return json.load(f)


def doubted(found, clips, bias, weights):
    """The confidence of a recording at which it is as often mostly wrong as not, by a logistic regression on its logarithm of odds."""
    x, y = [], []
    for c in clips:
        words = found["clips"][c["file"]]
        if c["set"] == "calibration" and words:
            p = 1 / (1 + np.exp(-(bias + np.array([w["features"] for w in words]) @ weights)))
            p = np.average(p, weights=[len(w["text"]) for w in words])
            x.append([np.log(p / (1 - p))])
            y.append(align(c["text"].split(), [w["text"] for w in words])[1] <= .5 * len(c["text"].split()))
    b, w = logistic(np.array(x), np.array(y), .01)
    return round(float(1 / (1 + np.exp(b / w[0]))), 2)


def write(bias, names, weights, replaced, doubt=.5):
    with open(FILE, "w", encoding="utf8") as f:
        json.dump({"bias": round(float(bias), 4), "weights": {n: round(float(w), 4) for n, w in zip(names, weights)}, "replaced": replaced,
                   "doubted": doubt}, f, indent=2)
        f.write("\n")


def calibrate(folder, clips):
    x, y = [], []

    def add(found):
        for c in clips:
            if c["set"] == "calibration":
                words = found["clips"][c["file"]]
                x.extend(w["features"] for w in words)
                y.extend(align(c["text"].split(), [w["text"] for w in words])[0])
        return found["names"]
    write(0, ["lead"], [0], 0)  # nothing is replaced, and leads are computed
    add(evidence(folder))
    names = add(evidence(folder, "greedy"))
    bias, weights = logistic(np.array(x), np.array(y))
    write(bias, names, weights, REPLACED)
    add(evidence(folder))  # with what is replaced
    bias, weights = logistic(np.array(x), np.array(y))
    write(bias, names, weights, REPLACED)
    write(bias, names, weights, REPLACED, doubted(evidence(folder), clips, bias, weights))


def ask(server, path, decoding):
    with open(path, "rb") as f:
        wav = f.read()
    fields = {"response_format": "verbose_json", **({"decoding": decoding} if decoding else {})}
    parts = [b'Content-Disposition: form-data; name="%s"\r\n\r\n%s' % (k.encode(), v.encode()) for k, v in fields.items()]
    parts.append(b'Content-Disposition: form-data; name="file"; filename="clip.wav"\r\n\r\n' + wav)
    body = b"".join(b"--clip-boundary\r\n" + p + b"\r\n" for p in parts) + b"--clip-boundary--\r\n"
    answer, headers = server.post_for(path="/v1/audio/transcriptions", body=body, kind="multipart/form-data; boundary=clip-boundary")
    return json.loads(answer), "low_confidence" in (headers.get("Grym-Warning") or "")


def measure(folder, clips, binary, which="measured"):
    from server import Server
    import glob
    clips = [c for c in clips if c["set"] == which]
    for f in sorted(glob.glob("/usr/share/sounds/alsa/*_*.wav")):
        clips.append({"file": f, "kind": "announcements", "text": os.path.basename(f)[:-4].lower().replace("_", " "), "voice": "people"})
    with Server(binary, FOLDER, "wav2vec2-tiny") as server:
        for decoding in ("", "greedy"):
            groups, bins = collections.defaultdict(lambda: [[], [], 0, 0]), collections.defaultdict(lambda: [0, 0, 0.0])
            wrong, right = [], []
            for c in clips:
                answer, warned = ask(server, os.path.join(folder, c["file"]), decoding)
                said, got = c["text"].split(), [w["word"].lower() for w in answer["words"]]
                ok, edits = align(said, got)
                g, conf = groups[c["kind"]], [w["confidence"] for w in answer["words"]]
                g[0].extend(conf), g[1].extend(ok)
                g[2] += edits
                g[3] += len(said)
                for p, o in zip(conf, ok):
                    b = bins[int(min(p, .999) * 5)]
                    b[0] += 1
                    b[1] += o
                    b[2] += p
                if c["kind"] == "unlisted" and edits > .5 * len(said):
                    wrong.append(warned)
                if c["kind"] == "listed" and edits == 0:
                    right.append(warned)
                if c["kind"] == "people":
                    print("  %s %s: %s" % (c["file"], "warned" if warned else "NO WARNING", answer["text"].lower()))
            print(decoding or "default")
            for kind, (conf, ok, edits, words) in groups.items():
                print("  %-14s %5d words said, error rate %.3f, area %.3f of %d right and %d wrong" % ((kind, words, edits / words) + area(conf, ok)))
            g = [groups["people"][k] + groups["announcements"][k] for k in (0, 1)]
            print("  people and announcements: area %.3f of %d right and %d wrong" % area(*g))
            print("  mostly wrong without the warning: %d of %d; right with it: %d of %d" % (wrong.count(False), len(wrong), right.count(True), len(right)))
            for b in sorted(bins):
                n, o, p = bins[b]
                print("  confidence %.1f to %.1f: %4d words, mean %.2f, right %.2f" % (b / 5, b / 5 + .2, n, p / n, o / n))


def main():
    step, folder = sys.argv[1], sys.argv[2]
    with open(os.path.join(folder, "clips.json"), encoding="utf8") as f:
        clips = json.load(f)
    if step == "calibrate":
        calibrate(folder, clips)
    else:
        sys.path.insert(0, os.path.join(HERE, ".."))
        measure(folder, clips, *sys.argv[3:])


main()
