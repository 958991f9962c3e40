#!/usr/bin/env python3
"""Compare the binary with servers that others would write, and with onnxruntime called directly, on one model folder.

  bench.py BINARY FOLDER [--seconds 20] [--rounds 1] [--clients 1,4,16] [--audio 10] [--python PYTHON]

FOLDER is a wav2vec2 CTC folder, such as models/export/wav2vec2_random.py writes. PYTHON has onnxruntime and numpy, and for the
rows that need them fastapi, uvicorn, python-multipart and soundfile, or sherpa-onnx; transformers.js and fastify are those of
`npm ci` here. What is missing is left out with a message. All are started, and measured one after the other in each round, so
that what else the machine does meets them alike. Each row has, for each number of clients that ask one after another:
requests a second, the median and the 95th percentile of their time, the peak of the resident memory so far, and the seconds of
CPU for a second of audio, all without the clients' part. Needs Linux.
"""
import argparse
import http.client
import json
import math
import os
import random
import re
import shutil
import statistics
import struct
import subprocess
import sys
import tempfile
import threading
import time
import urllib.parse
import uuid

HERE = os.path.dirname(os.path.abspath(__file__))
RATE = 16000
CORES = os.cpu_count() if not hasattr(os, "sched_getaffinity") else len(os.sched_getaffinity(0))


def recording(seconds):
    """A chirp in noise as a WAV file: the network's work does not depend on what is said."""
    noise = random.Random(1)
    pcm = struct.pack("<%dh" % (seconds * RATE), *(int(8000 * math.sin(i * i * 1e-6) + 2000 * (noise.random() - .5))
                                                   for i in range(seconds * RATE)))
    return b"RIFF" + struct.pack("<I", 36 + len(pcm)) + b"WAVEfmt " + struct.pack("<IHHIIHH", 16, 1, 1, RATE, 2 * RATE, 2, 16) \
        + b"data" + struct.pack("<I", len(pcm)) + pcm


def form(audio, fields):
    """A form with the fields and the file, and its content type."""
    mark = uuid.uuid4().hex
    parts = [b'--%s\r\nContent-Disposition: form-data; name="%s"\r\n\r\n%s\r\n' % (mark.encode(), k.encode(), v.encode())
             for k, v in fields.items()]
    parts.append(b'--%s\r\nContent-Disposition: form-data; name="file"; filename="x.wav"\r\nContent-Type: audio/wav\r\n\r\n'
                 % mark.encode() + audio + b"\r\n--%s--\r\n" % mark.encode())
    return b"".join(parts), "multipart/form-data; boundary=" + mark


def tree(pid):
    """The process and its descendants."""
    pids = [pid]
    for one in pids:
        try:
            for thread in os.listdir("/proc/%d/task" % one):
                with open("/proc/%d/task/%s/children" % (one, thread), encoding="utf8") as f:
                    pids += [int(child) for child in f.read().split()]
        except OSError:
            pass
    return pids


def cpu(pid):
    """Seconds of CPU that the processes have used."""
    sum_of = 0
    for one in tree(pid):
        with open("/proc/%d/stat" % one, encoding="utf8") as f:
            fields = f.read().rsplit(") ", 1)[1].split()
        sum_of += int(fields[11]) + int(fields[12])
    return sum_of / os.sysconf("SC_CLK_TCK")


def peak(pid):
    """The peak of the resident memory of the processes in MB."""
    sum_of = 0
    for one in tree(pid):
        with open("/proc/%d/status" % one, encoding="utf8") as f:
            sum_of += next(int(line.split()[1]) for line in f if line.startswith("VmHWM"))
    return sum_of * 1024 / 1e6


