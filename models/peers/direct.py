#!/usr/bin/env python3
"""onnxruntime called directly, without a server, for the comparison of bench.py.

  direct.py FOLDER WAV WORKERS THREADS

For each line "CLIENTS SECONDS" on its input it has so many threads ask for the samples' logits for so long, of which WORKERS
run at once, each with THREADS, and prints the seconds of each call, and of all together, as JSON. The samples are ready.
"""
import json
import os
import sys
import threading
import time
import wave

import numpy as np
import onnxruntime


def main():
    folder, clip, workers, threads = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(os.path.join(folder, "onnx", "model.onnx"), options, providers=["CPUExecutionProvider"])
    with wave.open(clip) as w:
        samples = np.frombuffer(w.readframes(w.getnframes()), "<i2").astype(np.float32) / 32768
    samples = ((samples - samples.mean()) / np.sqrt(samples.var() + 1e-7))[None].astype(np.float32)
    slots = threading.Semaphore(workers)
    print("ready", flush=True)
    for line in sys.stdin:
        clients, seconds = int(line.split()[0]), float(line.split()[1])
        began, times = time.perf_counter(), []

        def ask():
            while time.perf_counter() - began < seconds:
                asked = time.perf_counter()
                with slots:
                    session.run(None, {"input_values": samples})
                times.append(time.perf_counter() - asked)

        all_of_them = [threading.Thread(target=ask) for _ in range(clients)]
        for one in all_of_them:
            one.start()
        for one in all_of_them:
            one.join()
        print(json.dumps({"times": times, "took": time.perf_counter() - began}), flush=True)


if __name__ == "__main__":
    main()
