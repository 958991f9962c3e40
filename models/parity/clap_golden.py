#!/usr/bin/env python3
"""Golden vectors of clap-tiny by transformers' ClapFeatureExtractor, the tokenizers library and onnxruntime (PyPI).

    clap_golden.py         writes ../../services/clap/testdata/clap-tiny.json; new weights of clap-tiny need it run again
    clap_golden.py FILE    writes those of 30 sounds and 100 texts into FILE, for clap.mjs
"""
import json
import os
import sys

import numpy as np
import onnxruntime
from tokenizers import Tokenizer
from transformers import ClapFeatureExtractor

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "export"))
from clap_random import TEXTS, made, sets  # noqa: E402

MODEL = os.path.join(HERE, "..", "clap-tiny")


def main():
    o = onnxruntime.SessionOptions()
    o.intra_op_num_threads = 1
    audio = onnxruntime.InferenceSession(MODEL + "/onnx/audio_model.onnx", o, providers=["CPUExecutionProvider"])
    text = onnxruntime.InferenceSession(MODEL + "/onnx/text_model.onnx", o, providers=["CPUExecutionProvider"])
    extract = ClapFeatureExtractor.from_pretrained(MODEL)
    tokens = Tokenizer.from_file(MODEL + "/tokenizer.json")
    golden = {"clips": [], "texts": []}
    lengths, texts = sets(False) if sys.argv[1:] else ((.25, .9, 2.3, 6, 10), [*TEXTS, "rain on a roof", "a voice saying hello", "a siren"])
    short = lambda v: [round(float(x), 6) for x in v]
    for seed, seconds in enumerate(lengths, 1):
        f = extract(made(16000, seconds, seed), sampling_rate=16000, return_tensors="np")["input_features"].astype(np.float32)
        a, z = audio.run(["audio_embeds", "pattern_embeds"], {"input_features": f})
        golden["clips"].append({"seconds": seconds, "seed": seed, "vector": short(a[0]), "pattern": short(z[0])})
    for t in texts:
        ids = tokens.encode(t).ids
        v = text.run(None, {"input_ids": np.array([ids]), "attention_mask": np.ones((1, len(ids)), np.int64)})[0][0]
        golden["texts"].append({"text": t, "ids": ids, "vector": short(v)})
    with open(sys.argv[1] if sys.argv[1:] else os.path.join(HERE, "../../services/clap/testdata/clap-tiny.json"), "w") as out:
        json.dump(golden, out)


if __name__ == "__main__":
    main()
