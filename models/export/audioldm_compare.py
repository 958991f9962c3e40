"""Compares an exported graph, run by onnxruntime-node, with the PyTorch module that it came from."""
import json
import os
import subprocess
import tempfile

import numpy as np
import torch

TOLERANCE = 1e-3
RUNNER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "parity", "run_onnx.mjs")


def inputs(target, cfg, seed):
    """Inputs of several batch and time sizes, the first of which is the one to export with."""
    g = torch.Generator().manual_seed(seed)

    def normal(*shape):
        return torch.randn(*shape, generator=g)

    if target == "text_encoder":
        list_ = []
        for batch, tokens in ((2, 11), (1, 3), (3, 40)):
            ids = torch.randint(4, min(cfg["vocab_size"], 60000), (batch, tokens), generator=g)
            mask = torch.ones(batch, tokens, dtype=torch.int64)
            if batch > 1:
                ids[1, tokens - 2:], mask[1, tokens - 2:] = cfg.get("pad_token_id", 1), 0
            list_.append({"input_ids": ids, "attention_mask": mask})
        return list_
    if target == "unet":
        # 63 and 3 rows do not halve evenly; their graph must not differ.
        width = 64 // 4
        return [{"sample": normal(b, cfg["in_channels"], rows, width), "timestep": torch.tensor(t),
                 "class_labels": torch.nn.functional.normalize(normal(b, cfg["projection_class_embeddings_input_dim"]))}
                for b, rows, t in ((2, 32, 501), (1, 63, 1), (2, 3, 999), (2, 128, 341))]
    if target == "vae_decoder":
        return [{"latent_sample": normal(b, cfg["latent_channels"], rows, 16)} for b, rows in ((1, 32), (2, 9), (1, 63))]
    bands = cfg["model_in_dim"]
    return [{"spectrogram": normal(b, frames, bands) * 2 - 5} for b, frames in ((1, 64), (2, 12), (1, 252))]


def run(path, cases):
    """Gives the output of each case, by onnxruntime-node."""
    with tempfile.TemporaryDirectory() as tmp:
        spec = []
        for i, case in enumerate(cases):
            feeds = {}
            for name, t in case.items():
                file = os.path.join(tmp, "%d-%s" % (i, name))
                t.contiguous().numpy().tofile(file)
                feeds[name] = {"file": file, "dims": list(t.shape), "type": str(t.dtype).rpartition(".")[2]}
            spec.append({"feeds": feeds, "out": os.path.join(tmp, "%d-out" % i)})
        file = os.path.join(tmp, "spec.json")
        with open(file, "w") as f:
            json.dump(spec, f)
        dims = json.loads(subprocess.run(["node", RUNNER, path, file], check=True, stdout=subprocess.PIPE).stdout)
        return [torch.from_numpy(np.fromfile(s["out"], np.float32).reshape(d)) for s, d in zip(spec, dims)]


def part(module, part, cfg, folder):
    """Prints the differences of one part and gives the largest."""
    cases = inputs(part.target, cfg, 2)
    worst = 0
    with torch.no_grad():
        expected = [module(*case.values()) for case in cases]
    for case, want, got in zip(cases, expected, run(os.path.join(folder, part.target, "model.onnx"), cases)):
        if got.shape != want.shape:
            raise SystemExit("%s: the graph gives %s, PyTorch %s" % (part.target, tuple(got.shape), tuple(want.shape)))
        difference = (got - want).abs().max().item()
        worst = max(worst, difference)
        shape = "x".join(map(str, next(iter(case.values())).shape))
        print("  %-14s differs by at most %.1e; values spread by %.2f" % (shape, difference, want.std().item()), flush=True)
    return worst
