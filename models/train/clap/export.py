#!/usr/bin/env python3
"""A model folder in the layout of transformers.js: export.py RUN.pt FOLDER.

onnx/audio_model.onnx  input_features [b, 1, frames, 64] -> audio_embeds [b, 192] (the space of captions), pattern_embeds [b, 192] (the space
    of sounds), last_hidden_state [b, n, 192] at 25 Hz
onnx/text_model.onnx   input_ids, attention_mask [b, n] -> text_embeds [b, 192]
onnx/pool_model.onnx    frames [b, n, 192], weights [b, n] -> audio_embeds, pattern_embeds: windows of last_hidden_state

Weights are stored as float16; computation stays in float32. README.md, the card, is not written.
"""
import inspect
import json
import os
import sys

import numpy as np
import onnx
import torch
import torch.nn as nn
import torch.nn.functional as F
from onnx import helper, numpy_helper

from captions import SPECIALS
from embed import load
from model import CONTEXT

PAD = 24
CONTEXT_FRAMES = 12  # on either side of a frame; the convolutions see 42 rows


class AudioModel(nn.Module):
    """The encoder with a noise floor and 0.24 s of it around the clip. Rows of digital silence, such as padding, get next to no weight."""

    def __init__(self, net):
        super().__init__()
        self.audio = net.audio

    def forward(self, x):
        audible = (x.amax((1, 3)) > -99.5).float()[:, None]
        audible = F.max_pool1d(audible, 4, 4, ceil_mode=True)[:, 0]
        x = 10 * torch.log10(torch.pow(10., x / 10) + 1e-7)
        f = self.audio.frames(F.pad(x, (0, 0, PAD, PAD), value=-70.)).transpose(1, 2)
        f = f[:, PAD // 4:PAD // 4 + audible.shape[1]]
        a, z = self.audio.pool(f, audible + 1e-5)
        return a, z, f


class TextModel(nn.Module):
    def __init__(self, net):
        super().__init__()
        self.text = net.text

    def forward(self, ids, mask):
        return self.text(ids, mask)


class PoolModel(nn.Module):
    def __init__(self, net):
        super().__init__()
        self.pool = net.audio.pool

    def forward(self, frames, weights):
        return self.pool(frames, weights)


def halve(path):
    """Stores weights of more than 256 numbers as float16, each followed by a Cast."""
    m = onnx.load(path)
    casts = []
    for t in m.graph.initializer:
        v = numpy_helper.to_array(t)
        if v.dtype == np.float32 and v.size > 256:
            name = t.name
            t.CopyFrom(numpy_helper.from_array(v.astype(np.float16), name + "_half"))
            casts.append(helper.make_node("Cast", [name + "_half"], [name], to=onnx.TensorProto.FLOAT))
    nodes = casts + list(m.graph.node)
    del m.graph.node[:]
    m.graph.node.extend(nodes)
    onnx.checker.check_model(m, full_check=True)
    onnx.save(m, path)


def tokenizer_json(t):
    level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
    added = [{"id": i, "content": s, "single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True} for i, s in enumerate(SPECIALS)]
    return {"version": "1.0", "truncation": None, "padding": None, "added_tokens": added, "normalizer": None, "pre_tokenizer": level,
            "post_processor": {"type": "RobertaProcessing", "sep": ["</s>", 2], "cls": ["<s>", 0], "trim_offsets": True, "add_prefix_space": False}, "decoder": level,
            "model": {"type": "BPE", "dropout": None, "unk_token": "<unk>", "continuing_subword_prefix": "", "end_of_word_suffix": "", "fuse_unk": False,
                      "vocab": t.id, "merges": ["%s %s" % m for m in t.merges]}}


def main():
    run, to = sys.argv[1:3]
    net, tok = load(run)
    os.makedirs(os.path.join(to, "onnx"), exist_ok=True)
    x = torch.randn(2, 1, 103, 64) * 10 - 30
    ids = torch.ones(2, 9, dtype=torch.long)
    f, w = torch.rand(3, 25, 192), torch.ones(3, 25)
    for name, module, example, inputs, outputs, axes in (
            ("audio_model", AudioModel(net), (x,), ["input_features"], ["audio_embeds", "pattern_embeds", "last_hidden_state"],
             {"input_features": {0: "batch", 2: "frames"}, "audio_embeds": {0: "batch"}, "pattern_embeds": {0: "batch"}, "last_hidden_state": {0: "batch", 1: "steps"}}),
            ("text_model", TextModel(net), (ids, ids), ["input_ids", "attention_mask"], ["text_embeds"],
             {"input_ids": {0: "batch", 1: "tokens"}, "attention_mask": {0: "batch", 1: "tokens"}, "text_embeds": {0: "batch"}}),
            ("pool_model", PoolModel(net), (f, w), ["frames", "weights"], ["audio_embeds", "pattern_embeds"],
             {"frames": {0: "batch", 1: "steps"}, "weights": {0: "batch", 1: "steps"}, "audio_embeds": {0: "batch"}, "pattern_embeds": {0: "batch"}})):
        path = os.path.join(to, "onnx", name + ".onnx")
        torch.onnx.export(module.eval(), example, path, input_names=inputs, output_names=outputs, dynamic_axes=axes, opset_version=14, do_constant_folding=True,
                          **({"dynamo": False} if "dynamo" in inspect.signature(torch.onnx.export).parameters else {}))
        onnx.checker.check_model(onnx.load(path), full_check=True)
        halve(path)
        print(path, "%.2f MB" % (os.path.getsize(path) / 1e6))
    dump = lambda name, v: json.dump(v, open(os.path.join(to, name), "w", encoding="utf8"), indent=1, ensure_ascii=False)
    dump("config.json", {"model_type": "clap", "architectures": ["ClapModel"], "projection_dim": 192, "logit_scale_init_value": float(net.scale_text.exp().clamp(max=60)),
                         "audio_config": {"model_type": "clap_audio_model", "num_mel_bins": 64, "hidden_size": 192, "frames_per_second": 25, "frame_context": CONTEXT_FRAMES, "projection_dim": 192},
                         "text_config": {"model_type": "clap_text_model", "vocab_size": len(tok.tokens), "hidden_size": 160, "max_position_embeddings": 64, "bos_token_id": 0,
                                         "pad_token_id": 1, "eos_token_id": 2, "projection_dim": 192}})
    dump("preprocessor_config.json", {"feature_extractor_type": "ClapFeatureExtractor", "processor_class": "ClapProcessor", "sampling_rate": 16000, "hop_length": 160, "fft_window_size": 512,
                                      "feature_size": 64, "nb_frequency_bins": 257, "frequency_min": 50, "frequency_max": 8000, "max_length_s": 10, "nb_max_samples": 160000,
                                      "padding": "pad", "padding_value": 0.0, "truncation": "rand_trunc", "return_attention_mask": False, "top_db": None})
    dump("tokenizer.json", tokenizer_json(tok))
    dump("tokenizer_config.json", {"tokenizer_class": "RobertaTokenizer", "bos_token": "<s>", "eos_token": "</s>", "pad_token": "<pad>", "unk_token": "<unk>", "model_max_length": CONTEXT})


if __name__ == "__main__":
    main()
