#!/usr/bin/env python3
"""Write a model folder in diffusers' layout from checkpoints.

  export.py --diffusion RUN.pt --autoencoder AUTOENCODER.pt --vocoder VOCODER.pt FOLDER

The moving average of the diffusion run is what is written. Each graph is run
again, read back into a fresh module, and compared with what it came from.
"""
import argparse
import json
import os

import numpy as np
import onnx
import onnx.numpy_helper
import torch

import folder
from bytepairs import LETTERS, Tokenizer
from networks import LATENT, TEXT, WIDTH, Decoder, Text, UNet
from vocoder import Vocoder

CONFIGS = {
    "model_index.json": {"_class_name": "AudioLDMPipeline", "scheduler": ["diffusers", "DDIMScheduler"],
                         "text_encoder": ["diffusers", "OnnxRuntimeModel"], "tokenizer": ["transformers", "RobertaTokenizer"],
                         "unet": ["diffusers", "OnnxRuntimeModel"], "vae_decoder": ["diffusers", "OnnxRuntimeModel"],
                         "vocoder": ["diffusers", "OnnxRuntimeModel"]},
    "scheduler/scheduler_config.json": {"_class_name": "DDIMScheduler", "num_train_timesteps": 1000, "beta_start": .0015, "beta_end": .0195,
                                        "beta_schedule": "scaled_linear", "clip_sample": False, "set_alpha_to_one": False, "steps_offset": 1,
                                        "prediction_type": "epsilon", "timestep_spacing": "leading"},
    "tokenizer/tokenizer_config.json": {"tokenizer_class": "RobertaTokenizer", "bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>",
                                        "pad_token": "<pad>", "model_max_length": 64, "add_prefix_space": False},
    "text_encoder/config.json": {"model_type": "clap_text_model", "projection_dim": TEXT, "vocab_size": 0, "pad_token_id": 1, "bos_token_id": 0, "eos_token_id": 2},
    "unet/config.json": {"_class_name": "UNet2DConditionModel", "in_channels": LATENT, "out_channels": LATENT, "sample_size": 64,
                         "projection_class_embeddings_input_dim": TEXT, "class_embed_type": "simple_projection", "cross_attention_dim": None,
                         # what the server's estimate of memory and of lengths goes by
                         "block_out_channels": [32, 96, 128], "row_multiple": 4, "attention_head_dim": 4, "attention_along": "time"},
    "vae_decoder/config.json": {"_class_name": "AutoencoderKL", "latent_channels": LATENT, "scaling_factor": 0., "block_out_channels": [1, 1, 1]},
    "vocoder/config.json": {"model_type": "grym_vocoder", "model_in_dim": 64, "sampling_rate": 16000, "hop_length": 160}}


def write_json(value, path):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w", encoding="utf8") as f:
        json.dump(value, f, indent=1)


def write_tokenizer(tokenizer, to):
    os.makedirs(to, exist_ok=True)
    write_json(tokenizer.id, os.path.join(to, "vocab.json"))
    with open(os.path.join(to, "merges.txt"), "w", encoding="utf8") as f:
        f.write("#version: 0.2\n" + "".join("%s %s\n" % m for m in tokenizer.merges))


def halve(path, least=400_000):
    """Store weights of so many bytes and more as float16, cast back as the session is made: they are read as float32."""
    m = onnx.load(path)
    g, casts = m.graph, []
    for w in g.initializer:
        if w.data_type != onnx.TensorProto.FLOAT or len(w.raw_data) < least:
            continue
        value = onnx.numpy_helper.to_array(w).astype(np.float16)
        w.CopyFrom(onnx.numpy_helper.from_array(value, w.name))
        wide = w.name + ".float32"
        casts.append(onnx.helper.make_node("Cast", [w.name], [wide], to=onnx.TensorProto.FLOAT))
        for node in g.node:
            for k, name in enumerate(node.input):
                if name == w.name:
                    node.input[k] = wide
    nodes = casts + list(g.node)
    del g.node[:]
    g.node.extend(nodes)
    onnx.save(m, path)


