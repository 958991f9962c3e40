#!/usr/bin/env python3
"""Folders by transformers' save_pretrained and torch.onnx, served unchanged, against what transformers computed: folders.py BINARY DIR...

Each DIR has folders with golden.json, as ../export/kin_random.py and ../export/listener_random.py write them. Over HTTP: hidden states and
x-vectors to 1e-3, probabilities of labels to 1e-4, texts equal. Standard library only.
"""
import base64
import json
import math
import os
import sys
import uuid

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.append(os.path.join(HERE, "..", "eval"))
import eightbit  # noqa: E402

from urllib.request import Request, urlopen  # noqa: E402


def post(url, route, fields, sound):
    edge = uuid.uuid4().hex.encode()
    body = b"".join(b'--%s\r\nContent-Disposition: form-data; name="%s"\r\n\r\n%s\r\n' % (edge, k.encode(), str(v).encode()) for k, v in fields.items())
    body += b'--%s\r\nContent-Disposition: form-data; name="file"; filename="a.wav"\r\nContent-Type: audio/wav\r\n\r\n%s\r\n--%s--\r\n' % (edge, sound, edge)
    return json.load(urlopen(Request(url + route, body, {"Content-Type": "multipart/form-data; boundary=" + edge.decode()})))


def vectors(url, name, golden, sound, frames):
    answer = post(url, "/v1/audio/embeddings", {"model": name, "pooling": "none" if frames else "mean"}, sound)
    got = [v for row in (answer["frames"] if frames else [answer["embedding"]]) for v in row]
    assert len(got) == len(golden["values"]), (name, len(got))
    return max(abs(a - b) for a, b in zip(got, golden["values"])), 1e-3


def labels(url, name, golden, sound):
    got = {x["label"]: x["score"] for x in post(url, "/v1/audio/classifications", {"model": name}, sound)["labels"]}
    total = sum(map(math.exp, golden["values"]))
    return max(abs(got["label_%d" % i] - math.exp(v) / total) for i, v in enumerate(golden["values"])), 1e-4


def text(url, name, golden, sound):
    got = post(url, "/v1/audio/transcriptions", {"model": name}, sound)["text"]
    return (0 if got == golden["text"] else 1), 0.5


def question(url, name, golden, sound):
    content = [{"type": "text", "text": golden["question"]}, {"type": "input_audio", "input_audio": {"data": base64.b64encode(sound).decode(), "format": "wav"}}]
    body = {"model": name, "messages": [{"role": "user", "content": content}], "max_tokens": len(golden["ids"]), "temperature": 0}
    got = json.load(urlopen(Request(url + "/v1/chat/completions", json.dumps(body).encode(), {"Content-Type": "application/json"})))
    # Random weights write broken characters, which are replaced by one sign or by several.
    same = got["choices"][0]["message"]["content"].replace("\ufffd", "") == golden["text"].replace("\ufffd", "")
    return (0 if same and got["usage"]["prompt_tokens"] == golden["prompt_tokens"] else 1), 0.5


def compare(url, name, golden, sound):
    if "question" in golden:
        return question(url, name, golden, sound)
    head = name.split("-")[-1]
    if head == "ctc":
        return text(url, name, golden, sound)
    if head == "labels":
        return labels(url, name, golden, sound)
    return vectors(url, name, golden, sound, head == "features")


def main():
    folders = {name: os.path.join(d, name) for d in sys.argv[2:] for name in sorted(os.listdir(d))}
    process, url, _ = eightbit.server(sys.argv[1], folders)
    failed = 0
    try:
        for name, folder in folders.items():
            with open(os.path.join(folder, "golden.json")) as f:
                golden = json.load(f)
            with open(os.path.join(HERE, "../wav2vec2-tiny/clips", golden["clip"]), "rb") as f:
                worst, most = compare(url, name, golden, f.read())
            with open(os.path.join(folder, "config.json")) as f:
                architecture = json.load(f)["architectures"][0]
            failed += worst > most
            print("%-36s %-24s %s" % (architecture, name, "FAILED: %g" % worst if worst > most else "equal" if most == .5 else "largest difference %.1e" % worst))
    finally:
        process.terminate()
        process.wait()
    print("%d folders, %d failed" % (len(folders), failed))
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
