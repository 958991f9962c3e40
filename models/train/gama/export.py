#!/usr/bin/env python3
"""Write a model folder in the layout of transformers.js from a checkpoint: export.py RUN.pt FOLDER.

The moving average of the run is what is written. The graphs are read back into a
fresh model and compared with what they came from.
"""
import json
import os
import sys

import onnx
import torch

import folder
import questions
from bytepairs import Tokenizer
from networks import ROWS, Gama
from train import CLASSES

CONFIG = {"model_type": "gama", "architectures": ["GamaForConditionalGeneration"], "audio_insert": "prefix", "num_audio_tokens": ROWS,
          "audio_config": {"num_mel_bins": 128, "max_frames": 1024, "hidden_size": 128},
          "text_config": {"model_type": "llama", "vocab_size": 0, "hidden_size": 128, "num_hidden_layers": 3, "num_attention_heads": 4,
                          "num_key_value_heads": 4, "head_dim": 32, "intermediate_size": 344, "rope_theta": 10000., "rms_norm_eps": 1e-5,
                          "max_position_embeddings": 512},
          "prompt_template": "{question}\n", "conversation_history": "turns", "bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 0}
GENERATION = {"do_sample": False, "temperature": 1., "top_p": 1., "top_k": 0, "repetition_penalty": 1., "max_new_tokens": 64,
              "bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 0}
FEATURES = {"feature_extractor_type": "GamaFeatureExtractor", "sampling_rate": 16000, "num_mel_bins": 128, "frame_shift_ms": 10, "frame_length_ms": 25,
            "window_type": "hanning", "htk_compat": True, "use_energy": False, "dither": 0., "subtract_clip_mean": True, "mean": 0., "std": 1.,
            "max_length": 1024, "padding_value": 0., "pad_to_max_length": False}


def tokenizer_json(tokenizer):
    level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
    added = [{"id": i, "content": t, "single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}
             for i, t in enumerate(questions.SPECIALS)]
    return {"version": "1.0", "truncation": None, "padding": None, "added_tokens": added, "normalizer": None, "pre_tokenizer": level,
            "post_processor": None, "decoder": level,
            "model": {"type": "BPE", "dropout": None, "unk_token": None, "continuing_subword_prefix": None, "end_of_word_suffix": None,
                      "fuse_unk": False, "byte_fallback": False, "vocab": tokenizer.id, "merges": ["%s %s" % m for m in tokenizer.merges]}}


def write_graph(module, example, to, inputs, outputs, axes):
    torch.onnx.export(module, example, to, input_names=inputs, output_names=outputs, dynamic_axes=axes, opset_version=14, do_constant_folding=True)
    m = onnx.load(to)
    onnx.checker.check_model(m, full_check=True)
    print(to, "%.2f MB" % (os.path.getsize(to) / 1e6))


def fix_rows(path):
    """The number of audio rows is known; the exporter leaves it open."""
    m = onnx.load(path)
    m.graph.output[0].type.tensor_type.shape.dim[1].dim_value = ROWS
    onnx.save(m, path)


def write_graphs(net, to):
    os.makedirs(os.path.join(to, "onnx"), exist_ok=True)
    d, layers = net.dec, range(len(net.dec.layers))
    path = folder.graph(to, "audio_encoder")
    write_graph(net.audio, (torch.randn(2, 210, 128) - 9,), path, ["input_features"], ["audio_features"],
                {"input_features": {0: "batch", 1: "frames"}, "audio_features": {0: "batch"}})
    fix_rows(path)
    write_graph(net.embed, (torch.zeros(2, 5, dtype=torch.long),), folder.graph(to, "embed_tokens"), ["input_ids"], ["inputs_embeds"],
                {"input_ids": {0: "batch", 1: "seq"}, "inputs_embeds": {0: "batch", 1: "seq"}})
    past = [f"past_key_values.{i}.{k}" for i in layers for k in ("key", "value")]
    present = [f"present.{i}.{k}" for i in layers for k in ("key", "value")]
    axes = {"inputs_embeds": {0: "batch", 1: "seq"}, "attention_mask": {0: "batch", 1: "total"}, "position_ids": {0: "batch", 1: "seq"},
            "logits": {0: "batch", 1: "seq"}, **{k: {0: "batch", 2: "past"} for k in past}, **{k: {0: "batch", 2: "total"} for k in present}}
    position = torch.arange(5, 8)[None].expand(2, -1).contiguous()
    example = (torch.randn(2, 3, 128), torch.ones(2, 8, dtype=torch.long), position, *[torch.randn(2, d.h, 5, d.hd) for _ in past])
    write_graph(d, example, folder.graph(to, "decoder_model_merged"), ["inputs_embeds", "attention_mask", "position_ids"] + past,
                ["logits"] + present, axes)


def write_json(value, path, indent=1):
    with open(path, "w", encoding="utf8") as f:
        json.dump(value, f, indent=indent, ensure_ascii=False)


def main():
    run, to = torch.load(sys.argv[1]), sys.argv[2]
    torch.set_num_threads(1)
    tokenizer = Tokenizer(run["merges"], questions.SPECIALS)
    net = Gama(len(tokenizer.tokens), len(CLASSES))
    net.load_state_dict(run["average"])
    net.eval()
    for p in net.parameters():
        p.requires_grad_(False)
    write_graphs(net, to)
    config = json.loads(json.dumps(CONFIG))
    config["text_config"]["vocab_size"] = len(tokenizer.tokens)
    write_json(config, os.path.join(to, "config.json"))
    write_json(GENERATION, os.path.join(to, "generation_config.json"))
    write_json(FEATURES, os.path.join(to, "preprocessor_config.json"))
    write_json({"tokenizer_class": "PreTrainedTokenizerFast", "bos_token": "<s>", "eos_token": "</s>", "pad_token": "<pad>"},
               os.path.join(to, "tokenizer_config.json"))
    write_json(tokenizer_json(tokenizer), os.path.join(to, "tokenizer.json"), None)
    back = folder.read(to, tokenizer, len(CLASSES)).eval()
    x, past = torch.randn(1, 150, 128) - 9, [torch.zeros(1, 4, 0, 32)] * 6
    e = net.embed(torch.arange(9)[None])
    with torch.no_grad():
        assert (back.audio(x) - net.audio(x)).abs().max() < 1e-4
        a, b = (m.dec(e, torch.ones(1, 9, dtype=torch.long), torch.arange(9)[None], *past)[0] for m in (back, net))
        assert (a - b).abs().max() < 1e-3
    print("step", run["step"], "tokens", len(tokenizer.tokens), "total %.2f MB" % (sum(os.path.getsize(folder.graph(to, p)) for p in folder.PARTS) / 1e6))


if __name__ == "__main__":
    main()
