#!/usr/bin/env python3
"""A transcription server as people write it with FastAPI and onnxruntime, for the comparison of bench.py.

  fastapi_server.py FOLDER THREADS

It prints its address and answers POST / with a form with a WAV file.
"""
import io
import json
import os
import socket
import sys

import numpy as np
import onnxruntime
import soundfile
import uvicorn
from fastapi import FastAPI, UploadFile

folder, threads = sys.argv[1], int(sys.argv[2])
options = onnxruntime.SessionOptions()
options.intra_op_num_threads = threads
session = onnxruntime.InferenceSession(os.path.join(folder, "onnx", "model.onnx"), options, providers=["CPUExecutionProvider"])
with open(os.path.join(folder, "vocab.json"), encoding="utf8") as f:
    tokens = {i: token for token, i in json.load(f).items()}
app = FastAPI()


def text_of(ids):
    """The greedy text: repeated ids once, without the blank."""
    text, before = "", None
    for i in ids:
        if i != before and tokens[i] not in ("<pad>", "<s>", "</s>", "<unk>"):
            text += " " if tokens[i] == "|" else tokens[i]
        before = i
    return text.strip()


@app.post("/")
def transcribe(file: UploadFile):
    samples, _ = soundfile.read(io.BytesIO(file.file.read()), dtype="float32")
    samples = (samples - samples.mean()) / np.sqrt(samples.var() + 1e-7)
    logits = session.run(None, {"input_values": samples[None].astype(np.float32)})[0]
    return {"text": text_of(logits[0].argmax(-1).tolist())}


if __name__ == "__main__":
    listener = socket.create_server(("127.0.0.1", 0))
    print("http://127.0.0.1:%d" % listener.getsockname()[1], flush=True)
    uvicorn.Server(uvicorn.Config(app, log_level="warning")).run(sockets=[listener])
