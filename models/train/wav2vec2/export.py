#!/usr/bin/env python3
"""Write a model folder from a checkpoint.

  export.py CHECKPOINT FOLDER

Input `input_values` [batch, samples], output `logits` [batch, frames, 32], both
float32. The files that do not depend on the weights are those of the shipped folder.
"""
import json
import os
import shutil
import sys

import onnx
import torch

import model
import text


def main():
    ck = torch.load(sys.argv[1], map_location="cpu")
    folder = sys.argv[2]
    m = model.CTC(ck["sizes"])
    m.load_state_dict(ck["ema"])
    m.eval()
    for p in m.parameters():
        p.requires_grad_(False)
    os.makedirs(folder, exist_ok=True)
    out = os.path.join(folder, "model.onnx")
    torch.onnx.export(m, torch.randn(1, 32000), out, input_names=["input_values"], output_names=["logits"],
                      dynamic_axes={"input_values": {0: "batch", 1: "samples"}, "logits": {0: "batch", 1: "frames"}},
                      opset_version=14, do_constant_folding=True)
    g = onnx.load(out)
    onnx.checker.check_model(g, full_check=True)
    with open(os.path.join(folder, "config.json"), "w") as f:
        json.dump(model.config(m.sizes), f, indent=1)
    for name in ("preprocessor_config.json", "tokenizer.json", "tokenizer_config.json", "vocab.json", "words.txt"):
        shutil.copy(os.path.join(text.MODEL_DIR, name), folder)
    # the exported graph holds what the checkpoint holds
    back = model.from_onnx(folder).eval()
    x = torch.randn(1, 20000)
    with torch.no_grad():
        assert (back(x) - m(x)).abs().max() < 1e-4
    print(out, "%.2f MB" % (os.path.getsize(out) / 1e6), sum(p.numel() for p in m.parameters()), "parameters, step", ck["step"])


if __name__ == "__main__":
    main()
