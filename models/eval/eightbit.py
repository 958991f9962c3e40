#!/usr/bin/env python3
"""Speed and words of a speech model in eight bits against the same in float32, over HTTP: eightbit.py BINARY FLOAT32 EIGHT [CLIPS] [--rounds N] [--seconds S].

FLOAT32 and EIGHT are model folders. The requests take turns, so that both have the same machine; the ratio is the median of the pairs' ratios,
of the time on the clock and of the processor's time, which other work on the machine disturbs less.
With CLIPS, a folder of WAV files with clips.json (file, text) such as models/wav2vec2-tiny/clips, it also prints the share of words wrong.
Standard library only.
"""
import argparse
import json
import math
import os
import random
import shutil
import socket
import statistics
import struct
import subprocess
import sys
import tempfile
import time
import urllib.request
import wave


def server(binary, models):
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
    data = tempfile.mkdtemp()
    os.makedirs(os.path.join(data, "models"))
    for name, folder in models.items():
        shutil.copytree(folder, os.path.join(data, "models", name))
    process = subprocess.Popen([binary, "--listen", "127.0.0.1:%d" % port, "--data-dir", data], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    url = "http://127.0.0.1:%d" % port
    for _ in range(600):
        try:
            urllib.request.urlopen(url + "/readyz").read()
            return process, url, data
        except OSError:
            if process.poll() is not None:
                break
            time.sleep(.1)
    sys.exit("the server does not start")


def request(url, model, sound, route="transcriptions"):
    edge = b"edge-of-the-form"
    body = b"--" + edge + b'\r\nContent-Disposition: form-data; name="model"\r\n\r\n' + model.encode() + b"\r\n--" + edge
    body += b'\r\nContent-Disposition: form-data; name="file"; filename="a.wav"\r\nContent-Type: audio/wav\r\n\r\n' + sound + b"\r\n--" + edge + b"--\r\n"
    posted = urllib.request.Request(url + "/v1/audio/" + route, body, {"Content-Type": "multipart/form-data; boundary=" + edge.decode()})
    begin = time.perf_counter()
    answer = json.load(urllib.request.urlopen(posted))
    return time.perf_counter() - begin, answer.get("text")


def seconds_of(process):
    """Processor time of a process."""
    with open("/proc/%d/stat" % process.pid) as f:
        fields = f.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def measure(process, url, model, sound, route):
    """Seconds on the clock and of the processor for a request."""
    before = seconds_of(process)
    clock = request(url, model, sound, route)[0]
    return clock, seconds_of(process) - before


def noise(seconds):
    """A recording of filtered noise: what is said does not change how long it takes."""
    r, low = random.Random(1), 0.0
    path = tempfile.mktemp(suffix=".wav")
    with wave.open(path, "wb") as f:
        f.setnchannels(1)
        f.setsampwidth(2)
        f.setframerate(16000)
        samples = []
        for i in range(int(16000 * seconds)):
            low += .2 * (r.uniform(-1, 1) - low)
            samples.append(int(20000 * low * (.6 + .4 * math.sin(i / 2000))))
        f.writeframes(struct.pack("<%dh" % len(samples), *samples))
    with open(path, "rb") as f:
        data = f.read()
    os.remove(path)
    return data


def errors(want, got):
    a, b = want.upper().split(), got.upper().split()
    row = list(range(len(b) + 1))
    for x in a:
        diagonal, row[0] = row[0], row[0] + 1
        for j, y in enumerate(b):
            diagonal, row[j + 1] = row[j + 1], min(row[j + 1] + 1, row[j] + 1, diagonal + (x != y))
    return row[-1], len(a)


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("binary")
    p.add_argument("float32")
    p.add_argument("eight")
    p.add_argument("clips", nargs="?")
    p.add_argument("--rounds", type=int, default=15)
    p.add_argument("--seconds", type=float, default=10)
    p.add_argument("--route", default="transcriptions", help="of /v1/audio")
    a = p.parse_args()
    process, url, data = server(a.binary, {"float32": a.float32, "eight": a.eight})
    try:
        sound = noise(a.seconds)
        for model in ("float32", "eight"):
            request(url, model, sound, a.route)
        pairs = [(measure(process, url, "float32", sound, a.route), measure(process, url, "eight", sound, a.route)) for _ in range(a.rounds)]
        for i, what in enumerate(("on the clock", "of the processor")):
            ratios = sorted(f[i] / max(e[i], .01) for f, e in pairs)
            print("%.1f s of sound, %d pairs, %s: float32 %.0f ms, eight bits %.0f ms, speed %.2f (%.2f to %.2f)" % (
                a.seconds, a.rounds, what, 1000 * statistics.median(f[i] for f, _ in pairs), 1000 * statistics.median(e[i] for _, e in pairs),
                statistics.median(ratios), ratios[len(ratios) // 4], ratios[-1 - len(ratios) // 4]))
        if a.clips:
            with open(os.path.join(a.clips, "clips.json")) as f:
                clips = json.load(f)
            for model in ("float32", "eight"):
                wrong = words = 0
                for c in clips:
                    with open(os.path.join(a.clips, c["file"]), "rb") as f:
                        w, n = errors(c["text"], request(url, model, f.read())[1])
                    wrong, words = wrong + w, words + n
                print("%s: %d of %d words wrong, %.1f %%" % (model, wrong, words, 100 * wrong / words))
    finally:
        process.terminate()
        process.wait()
        shutil.rmtree(data)


if __name__ == "__main__":
    main()
