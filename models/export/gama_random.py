#!/usr/bin/env python3
"""Makes a checkpoint of random weights in the layout of GAMA's public one.

    python3 gama_random.py OUT [--tokenizer FILE] [--sizes small|layer]

OUT/base is like Llama-2-7b-chat-hf-qformer, OUT/trained.bin like what training
saves. small is small throughout; layer has the sizes of the 7B configuration with
one decoder layer and two Q-Former layers. What the exporter leaves out, such as
the cross-attention of the aggregator, is there too.
"""

import argparse
import collections
import json
import math
import pathlib
import shutil

import torch

SIZES = {
    "small": dict(width=32, heads=4, hidden=64, own=2, shared=1, bert=64, query_layers=2, queries=32, decoder=48, vocabulary=900, layers=2, decoder_heads=4, ffn=96, positions=512),
    "layer": dict(width=768, heads=12, hidden=3072, own=11, shared=1, bert=3072, query_layers=12, queries=32, decoder=4096, vocabulary=32000, layers=1, decoder_heads=32, ffn=11008, positions=4096),
}


class Maker:
    def __init__(self):
        self.tensors = collections.OrderedDict()
        self.generator = torch.Generator().manual_seed(7)

    def normal(self, name, *shape, scale=1.0):
        self.tensors[name] = torch.randn(*shape, generator=self.generator) * scale

    def linear(self, name, out, inner, bias=True, scale=1.0):
        self.normal(name + ".weight", out, inner, scale=scale / math.sqrt(inner))
        if bias:
            self.normal(name + ".bias", out, scale=0.1)

    def norm(self, name, width, bias=True):
        self.normal(name + ".weight", width, scale=0.1)
        self.tensors[name + ".weight"] += 1
        if bias:
            self.normal(name + ".bias", width, scale=0.1)


def audio_encoder(m, s):
    w, at = s["width"], "model.audio_encoder."
    m.normal(at + "modality_a", 1, 1, w, scale=0.02)
    m.normal(at + "pos_embed_a", 1, 512, w)
    m.normal(at + "patch_embed_a.proj.weight", w, 1, 16, 16, scale=1 / 16)
    m.normal(at + "patch_embed_a.proj.bias", w, scale=0.1)
    for kind, count in (("blocks_a", s["own"]), ("blocks_u", s["shared"])):
        for i in range(count):
            block = f"{at}{kind}.{i}."
            for norm in ("norm1", "norm1_a", "norm1_v", "norm2", "norm2_a", "norm2_v"):
                m.norm(block + norm, w)
            m.linear(block + "attn.qkv", 3 * w, w)
            m.linear(block + "attn.proj", w, w)
            m.linear(block + "mlp.fc1", s["hidden"], w)
            m.linear(block + "mlp.fc2", w, s["hidden"])
    for norm in ("norm_a", "norm_j", "norm_k"):
        m.norm(at + norm, w)
    # What comes out is divided by 50; a random network would make the same of every sound.
    m.tensors[at + "norm_a.weight"] *= 50


def attention(m, at, w):
    for part in ("query", "key", "value"):
        m.linear(f"{at}.self.{part}", w, w)
    m.linear(f"{at}.output.dense", w, w)
    m.norm(f"{at}.output.LayerNorm", w)


def feed_forward(m, at, w, hidden, suffix):
    m.linear(f"{at}.intermediate{suffix}.dense", hidden, w)
    m.linear(f"{at}.output{suffix}.dense", w, hidden)
    m.norm(f"{at}.output{suffix}.LayerNorm", w)


def bridges(m, s):
    w, d = s["width"], s["decoder"]
    m.norm("model.qformer_proj_norm", w)
    m.normal("model.query_tokens", 1, s["queries"], w)
    m.norm("model.Qformer.bert.embeddings.LayerNorm", w)
    for i in range(s["query_layers"]):
        at = f"model.Qformer.bert.encoder.layer.{i}"
        attention(m, at + ".attention", w)
        if i % 2 == 0:
            attention(m, at + ".crossattention", w)
        feed_forward(m, at, w, s["bert"], "_query")
    for i in (1, 2):
        at = f"model.audio_aggregator_layer_{i}"
        attention(m, at + ".attention", w)
        attention(m, at + ".crossattention", w)
        feed_forward(m, at, w, s["bert"], "")
        feed_forward(m, at, w, s["bert"], "_query")
    for name in ("audio_proj_qformer", "audio_proj_audioenc"):
        m.linear(f"model.{name}.0", d, w)
        m.linear(f"model.{name}.2", d, d)


def decoder(m, s):
    d, f = s["decoder"], s["ffn"]
    m.normal("model.embed_tokens.weight", s["vocabulary"], d)
    for i in range(s["layers"]):
        at = f"model.layers.{i}."
        for part in "qkvo":
            m.linear(f"{at}self_attn.{part}_proj", d, d, bias=False, scale=2 if part in "qk" else 1)
        for part, out, inner in (("gate", f, d), ("up", f, d), ("down", d, f)):
            m.linear(f"{at}mlp.{part}_proj", out, inner, bias=False)
        for norm in ("input_layernorm", "post_attention_layernorm"):
            m.norm(at + norm, d, bias=False)
    m.norm("model.norm", d, bias=False)
    m.linear("lm_head", s["vocabulary"], d, bias=False, scale=4)


def lora(m, s, rank=8):
    d = s["decoder"]
    trained = Maker()
    trained.generator.manual_seed(8)
    for i in range(s["layers"]):
        for part in "qv":
            at = f"base_model.model.model.layers.{i}.self_attn.{part}_proj"
            trained.normal(at + ".lora_A.default.weight", rank, d, scale=1 / math.sqrt(d))
            trained.normal(at + ".lora_B.default.weight", d, rank, scale=0.1)
    # Training also changes the audio side; such tensors replace those of the base.
    for name in ("model.audio_proj_qformer.0.weight", "model.qformer_proj_norm.bias"):
        trained.tensors["base_model.model." + name] = m.tensors[name] * 1.5
    return trained.tensors


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("out", type=pathlib.Path)
    ap.add_argument("--tokenizer", type=pathlib.Path, default=pathlib.Path(__file__).resolve().parents[2] / "services" / "tokenizer" / "testdata" / "tokenizer.model")
    ap.add_argument("--sizes", choices=list(SIZES), default="small")
    a = ap.parse_args()
    s, m = SIZES[a.sizes], Maker()
    for part in (audio_encoder, bridges, decoder):
        part(m, s)
    base = a.out / "base"
    base.mkdir(parents=True, exist_ok=True)
    torch.save(lora(m, s), a.out / "trained.bin")
    torch.save(m.tensors, base / "pytorch_model.bin")
    (base / "config.json").write_text(json.dumps({
        "model_type": "llama", "num_attention_heads": s["decoder_heads"], "num_key_value_heads": s["decoder_heads"], "max_position_embeddings": s["positions"],
        "rms_norm_eps": 1e-5, "rope_scaling": None, "bos_token_id": 1, "eos_token_id": 2}, indent=2))
    shutil.copyfile(a.tokenizer, base / a.tokenizer.name)


if __name__ == "__main__":
    main()
