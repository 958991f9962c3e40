#!/usr/bin/env python3
"""Figures over HTTP: served.py detect|few|second|named URL SETS. SETS is a folder of sets.py.

detect: events in recordings, with thresholds that the server finds from five examples, and after up to twenty corrections on another recording: of the likeliest
windows, and of events that are not among these. few: 20-way
recognition by vectors of the space of sounds. second: the same with words by voices of a synthesiser that training does not have. named: families by labels.
The server needs limits of requests that let one client send many.
"""
import collections
import io
import json
import os
import pickle
import sys
import urllib.error
import urllib.request
import uuid
import wave

import numpy as np

RATE = 16000


def wav(x):
    out = io.BytesIO()
    with wave.open(out, "wb") as w:
        w.setnchannels(1)
        w.setsampwidth(2)
        w.setframerate(RATE)
        w.writeframes(np.asarray(x, "<i2").tobytes())
    return out.getvalue()


class Server:
    def __init__(self, url):
        self.url = url.rstrip("/")

    def call(self, method, path, body=None, kind=None):
        request = urllib.request.Request(self.url + path, body, {"Content-Type": kind} if kind else {}, method=method)
        try:
            with urllib.request.urlopen(request, timeout=600) as answer:
                text = answer.read()
        except urllib.error.HTTPError as fault:
            raise RuntimeError(f"{method} {path}: {fault.code} {fault.read().decode()[:600]}") from fault
        return json.loads(text) if text else None

    def json(self, path, value):
        return self.call("POST", path, json.dumps(value).encode(), "application/json")

    def form(self, path, fields):
        """fields are pairs of names and texts, or samples, which are sent as files."""
        mark, parts = uuid.uuid4().hex, []
        for name, value in fields:
            if isinstance(value, str):
                parts += [f'--{mark}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()]
            else:
                head = f'--{mark}\r\nContent-Disposition: form-data; name="{name}"; filename="clip.wav"\r\nContent-Type: audio/wav\r\n\r\n'
                parts += [head.encode(), wav(value), b"\r\n"]
        return self.call("POST", path, b"".join(parts) + f"--{mark}--\r\n".encode(), "multipart/form-data; boundary=" + mark)

    def teach(self, name, shots):
        return self.form("/v1/patterns", [("name", name), *(("examples", x) for x in shots)])

    def vectors(self, clips):
        return np.array([self.form("/v1/audio/embeddings", [("space", "sound"), ("file", x)])["embedding"] for x in clips], np.float32)


def unit(x):
    return x / (np.linalg.norm(x, axis=-1, keepdims=True) + 1e-9)


# ---------------------------------------------------------------- detection

def iou(a, b):
    inter = min(a[1], b[1]) - max(a[0], b[0])
    return max(0, inter) / (max(a[1], b[1]) - min(a[0], b[0]))


def counted(found, truth, least=.3):
    """Right, wrong and missed ones, and whether each is right; each of the truth counts once, the best detection first."""
    free, right = list(truth), []
    for d in found:
        hit = next((t for t in free if iou((d["start"], d["end"]), t) >= least), None)
        if hit:
            free.remove(hit)
        right.append(hit is not None)
    return np.array([sum(right), len(right) - sum(right), len(free)]), right


def ranked(answer):
    return sorted(answer["detections"], key=lambda d: -d["confidence"])


def detect(server, folder):
    rows, absent = collections.defaultdict(lambda: np.zeros(3)), collections.defaultdict(list)
    with open(os.path.join(folder, "detect.pkl"), "rb") as f:
        sets = pickle.load(f)
    for k, (name, is_word, shots, recordings) in enumerate(sets):
        line = []
        for kind, (first, second) in recordings.items():
            p = server.teach(f"{name} {kind} {uuid.uuid4().hex[:8]}", shots)["id"]
            find = lambda x: server.form("/v1/patterns/detect", [("patterns", p), ("file", x)])
            before, _ = counted(ranked(find(second[0])), second[1])
            other = sets[(k + 7) % len(sets)]
            absent[kind, "before"].append(len(find(other[3][kind][1][0])["detections"]) / (len(other[3][kind][1][0]) / RATE / 60))
            stored = server.form("/v1/audio", [("file", first[0])])["id"]
            likely = ranked(server.json("/v1/patterns/detect", {"patterns": [p], "recordings": [stored], "min_confidence": .01}))[:20]
            _, right = counted(likely, first[1])
            judged = [(d["start"], d["end"], "right" if ok else "wrong") for d, ok in zip(likely, right)]
            judged += [(*span, "right") for span in first[1] if all(iou((d["start"], d["end"]), span) < .3 for d in likely)][:20 - len(judged)]
            server.json(f"/v1/patterns/{p}/feedback", {"feedback": [
                {"audio_id": stored, "start": round(a, 3), "end": round(b, 3), "verdict": verdict} for a, b, verdict in judged]})
            after, _ = counted(ranked(find(second[0])), second[1])
            absent[kind, "after"].append(len(find(other[3][kind][1][0])["detections"]) / (len(other[3][kind][1][0]) / RATE / 60))
            server.call("DELETE", "/v1/patterns/" + p)
            rows[kind, is_word, "before"] += before
            rows[kind, is_word, "after"] += after
            f1 = lambda c: 2 * c[0] / max(1, 2 * c[0] + c[1] + c[2])
            line.append(f"{kind} {f1(before):.2f} {f1(after):.2f} of {len(judged)}")
        print(name, *line, flush=True)
    for when in ("before", "after"):
        print(f"F1, {'threshold from the examples' if when == 'before' else 'after 20 corrections'}, sounds / words:", "; ".join(
            f"{kind} " + " / ".join(f"{2 * c[0] / (2 * c[0] + c[1] + c[2]):.3f}" for c in (rows[kind, w, when] for w in (False, True))) for kind in ("easy", "hard", "babble")))
        print("detections a minute in recordings without the pattern:", "; ".join(f"{kind} {np.mean(absent[kind, when]):.2f}" for kind in ("easy", "hard", "babble")))


# ---------------------------------------------------------------- vectors

def few(server, folder):
    got = collections.defaultdict(list)
    with open(os.path.join(folder, "few.pkl"), "rb") as f:
        for task, classes in pickle.load(f):
            p = unit(np.stack([server.vectors(shots).mean(0) for _, shots, *_ in classes]))
            for k, (_, _, clean, hard) in enumerate(classes):
                got[task, "clean"] += list((server.vectors(clean) @ p.T).argmax(1) == k)
                got[task, "hard"] += list((server.vectors(hard) @ p.T).argmax(1) == k)
    for (task, kind), right in got.items():
        print(f"{task:17s} {kind:6s} 20-way {np.mean(right):.3f} of {len(right)}")


def second(server, _):
    import sets
    import speech
    r, got = np.random.default_rng(int(os.environ.get("SEED", "11"))), collections.defaultdict(list)
    for _ in range(4):
        words = r.choice(speech.HELD_WORDS, 20, replace=False)
        p = unit(server.vectors([sets.degrade(r, speech.say_held(r, w), 0) for w in words for _ in range(5)]).reshape(20, 5, -1).mean(1))
        for kind in ("clean", "hard"):
            v = server.vectors([sets.degrade(r, speech.say_held(r, w), kind == "hard") for w in words for _ in range(4)])
            got[kind] += list((v @ p.T).argmax(1) == np.repeat(np.arange(20), 4))
    for kind, right in got.items():
        print(f"words by voices of another synthesiser, {kind}: 20-way {np.mean(right):.3f} of {len(right)}")


def named(server, folder):
    import captions
    import sounds
    r, got = np.random.default_rng(7), collections.defaultdict(list)
    with open(os.path.join(folder, "named.pkl"), "rb") as f:
        sets = pickle.load(f)
    labels = [sounds.NAMES[name][0] for name, *_ in sets]
    for k, (_, clean, hard) in enumerate(sets):
        for kind, clips in (("clean", clean), ("hard", hard)):
            for x in clips:
                scores = 0
                for template in captions.TEMPLATES[1]:
                    answer = server.form("/v1/audio/classifications", [("labels", json.dumps(labels)), ("template", template), ("file", x)])
                    s = {one["label"]: one["score"] for one in answer["labels"]}
                    scores = scores + np.log(np.array([s.get(name, 0) for name in labels]) + 1e-12)
                got[kind, "87-way"].append(scores.argmax() == k)
                among = np.r_[k, r.choice(np.delete(np.arange(len(labels)), k), 19, replace=False)]
                got[kind, "20-way"].append(scores[among].argmax() == 0)
    for key, right in got.items():
        print(*key, f"{np.mean(right):.3f} of {len(right)}")


if __name__ == "__main__":
    {"detect": detect, "few": few, "second": second, "named": named}[sys.argv[1]](Server(sys.argv[2]), sys.argv[3])
