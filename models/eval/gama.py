#!/usr/bin/env python3
"""How well an audio language model of a running server answers about sounds.

    python3 gama.py --generator FOLDER --server http://127.0.0.1:8080 [--clips 300] [--model NAME]

FOLDER has the generator of the sounds that the model was trained on, gen.py and
text.py. The clips come from its bank of events that training never saw, the
questions from the wordings that it never saw. Prints the share of right answers
by kind of question, and again with each question asked of another clip's sound:
what a model answers from the question alone. Needs numpy and torch. It is for
models whose generator is at hand in that form, as the first gama-tiny's was;
models/train/gama/evaluate.py measures those that were trained there.
"""

import argparse
import base64
import collections
import http.client
import io
import json
import sys
import types
import urllib.parse
import wave

import numpy as np

KINDS = ["describe", "first", "second", "count", "exist", "loud", "pitch", "dur", "off"]
COUNTS = {0: ("no ", "zero"), 1: ("one",), 2: ("two",)}
PITCHES = {"rising": "rising", "falling": "falling", "steady": "steady", "no": "no clear", "both": "up and down"}


def load(folder):
    """Imports the generator. It makes features with torchaudio, which are not used here."""
    try:
        import torchaudio  # noqa: F401
    except ImportError:
        sys.modules["torchaudio"] = types.ModuleType("torchaudio")
    sys.path.insert(0, folder)
    import gen
    import text
    return gen, text


def wav(samples):
    out = io.BytesIO()
    with wave.open(out, "wb") as w:
        w.setnchannels(1)
        w.setsampwidth(2)
        w.setframerate(16000)
        w.writeframes(np.round(samples * 32767).astype("<i2").tobytes())
    return out.getvalue()


class Server:
    """Asks questions over one connection."""

    def __init__(self, url, model):
        self.connection = http.client.HTTPConnection(urllib.parse.urlsplit(url).netloc, timeout=120)
        self.model = model

    def ask(self, sound, question):
        body = {"temperature": 0, "messages": [{"role": "user", "content": [
            {"type": "text", "text": question},
            {"type": "input_audio", "input_audio": {"data": base64.b64encode(sound).decode(), "format": "wav"}}]}]}
        if self.model:
            body["model"] = self.model
        self.connection.request("POST", "/v1/chat/completions", json.dumps(body), {"Content-Type": "application/json"})
        response = self.connection.getresponse()
        answer = json.loads(response.read())
        if response.status != 200:
            raise SystemExit(f"{response.status}: {answer}")
        return answer["choices"][0]["message"]["content"]


def key(text, name):
    """The word by which a family is known in an answer: its name without the article."""
    return text.DISP[name].split(" ", 1)[-1].lower()


def named(text, answer):
    said = " " + answer.lower()
    return {n for n in text.KNOWN if key(text, n) in said and (n != "sine" or "tone" in said)}


def right_names(text, kind, clip, low, answer, truth):
    """Answers that name sounds: all of them and no other, in order where there is one."""
    if clip["kind"] in ("unknown", "held"):
        return "cannot tell" in low
    if clip["kind"] == "silence":
        return "silence" in low
    if named(text, answer) != set(truth):
        return False
    if kind == "describe" and clip["kind"] == "seq":
        return "then" in low and low.find(key(text, truth[0])) < low.find(key(text, truth[1]))
    return kind != "describe" or clip["kind"] != "over" or "together" in low


def right(text, kind, clip, answer, truth):
    low = answer.lower()
    if kind in ("describe", "first", "second"):
        return right_names(text, kind, clip, low, answer, truth)
    if kind == "count":
        return any(word in low for word in COUNTS[truth])
    if kind == "exist":
        return low.startswith("yes" if truth else "no")
    if kind == "loud":
        return truth in low
    if kind == "pitch":
        return PITCHES[truth] in low
    if kind == "dur":
        return text.WORDS[truth] in low
    return answer == text.OFF


def questions(text, clips, seed=4):
    """(clip, kind, question, truth) with the wordings that training never saw."""
    r = np.random.default_rng(seed)
    out = []
    for i, clip in enumerate(clips):
        for kind in KINDS:
            if kind == "off" and i % 6:
                continue
            drawn = text.qa(r, clip, kind, 1)
            if drawn:
                out.append((i, kind, drawn[0], drawn[2]))
    return out


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--generator", required=True)
    ap.add_argument("--server", required=True)
    ap.add_argument("--clips", type=int, default=300)
    ap.add_argument("--model", default="")
    a = ap.parse_args()
    gen, text = load(a.generator)
    bank = gen.bank(77, 14, 32, held=14)
    r = np.random.default_rng(78)
    made = [gen.compose(r, bank) for _ in range(a.clips)]
    sounds, clips = [wav(x) for x, _ in made], [m for _, m in made]
    asked = questions(text, clips)
    server = Server(a.server, a.model)
    tables = []
    for shift in (0, len(clips) // 2 + 7):
        table = collections.defaultdict(list)
        for i, kind, question, truth in asked:
            answer = server.ask(sounds[(i + shift) % len(clips)], question)
            ok = right(text, kind, clips[i], answer, truth)
            table[kind].append(ok)
            if kind == "describe":
                table[kind + "/" + clips[i]["kind"]].append(ok)
        tables.append(table)
    print(f"{'question':20} {'asked':>6} {'right %':>8} {'other sound %':>14}")
    for name in sorted(tables[0]):
        n = len(tables[0][name])
        print(f"{name:20} {n:6} {100 * np.mean(tables[0][name]):8.1f} {100 * np.mean(tables[1][name]):14.1f}")


if __name__ == "__main__":
    main()