class Server:
    """A server that prints its address. ask sends the recording."""

    def __init__(self, name, command, audio, path="/", fields=None, env=None):
        self.name = name
        self.log = tempfile.TemporaryFile()
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=self.log,
                                        env={**os.environ, **(env or {})})
        self.body, self.kind = form(audio, fields or {})
        self.path = path
        line = self.process.stdout.readline().decode()
        if "http://" not in line and " on " not in line:
            self.process.wait()
            self.log.seek(0)
            raise RuntimeError(self.log.read().decode(errors="replace").strip().splitlines()[-1:] or line)
        address = line.split()[-1]
        self.host = urllib.parse.urlparse(address if "//" in address else "http://" + address).netloc
        threading.Thread(target=self.process.stdout.read, daemon=True).start()

    def ask(self, connection):
        connection.request("POST", self.path, self.body, {"Content-Type": self.kind})
        response = connection.getresponse()
        answer = response.read()
        if response.status != 200:
            raise RuntimeError("%s: %d %s" % (self.name, response.status, answer[:300]))
        return json.loads(answer)["text"]

    def measure(self, clients, seconds):
        times, errors, began = [], [], time.perf_counter()

        def client():
            connection = http.client.HTTPConnection(self.host, timeout=300)
            try:
                while time.perf_counter() - began < seconds:
                    asked = time.perf_counter()
                    self.ask(connection)
                    times.append(time.perf_counter() - asked)
            except Exception as e:  # the first is reported
                errors.append(e)

        threads = [threading.Thread(target=client) for _ in range(clients)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if errors:
            raise errors[0]
        return times, time.perf_counter() - began

    def text(self):
        return self.ask(http.client.HTTPConnection(self.host, timeout=300))

    def stop(self):
        self.process.terminate()
        self.process.wait()


class Direct:
    """A process that calls a library without a server."""

    def __init__(self, name, command):
        self.name = name
        self.log = tempfile.TemporaryFile()
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.log, text=True)
        if self.process.stdout.readline().strip() != "ready":
            self.process.wait()
            self.log.seek(0)
            raise RuntimeError(self.log.read().decode(errors="replace").strip().splitlines()[-1:])

    def measure(self, clients, seconds):
        self.process.stdin.write("%d %g\n" % (clients, seconds))
        self.process.stdin.flush()
        answer = json.loads(self.process.stdout.readline())
        return answer["times"], answer["took"]

    def stop(self):
        self.process.stdin.close()
        self.process.wait()


def stage(folder, to):
    """Lay the folder out for all: the graph in onnx/, the tables beside it."""
    os.makedirs(os.path.join(to, "onnx"))
    for name in os.listdir(folder):
        if name.endswith(".json"):
            shutil.copy(os.path.join(folder, name), to)
    for name in ("model.onnx", os.path.join("onnx", "model.onnx")):
        if os.path.exists(os.path.join(folder, name)):
            for suffix in ("", "_data"):
                if os.path.exists(os.path.join(folder, name + suffix)):
                    link(os.path.join(folder, name + suffix), os.path.join(to, "onnx", "model.onnx" + suffix))
            return
    raise SystemExit(folder + " has no model.onnx")


def link(file, to):
    """A hard link, as the binary follows no symbolic link out of a model's folder, or else a copy."""
    try:
        os.link(file, to)
    except OSError:
        shutil.copy(file, to)


