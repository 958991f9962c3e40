#!/usr/bin/env python3
"""Makes a model folder of GAMA's public checkpoint.

    python3 gama.py BASE TRAINED OUT [--dtype fp32|fp16|q8] [--no-check]

BASE is the folder of the base model, Llama-2-7b-chat-hf-qformer, with its
config.json and tokenizer. TRAINED is what training put over it, the
pytorch_model.bin of stage 4 or 5; - for none. OUT becomes a folder that the
server takes under data/models. --dtype is of the decoder and the embedding; the
audio encoder stays fp32.

After writing, each graph is run by onnxruntime-node and compared with PyTorch;
that needs `npm ci` in ../parity, and the graphs in memory. See README.md.
"""

import argparse
import dataclasses
import inspect
import json
import pathlib
import shutil
import warnings

import onnx
import torch

from gama_parts import check, decoder, modules
from gama_parts import checkpoint as checkpoints

# Later versions of PyTorch export by another way, which needs more packages, unless they are asked not to.
BY_TRACING = {"dynamo": False} if "dynamo" in inspect.signature(torch.onnx.export).parameters else {}

FRAMES_A_PATCH = modules.PATCH


@dataclasses.dataclass
class Shape:
    """The model's sizes, read from the weights where they show them."""

    bins: int
    frames: int
    width: int
    encoder_heads: int
    encoder_hidden: int
    patches: int
    own_blocks: int
    shared_blocks: int
    bert_heads: int
    bert_hidden: int
    query_layers: int
    queries: int
    decoder_width: int
    vocabulary: int
    layers: int
    heads: int
    kv_heads: int
    head_dim: int
    ffn: int
    positions: int
    rms_eps: float
    rope_theta: float

    @property
    def rows(self):
        """Rows of the decoder that a sound becomes."""
        return self.queries + self.frames // FRAMES_A_PATCH


def shape_of(c, config, encoder_heads, bins):
    of = lambda name: c.tensors["model." + name].shape
    patches = of("audio_encoder.pos_embed_a")[1]
    heads = config["num_attention_heads"]
    if config.get("rope_scaling"):
        raise ValueError("rope_scaling is not supported")
    return Shape(
        bins=bins, frames=patches * FRAMES_A_PATCH ** 2 // bins, width=of("audio_encoder.norm_a.weight")[0], encoder_heads=encoder_heads,
        encoder_hidden=of("audio_encoder.blocks_a.0.mlp.fc1.weight")[0], patches=patches,
        own_blocks=c.count("model.audio_encoder.blocks_a.{}.attn.qkv.weight"), shared_blocks=c.count("model.audio_encoder.blocks_u.{}.attn.qkv.weight"),
        bert_heads=encoder_heads, bert_hidden=of("audio_aggregator_layer_1.intermediate.dense.weight")[0],
        query_layers=c.count("model.Qformer.bert.encoder.layer.{}.attention.self.query.weight"), queries=of("query_tokens")[1],
        decoder_width=of("embed_tokens.weight")[1], vocabulary=of("embed_tokens.weight")[0],
        layers=c.count("model.layers.{}.self_attn.q_proj.weight"), heads=heads, kv_heads=config.get("num_key_value_heads") or heads,
        head_dim=of("layers.0.self_attn.q_proj.weight")[0] // heads, ffn=of("layers.0.mlp.gate_proj.weight")[0],
        positions=config["max_position_embeddings"], rms_eps=config["rms_norm_eps"], rope_theta=config.get("rope_theta") or 10000.0)


def listener(c, s):
    """The audio side with the checkpoint's weights. What the released code computes and does not use stays unread."""
    net = modules.Listener(s)
    state = {name: c["model." + name] for name in net.state_dict() if "model." + name in c}
    missing = set(net.state_dict()) - set(state)
    unused = {n for n in missing if n.endswith(("norm1_v.weight", "norm1_v.bias", "norm2_v.weight", "norm2_v.bias"))}
    if missing - unused:
        raise KeyError(f"the checkpoint lacks {sorted(missing - unused)}")
    net.load_state_dict(state, strict=False)
    return net.eval()


