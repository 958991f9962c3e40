#!/usr/bin/env python3
"""Measure exported model folders side by side, through onnxruntime or the server.

  evaluate.py --data DIR [--dev] [--server BINARY] [--json OUT] FOLDER [FOLDER ...]

Uses python's onnxruntime, else node with onnxruntime-node (npm install in this
folder, or NODE_PATH); with --server the texts are those that the server of the
binary answers, its beam search over the word list included. The test shards hold voices and, for flite, sentences
that no training shard has. --dev measures the development shards instead: use
that while choosing anything. The recordings of people (Debian's alsa-utils) are
printed, never trained or tuned on.
"""
import argparse
import glob
import io
import json
import os
import random
import subprocess
import tempfile

import numpy as np
from scipy.io import wavfile
from scipy.signal import chirp

import augment
import ctc
import shards
import text
from server import Server

HERE = os.path.dirname(os.path.abspath(__file__))
RATE = 16000


def run_onnx(folder, clips):
    """Logits [frames, 32] of each clip, each normalised and run on its own, as the server does."""
    xs = [augment.normalise(np.asarray(c, np.float32)) for c in clips]
    path = os.path.join(folder, "model.onnx")
    try:
        import onnxruntime
    except ImportError:
        with tempfile.TemporaryDirectory() as t:
            np.concatenate(xs).astype("<f4").tofile(t + "/x")
            with open(t + "/n", "w") as f:
                json.dump([len(x) for x in xs], f)
            o = subprocess.run(["node", HERE + "/ort_run.cjs", path, t + "/x", t + "/n", t + "/y"], check=True, capture_output=True, text=True)
            n = json.loads(o.stdout)
            y = np.fromfile(t + "/y", "<f4").reshape(-1, 32)
        return np.split(y, np.cumsum(n)[:-1])
    o = onnxruntime.SessionOptions()
    o.intra_op_num_threads = 1
    s = onnxruntime.InferenceSession(path, o, providers=["CPUExecutionProvider"])
    return [s.run(["logits"], {"input_values": x[None]})[0][0] for x in xs]


class Onnx:
    """Texts by onnxruntime, greedily and with the beam search of ctc.py over the word list."""

    def __init__(self, folder, bonus):
        self.folder, self.bonus, self.tree = folder, bonus, ctc.prefix_tree(text.WORDS)

    def texts(self, clips):
        return [(ctc.greedy(y), ctc.beam(y, self.tree, word_bonus=self.bonus)) for y in run_onnx(self.folder, clips)]


class HTTP:
    """Texts that the server answers, greedily and with its beam search over the folder's words.txt."""

    def __init__(self, server):
        self.server = server

    def ask(self, wav, decoding):
        parts = [b'Content-Disposition: form-data; name="%s"\r\n\r\n%s' % pair for pair in ((b"decoding", decoding), (b"response_format", b"json"))]
        parts.append(b'Content-Disposition: form-data; name="file"; filename="clip.wav"\r\n\r\n' + wav)
        body = b"".join(b"--clip-boundary\r\n" + p + b"\r\n" for p in parts) + b"--clip-boundary--\r\n"
        return json.loads(self.server.post("/v1/audio/transcriptions", body, "multipart/form-data; boundary=clip-boundary"))["text"]

    def texts(self, clips):
        out = []
        for x in clips:
            wav = io.BytesIO()  # the model does not hear the level, the server refuses what exceeds full scale
            wavfile.write(wav, RATE, np.asarray(x / max(1, np.abs(x).max()), np.float32))
            out.append((self.ask(wav.getvalue(), b"greedy"), self.ask(wav.getvalue(), b"beam")))
        return out


def pad(x, a=.2, b=.2):
    return np.concatenate([np.zeros(int(a * RATE), np.float32), x, np.zeros(int(b * RATE), np.float32)])


def joined(items, r, low=9.0, high=11.0):
    """Phrases with random gaps until about ten seconds are full."""
    out, cur, tx = [], [], []
    n = 0
    for x, t in items:
        gap = np.zeros(int(r.uniform(.2, .8) * RATE), np.float32)
        if n + len(gap) + len(x) > high * RATE:
            cur, tx, n = [], [], 0
        cur += [gap, x]
        tx.append(t)
        n += len(gap) + len(x)
        if n >= low * RATE:
            out.append((np.concatenate(cur + [np.zeros(int(.2 * RATE), np.float32)]), " ".join(tx)))
            cur, tx, n = [], [], 0
    return out