def peers(a, scratch, audio):
    """The processes to compare, started. What cannot be started is left out."""
    data, clip = os.path.join(scratch, "data"), os.path.join(scratch, "clip.wav")
    folder = os.path.join(data, "models", "timed")
    stage(a.folder, folder)
    with open(clip, "wb") as f:
        f.write(audio)
    python = a.python
    wanted = [
        ("grym-synth", lambda name: Server(name, [os.path.abspath(a.binary), "--listen", "127.0.0.1:0", "--data-dir", data], audio,
                                           "/v1/audio/transcriptions", {"model": "timed", "decoding": "greedy"})),
        ("fastify, transformers.js", lambda name: Server(name, ["node", os.path.join(HERE, "fastify.mjs"), folder, str(CORES)], audio)),
        ("FastAPI, onnxruntime", lambda name: Server(name, [python, os.path.join(HERE, "fastapi_server.py"), folder, str(CORES)], audio)),
    ]
    wanted.append(("FastAPI, sherpa-onnx", lambda name: Server(
        name, [python, os.path.join(HERE, "fastapi_server.py"), folder, str(CORES), "sherpa"], audio)))
    for workers, threads in sorted({(1, CORES), (CORES, 1), (max(1, CORES // 2), 2)}):
        wanted.append(("onnxruntime, %d x %d threads" % (workers, threads), lambda name, w=workers, t=threads: Direct(
            name, [python, os.path.join(HERE, "direct.py"), folder, clip, str(w), str(t)])))
    started = []
    for name, start in wanted:
        if a.only and name not in a.only:
            continue
        try:
            started.append(start(name))
        except (OSError, RuntimeError) as e:
            print("%s is left out: %s" % (name, e), file=sys.stderr)
    return started


def percentile(times, part):
    return sorted(times)[min(len(times) - 1, math.ceil(part * len(times)) - 1)]


def compare(a, started):
    """The figures of each peer for each number of clients: a list of rounds."""
    figures = {}
    texts = {peer.name: peer.text() for peer in started if isinstance(peer, Server)}
    # Random weights say special tokens, which some leave out, and with them what parts two equal letters.
    plain = {name: re.sub(r"(.)\1+", r"\1", re.sub(r"<[^>]*>|\s", "", text)) for name, text in texts.items()}
    if len(set(plain.values())) > 1:
        print("the texts differ: %s" % texts, file=sys.stderr)
    for peer in started:
        peer.measure(2, 1)  # warm up
    for turn in range(a.rounds):
        for clients in a.clients:
            for i in range(len(started)):  # each goes first in turn
                peer = started[(i + turn) % len(started)]
                before = cpu(peer.process.pid)
                times, took = peer.measure(clients, a.seconds)
                print("%s, %d clients: %.2f requests/s" % (peer.name, clients, len(times) / took), file=sys.stderr)
                figures.setdefault((peer.name, clients), []).append({
                    "rate": len(times) / took, "p50": percentile(times, .5), "p95": percentile(times, .95), "peak": peak(peer.process.pid),
                    "cpu": (cpu(peer.process.pid) - before) / len(times) / a.audio,
                })
    return {key: {k: statistics.median(one[k] for one in rounds) for k in rounds[0]} for key, rounds in figures.items()}


def table(a, started, figures):
    print("| | clients | requests/s | p50 | p95 | p95/p50 | peak memory | CPU s per s of audio |")
    print("|---|---|---|---|---|---|---|---|")
    for peer in started:
        for clients in a.clients:
            f = figures[peer.name, clients]
            print("| %s | %d | %.2f | %.2f s | %.2f s | %.2f | %.0f MB | %.3f |" % (
                peer.name, clients, f["rate"], f["p50"], f["p95"], f["p95"] / f["p50"], f["peak"], f["cpu"]))
    ours = [peer.name for peer in started if peer.name == "grym-synth"]
    direct = [peer.name for peer in started if isinstance(peer, Direct)]
    others = [peer.name for peer in started if isinstance(peer, Server) and peer.name != "grym-synth"]
    if not ours:
        return
    print()
    for clients in a.clients:
        f, said = figures["grym-synth", clients], ["p95/p50 %.2f" % (figures["grym-synth", clients]["p95"] / figures["grym-synth", clients]["p50"])]
        if direct:
            said.append("throughput %.2f of the best onnxruntime" % (f["rate"] / max(figures[name, clients]["rate"] for name in direct)))
        if others:
            said.append("%.2f of the best server" % (f["rate"] / max(figures[name, clients]["rate"] for name in others)))
            said.append("memory %.2f of the least of the other servers" % (f["peak"] / min(figures[name, clients]["peak"] for name in others)))
        print("%d clients: %s" % (clients, ", ".join(said)))


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("binary")
    p.add_argument("folder")
    p.add_argument("--seconds", type=float, default=20, help="of each measurement")
    p.add_argument("--rounds", type=int, default=1)
    p.add_argument("--clients", type=lambda text: [int(n) for n in text.split(",")], default=[1, 4, 16])
    p.add_argument("--audio", type=int, default=10, help="seconds of the recording")
    p.add_argument("--python", default=sys.executable)
    p.add_argument("--only", type=lambda text: text.split(";"), help="names of rows, separated by semicolons")
    a = p.parse_args()
    scratch, started = tempfile.mkdtemp(prefix="peers-"), []
    try:
        started = peers(a, scratch, recording(a.audio))
        table(a, started, compare(a, started))
    finally:
        for peer in started:
            peer.stop()
        shutil.rmtree(scratch)


if __name__ == "__main__":
    main()