def export_listener(net, s, path):
    sound = torch.zeros(1, s.frames, s.bins)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(net, (sound,), str(path), input_names=["input_features"], output_names=["audio_features"],
                          dynamic_axes={"input_features": {0: "batch"}, "audio_features": {0: "batch"}}, opset_version=14,
                          **BY_TRACING)
    model = onnx.load(str(path))
    model.producer_name = "grym-synth"
    for dim, size in zip(model.graph.output[0].type.tensor_type.shape.dim[1:], (s.rows, s.decoder_width)):
        dim.dim_value = size
    for node in model.graph.node:  # where a layer stood in the source is nobody's business
        node.doc_string = ""
    onnx.save(model, str(path))
    onnx.checker.check_model(str(path))


def write_configs(s, config, dtype, out):
    files = {
        "config.json": {
            "model_type": "gama", "architectures": ["GAMA"], "audio_insert": "prefix", "num_audio_tokens": s.rows,
            "prompt_template": "### Instruction:\n{question}\n\n### Response:\n",
            "bos_token_id": config.get("bos_token_id", 1), "eos_token_id": config.get("eos_token_id", 2), "pad_token_id": 0,
            "audio_config": {"max_frames": s.frames},
            "text_config": {
                "vocab_size": s.vocabulary, "hidden_size": s.decoder_width, "num_hidden_layers": s.layers, "num_attention_heads": s.heads,
                "num_key_value_heads": s.kv_heads, "head_dim": s.head_dim, "intermediate_size": s.ffn,
                "max_position_embeddings": s.positions, "rms_norm_eps": s.rms_eps, "rope_theta": s.rope_theta},
            "transformers.js_config": {"dtype": {"audio_encoder": "fp32", "embed_tokens": dtype, "decoder_model_merged": dtype}}},
        # As GAMA's own benchmark is run.
        "generation_config.json": {
            "do_sample": True, "temperature": 0.1, "top_p": 0.95, "top_k": 500, "repetition_penalty": 1.1, "max_new_tokens": 400,
            "bos_token_id": config.get("bos_token_id", 1), "eos_token_id": config.get("eos_token_id", 2), "pad_token_id": 0},
        "preprocessor_config.json": {
            "feature_extractor_type": "GamaFeatureExtractor", "sampling_rate": 16000, "num_mel_bins": s.bins, "frame_length_ms": 25, "frame_shift_ms": 10,
            "window_type": "hanning", "use_energy": False, "dither": 0.0, "subtract_clip_mean": True, "mean": -5.081, "std": 4.4849,
            "max_length": s.frames, "pad_to_max_length": True, "padding_value": 0.0},
    }
    for name, content in files.items():
        (out / name).write_text(json.dumps(content, indent=2) + "\n")


def copy_tokenizer(base, out):
    for name in ("tokenizer.json", "tokenizer.model"):
        if (base / name).exists():
            shutil.copyfile(base / name, out / name)
            return
    raise FileNotFoundError(f"{base} has neither tokenizer.json nor tokenizer.model")


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("base", type=pathlib.Path)
    ap.add_argument("trained")
    ap.add_argument("out", type=pathlib.Path)
    ap.add_argument("--dtype", choices=list(decoder.SUFFIX), default="fp32")
    ap.add_argument("--lora-alpha", type=float, default=16.0)
    ap.add_argument("--encoder-heads", type=int, default=12, help="heads of the audio side, which the weights do not show")
    ap.add_argument("--no-check", action="store_true")
    a = ap.parse_args()
    config = json.loads((a.base / "config.json").read_text())
    c = checkpoints.Checkpoint(a.base, None if a.trained == "-" else a.trained, a.lora_alpha)
    s = shape_of(c, config, a.encoder_heads, 128)
    print(s)
    graphs = a.out / "onnx"
    graphs.mkdir(parents=True, exist_ok=True)
    net = listener(c, s)
    export_listener(net, s, graphs / "audio_encoder.onnx")
    suffix = decoder.SUFFIX[a.dtype]
    decoder.embedding(graphs / f"embed_tokens{suffix}.onnx", c["model.embed_tokens.weight"].numpy(), a.dtype)
    decoder.DecoderGraph(graphs / f"decoder_model_merged{suffix}.onnx", c, s, a.dtype).build()
    write_configs(s, config, a.dtype, a.out)
    copy_tokenizer(a.base, a.out)
    left = sorted(n for n in set(c.tensors) - c.used if not n.endswith(("rotary_emb.inv_freq", "position_ids")))
    print(f"{len(c.used)} tensors read; {len(left)} left, which the released code does not use: {left[:3]} ...")
    if not a.no_check:
        check.run(a.out, net, c, s, a.dtype)


if __name__ == "__main__":
    with torch.no_grad():
        main()