def negatives(count=200, seed=4):
    """Silence, noise, tones and music; made by other code than the training's."""
    R = np.random.RandomState(seed)
    out = []
    for k in range(count):
        n = int(R.uniform(.5, 8) * RATE)
        t = np.arange(n) / RATE
        kind = ["silence", "noise", "tone", "music"][k % 4]
        sub = k // 4 % 4
        if kind == "silence":
            x = [np.zeros(n), np.full(n, .01), R.randn(n) * 1e-4, np.round(R.randn(n) * .7) / 32768][sub]
        elif kind == "noise":
            w = R.randn(n)
            x = [w, np.cumsum(w) - np.linspace(0, np.cumsum(w)[-1], n), np.diff(w, prepend=0), np.convolve(w, np.hanning(40), "same") * (1 + np.sin(6 * t))][sub]
        elif kind == "tone":
            f = 2 ** R.uniform(6, 12)
            x = [np.sin(2 * np.pi * f * t), np.sign(np.sin(2 * np.pi * f / 4 * t)), (f / 8 * t) % 1 - .5, chirp(t, f / 4, t[-1], f, "logarithmic")][sub]
        else:
            x = np.zeros(n)
            step = R.uniform(.2, .7)
            for s in np.arange(0, n / RATE, step):
                a = int(s * RATE)
                u = t[:n - a]
                root = 110 * 2 ** (R.randint(0, 24) / 12)
                for m in ([0], [0, 4, 7], [0, 3, 7, 10], [0, 7, 12])[sub]:
                    f = root * 2 ** (m / 12)
                    x[a:] += sum(np.sin(2 * np.pi * f * h * u) / h ** 1.5 for h in (1, 2, 3, 4) if f * h < 7000) * np.exp(-u * (2 + sub)) * np.minimum(1, u / .01)
        out.append((x.astype(np.float32), kind))
    return out


def people():
    out = []
    for f in sorted(glob.glob("/usr/share/sounds/alsa/*.wav")):
        rate, x = wavfile.read(f)
        x = x.astype(np.float32) / 32768
        out.append((shards.resample(x if x.ndim == 1 else x.mean(1), rate), os.path.basename(f)[:-4].upper().replace("_", " ")))
    return out


def sets(data, dev):
    r, R = random.Random(5), np.random.RandomState(5)
    e = shards.Shard(f"{data}/espeak-{'dev' if dev else 'test'}")
    f = shards.Shard(f"{data}/flite-{'dev' if dev else 'test'}")
    ei = [(e.get(i)[0], e.texts[i]) for i in range(len(e))]
    fi = [(f.get(i)[0], f.texts[i]) for i in range(len(f))]
    order = ei + r.sample(ei, len(ei))

    def white(db):
        out = []
        for x, t in ei:
            x = pad(x)
            out.append((x + R.randn(len(x)).astype(np.float32) * x.std() * 10 ** (-db / 20), t))
        return out

    s = {
        "espeak": [(pad(x), t) for x, t in ei],
        "espeak, no silence around": ei,
        "ten seconds": joined(order, r),
        "white noise 20 dB": white(20), "white noise 10 dB": white(10), "white noise 5 dB": white(5),
        "flite": [(pad(x), t) for x, t in fi],
        "flite, ten seconds": joined(fi, r),
    }
    return s, {"espeak": e.voices, "flite": f.voices}


def measure(recogniser, data, dev):
    res = {}
    ss, voices = sets(data, dev)
    for name, clips in ss.items():
        heard = recogniser.texts([x for x, _ in clips])
        g = [(greedy, t) for (greedy, _), (_, t) in zip(heard, clips)]
        b = [(listed, t) for (_, listed), (_, t) in zip(heard, clips)]
        res[name] = dict(clips=len(clips), words=sum(len(t.split()) for _, t in clips), greedy=ctc.wer(g), list=ctc.wer(b),
                         exact=sum(h == t for h, t in g) / len(g))
        if name in voices:
            by = {}
            for v, p, q in zip(voices[name], g, b):
                o = by.setdefault(v, [[], []])
                o[0].append(p)
                o[1].append(q)
            res[name]["voices"] = {v: [round(ctc.wer(o[0]), 4), round(ctc.wer(o[1]), 4)] for v, o in sorted(by.items())}
        print(f"  {name}: {len(clips)} clips, greedy {100 * res[name]['greedy']:.1f} %, word list {100 * res[name]['list']:.1f} %",
              res[name].get("voices", ""), flush=True)
    ng = negatives(seed=3 if dev else 4)
    bad, worded = {}, 0
    for (greedy, listed), (_, k) in zip(recogniser.texts([x for x, _ in ng]), ng):
        worded += bool(listed)
        if greedy:
            bad[k] = bad.get(k, 0) + 1
    res["not speech"] = dict(clips=len(ng), not_empty=sum(bad.values()), not_empty_with_list=worded, kinds=bad)
    print("  not speech:", len(ng), "clips, not empty", bad or 0, "with the word list", worded, flush=True)
    if not dev:
        ps = people()
        res["people"] = [(t, *heard) for heard, (_, t) in zip(recogniser.texts([x for x, _ in ps]), ps)] if ps else []
        for row in res["people"]:
            print("  recording", row, flush=True)
    return res


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--data", required=True)
    ap.add_argument("--dev", action="store_true")
    ap.add_argument("--bonus", type=float, default=0, help="added to the score for each word of the list")
    ap.add_argument("--server", help="bin/grym-synth")
    ap.add_argument("--json")
    ap.add_argument("folders", nargs="+")
    a = ap.parse_args()
    res = {}
    for f in a.folders:
        print(f, flush=True)
        if a.server:
            with Server(a.server, f, "wav2vec2-tiny") as server:
                res[f] = measure(HTTP(server), a.data, a.dev)
        else:
            res[f] = measure(Onnx(f, a.bonus), a.data, a.dev)
    if a.json:
        with open(a.json, "w") as o:
            json.dump(res, o, indent=1)


if __name__ == "__main__":
    main()