def write_graph(module, example, to, inputs, outputs, axes):
    os.makedirs(os.path.dirname(to), exist_ok=True)
    for p in module.parameters():
        p.requires_grad_(False)
    torch.onnx.export(module.eval().to(memory_format=torch.contiguous_format), example, to, input_names=inputs, output_names=outputs,
                      dynamic_axes=axes, opset_version=14, do_constant_folding=True)
    if os.path.basename(os.path.dirname(to)) == "unet":
        halve(to)
    onnx.checker.check_model(onnx.load(to), full_check=True)
    print(to, "%.2f MB" % (os.path.getsize(to) / 1e6))


class VAEDecoder(torch.nn.Module):
    """The prefix g. is what the reader expects."""

    def __init__(self, decoder):
        super().__init__()
        self.g = decoder

    def forward(self, z):
        return self.g(z)


def same(a, b, what):
    with torch.no_grad():
        far = float((a - b).abs().max() / (b.abs().max() + 1e-9))
    assert far < 1e-3, (what, far)


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("--diffusion", required=True)
    ap.add_argument("--autoencoder", required=True)
    ap.add_argument("--vocoder", required=True)
    ap.add_argument("folder")
    a = ap.parse_args()
    torch.set_num_threads(1)
    run, auto = torch.load(a.diffusion), torch.load(a.autoencoder)
    tokenizer = Tokenizer(run["merges"], folder.SPECIALS, LETTERS)
    text, unet, decoder, vocoder = Text(len(tokenizer.tokens)), UNet(), Decoder(), Vocoder()
    text.load_state_dict({k[5:]: v for k, v in run["average"].items() if k.startswith("text.")})
    unet.load_state_dict({k[5:]: v for k, v in run["average"].items() if k.startswith("unet.")})
    decoder.load_state_dict(auto["decoder"])
    vocoder.load_state_dict(torch.load(a.vocoder)["vocoder"])
    vocoder.fast = False
    for name, value in CONFIGS.items():
        value = dict(value)
        if name.startswith("text_encoder"):
            value["vocab_size"] = len(tokenizer.tokens)
        if name.startswith("vae"):
            value["scaling_factor"] = run["scale"]
        write_json(value, os.path.join(a.folder, name))
    write_tokenizer(tokenizer, os.path.join(a.folder, "tokenizer"))
    ids, mask = folder.batch(tokenizer, ["a dog", "a low sine tone"])
    z, t, y = torch.randn(2, LATENT, 64, WIDTH), torch.tensor([5, 700]), torch.randn(2, TEXT)
    mel = torch.randn(2, 256, 64) - 5
    write_graph(text, (ids, mask), folder.path(a.folder, "text_encoder"), ["input_ids", "attention_mask"], ["text_embeds"],
                {"input_ids": {0: "batch", 1: "tokens"}, "attention_mask": {0: "batch", 1: "tokens"}, "text_embeds": {0: "batch"}})
    write_graph(unet, (z, t, y), folder.path(a.folder, "unet"), ["sample", "timestep", "class_labels"], ["out_sample"],
                {"sample": {0: "batch", 2: "rows"}, "timestep": {0: "batch"}, "class_labels": {0: "batch"}, "out_sample": {0: "batch", 2: "rows"}})
    write_graph(VAEDecoder(decoder), (z,), folder.path(a.folder, "vae_decoder"), ["latent_sample"], ["sample"],
                {"latent_sample": {0: "batch", 2: "rows"}, "sample": {0: "batch", 2: "frames"}})
    write_graph(vocoder, (mel,), folder.path(a.folder, "vocoder"), ["spectrogram"], ["waveform"],
                {"spectrogram": {0: "batch", 1: "frames"}, "waveform": {0: "batch", 1: "samples"}})
    y = torch.nn.functional.normalize(y)
    same(folder.read_text(a.folder, tokenizer)(ids, mask), text(ids, mask), "text")
    same(folder.read_unet(a.folder)(z, t, y), unet(z, t, y), "unet")
    same(folder.read_decoder(a.folder)(z), decoder(z), "decoder")
    print("step", run["step"], "total %.2f MB" % (sum(os.path.getsize(folder.path(a.folder, p)) for p in ("text_encoder", "unet", "vae_decoder", "vocoder")) / 1e6))


if __name__ == "__main__":
    main()
