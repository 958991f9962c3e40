#!/usr/bin/env python3
"""Turn an AudioLDM checkpoint in the layout of diffusers into a model folder of this server.

  audioldm.py CHECKPOINT FOLDER            export, then compare every part with PyTorch
  audioldm.py --random SHAPE CHECKPOINT    write a checkpoint of random weights; SHAPE is s, mini or nano

CHECKPOINT holds model_index.json and the folders scheduler, tokenizer, text_encoder, unet, vae and vocoder, as
cvssp/audioldm-s-full-v2 does. Runs on PyTorch 1.13 or newer, with onnx; the comparison runs the exported graphs in
onnxruntime-node, for which `npm ci --ignore-scripts` in ../parity is needed.
"""
import argparse
import inspect
import json
import os
import shutil
import sys
import warnings

import onnx
import torch

import audioldm_compare as compare
from audioldm_parts import clap, hifigan, unet, vae, weights

# PyTorch says so of every constant; the comparison shows that the shapes are right.
warnings.filterwarnings("ignore", message="The shape inference of prim::Constant")

OPSET = 14
# Later versions of PyTorch export by another way, which needs more packages and refuses the UNet, unless they are asked not to.
BY_TRACING = {"dynamo": False} if "dynamo" in inspect.signature(torch.onnx.export).parameters else {}
# A protocol buffer ends at two gigabytes; what is larger keeps its weights in model.onnx_data.
INLINE_BYTES = 1_700_000_000
TOKENIZER_FILES = ("tokenizer.json", "vocab.json", "merges.txt", "tokenizer_config.json", "special_tokens_map.json")


class Part:
    """One network: where it lies, what makes it, and its graph's inputs and outputs with their open dimensions."""

    def __init__(self, source, target, make, inputs, output, axes):
        self.source, self.target, self.make = source, target, make
        self.inputs, self.output, self.axes = inputs, output, axes

    def export(self, checkpoint, folder, inline):
        with open(os.path.join(checkpoint, self.source, "config.json")) as f:
            cfg = json.load(f)
        module = weights.load(self.make(cfg), os.path.join(checkpoint, self.source))
        out = os.path.join(folder, self.target)
        os.makedirs(out, exist_ok=True)
        path = os.path.join(out, "model.onnx")
        example = compare.inputs(self.target, cfg, 1)[0]
        torch.onnx.export(module, tuple(example.values()), path, input_names=list(example), output_names=[self.output],
                          dynamic_axes=self.axes, opset_version=OPSET, do_constant_folding=True, **BY_TRACING)
        tidy(out, path, inline)
        with open(os.path.join(out, "config.json"), "w") as f:
            json.dump(self.config(cfg), f, indent=1)
            f.write("\n")
        return module, cfg

    def config(self, cfg):
        if self.target == "unet":
            # The graph takes any number of rows; one that another tool exported may need a multiple.
            return dict(cfg, row_multiple=1)
        return cfg


PARTS = [
    Part("text_encoder", "text_encoder", clap.Text, ("input_ids", "attention_mask"), "text_embeds",
         {"input_ids": {0: "batch", 1: "tokens"}, "attention_mask": {0: "batch", 1: "tokens"}, "text_embeds": {0: "batch"}}),
    Part("unet", "unet", unet.UNet, ("sample", "timestep", "class_labels"), "out_sample",
         {"sample": {0: "batch", 2: "rows"}, "class_labels": {0: "batch"}, "out_sample": {0: "batch", 2: "rows"}}),
    Part("vae", "vae_decoder", vae.VAE, ("latent_sample",), "sample",
         {"latent_sample": {0: "batch", 2: "rows"}, "sample": {0: "batch", 2: "frames"}}),
    Part("vocoder", "vocoder", hifigan.Vocoder, ("spectrogram",), "waveform",
         {"spectrogram": {0: "batch", 1: "frames"}, "waveform": {0: "batch", 1: "samples"}}),
]


def tidy(out, path, inline):
    """Checks the graph, and moves large weights into one file beside it."""
    model = onnx.load(path)
    for name in os.listdir(out):
        if name not in ("model.onnx", "config.json"):
            os.remove(os.path.join(out, name))  # PyTorch writes a file for each tensor of a large model
    size = sum(len(t.raw_data) for t in model.graph.initializer)
    if size > inline:
        onnx.save_model(model, path, save_as_external_data=True, all_tensors_to_one_file=True, location="model.onnx_data")
    else:
        onnx.save_model(model, path)
    onnx.checker.check_model(path)


def copy_small(checkpoint, folder):
    """The files that are taken as they are."""
    with open(os.path.join(checkpoint, "model_index.json")) as f:
        index = json.load(f)
    if index.get("_class_name") != "AudioLDMPipeline":
        raise SystemExit("%s is a %s; AudioLDMPipeline is what can be exported" % (checkpoint, index.get("_class_name")))
    index["vae_decoder"] = index.pop("vae", ["diffusers", "AutoencoderKL"])
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, "model_index.json"), "w") as f:
        json.dump(index, f, indent=1)
        f.write("\n")
    for name in ("scheduler", "tokenizer"):
        os.makedirs(os.path.join(folder, name), exist_ok=True)
    shutil.copy(os.path.join(checkpoint, "scheduler", "scheduler_config.json"), os.path.join(folder, "scheduler"))
    found = [n for n in TOKENIZER_FILES if os.path.exists(os.path.join(checkpoint, "tokenizer", n))]
    if "tokenizer.json" not in found and not {"vocab.json", "merges.txt"} <= set(found):
        raise SystemExit("%s/tokenizer has neither tokenizer.json nor vocab.json and merges.txt" % checkpoint)
    for name in found:
        shutil.copy(os.path.join(checkpoint, "tokenizer", name), os.path.join(folder, "tokenizer"))


def export(checkpoint, folder, inline=INLINE_BYTES):
    """Writes the folder, and gives each part with its module and configuration as it is done."""
    copy_small(checkpoint, folder)
    for part in PARTS:
        yield (part, *part.export(checkpoint, folder, inline))


def main():
    args = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    args.add_argument("paths", nargs="+", metavar="PATH")
    args.add_argument("--random", metavar="SHAPE", choices=("s", "mini", "nano"))
    args.add_argument("--seed", type=int, default=1, help="of the random weights")
    args.add_argument("--tokenizer", metavar="DIR", help="tokenizer files for a random checkpoint")
    args.add_argument("--no-compare", action="store_true", help="export only")
    args.add_argument("--inline-bytes", type=int, default=INLINE_BYTES, help="weights above this go to model.onnx_data")
    args = args.parse_args()
    if args.random:
        import audioldm_random
        return audioldm_random.write(args.random, args.paths[0], args.seed, args.tokenizer)
    if len(args.paths) != 2:
        raise SystemExit("CHECKPOINT and FOLDER are needed")
    checkpoint, folder = args.paths
    worst = 0
    for part, module, cfg in export(checkpoint, folder, args.inline_bytes):
        count = sum(p.numel() for p in module.parameters())
        print("%-13s %6.1f million parameters" % (part.target, count / 1e6), flush=True)
        if not args.no_compare:
            worst = max(worst, compare.part(module, part, cfg, folder))
    if worst > compare.TOLERANCE:
        print("a part differs by %.2g, more than %g" % (worst, compare.TOLERANCE))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
