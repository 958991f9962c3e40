#!/usr/bin/env python3
"""Compares the exported folder in ONNX Runtime with the network in torch: check.py RUN.pt FOLDER SETS. Needs onnxruntime (PyPI), or does nothing."""
import os
import pickle
import sys

import numpy as np
import torch

import captions
import features
from embed import clap, load


def main():
    try:
        import onnxruntime
    except ImportError:
        print("onnxruntime is not installed: the exported folder is not checked")
        return
    run, folder, sets = sys.argv[1:4]
    net, tok = load(run)
    with open(os.path.join(sets, "cohort.pkl"), "rb") as f:
        clips = pickle.load(f)
    audio, text, pool = (onnxruntime.InferenceSession(f"{folder}/onnx/{n}_model.onnx", providers=["CPUExecutionProvider"]) for n in ("audio", "text", "pool"))
    got, pooled, padded = [], [], []
    for c in clips:
        m = features.log_mel(np.asarray(c, np.float32) / 32768)
        a, z, f = audio.run(["audio_embeds", "pattern_embeds", "last_hidden_state"], {"input_features": m[None, None]})
        got.append((a[0], z[0]))
        pooled.append(pool.run(["pattern_embeds"], {"frames": f, "weights": np.ones(f.shape[:2], np.float32)})[0][0])
        full = np.full((1, 1, 1001, 64), -100, np.float32)
        full[0, 0, :len(m)] = m[:1001]
        padded.append(audio.run(["pattern_embeds"], {"input_features": full})[0][0])
    want, got = clap(net, clips), np.array(got)
    ids = [captions.encode(tok, t) for t in ("a dog barking", "the sound of a church bell", "a voice saying hello", "rain")]
    i, m = captions.batch(ids)
    with torch.no_grad():
        t = net.text(torch.from_numpy(i), torch.from_numpy(m)).numpy()
    u = text.run(["text_embeds"], {"input_ids": i, "attention_mask": m})[0]
    least = lambda a, b: (np.asarray(a) * np.asarray(b)).sum(-1).min()
    values = {"audio_embeds": least(got[:, 0], want[:, 0]), "pattern_embeds": least(got[:, 1], want[:, 1]), "text": least(u, t),
              "pool_model against audio_model": least(pooled, got[:, 1]), "padded to 10 s": least(padded, got[:, 1])}
    print("least cosine of", len(clips), "clips:", ", ".join(f"{k} {v:.6f}" for k, v in values.items()))
    if min(values.values()) < .999:
        sys.exit("the exported folder differs from the network")


if __name__ == "__main__":
    main()
