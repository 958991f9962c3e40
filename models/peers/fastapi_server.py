#!/usr/bin/env python3
"""A transcription server as people write it with FastAPI and onnxruntime or sherpa-onnx, for the comparison of bench.py.

  fastapi_server.py FOLDER THREADS [sherpa]

It prints its address and answers POST / with a form with a WAV file.
"""
import io
import json
import os
import socket
import sys
import tempfile

import numpy as np
import soundfile
import uvicorn
from fastapi import FastAPI, UploadFile

folder, threads = sys.argv[1], int(sys.argv[2])
with open(os.path.join(folder, "vocab.json"), encoding="utf8") as f:
    tokens = {i: token for token, i in json.load(f).items()}
app = FastAPI()


def with_onnxruntime():
    import onnxruntime
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(os.path.join(folder, "onnx", "model.onnx"), options, providers=["CPUExecutionProvider"])

    def recognise(samples):
        samples = (samples - samples.mean()) / np.sqrt(samples.var() + 1e-7)
        return text_of(session.run(None, {"input_values": samples[None].astype(np.float32)})[0][0].argmax(-1).tolist())
    return recognise


def with_sherpa():
    """Its recogniser of omnilingual models, which are wav2vec2 with a CTC head, normalises as wav2vec2-base wants it."""
    import sherpa_onnx
    with tempfile.NamedTemporaryFile("w", suffix=".txt", encoding="utf8") as table:
        for i, token in sorted(tokens.items()):
            table.write("%s %d\n" % ("<blk>" if token == "<pad>" else token, i))
        table.flush()
        recogniser = sherpa_onnx.OfflineRecognizer.from_omnilingual_asr_ctc(
            model=os.path.join(folder, "onnx", "model.onnx"), tokens=table.name, num_threads=threads)

    def recognise(samples):
        stream = recogniser.create_stream()
        stream.accept_waveform(16000, samples)
        recogniser.decode_stream(stream)
        return stream.result.text.replace("|", " ").strip()
    return recognise


def text_of(ids):
    """The greedy text: repeated ids once, without the blank."""
    text, before = "", None
    for i in ids:
        if i != before and tokens[i] not in ("<pad>", "<s>", "</s>", "<unk>"):
            text += " " if tokens[i] == "|" else tokens[i]
        before = i
    return text.strip()


recognise = with_sherpa() if sys.argv[3:] == ["sherpa"] else with_onnxruntime()


@app.post("/")
def transcribe(file: UploadFile):
    samples, _ = soundfile.read(io.BytesIO(file.file.read()), dtype="float32")
    return {"text": recognise(samples)}


if __name__ == "__main__":
    listener = socket.create_server(("127.0.0.1", 0))
    print("http://127.0.0.1:%d" % listener.getsockname()[1], flush=True)
    uvicorn.Server(uvicorn.Config(app, log_level="warning")).run(sockets=[listener])
