#!/usr/bin/env python3
"""CLAP folders with random weights, as Optimum exports them for transformers.js.

    python3 clap_random.py DIR            DIR/unfused, DIR/fused, DIR/whole with the shapes of laion/clap-htsat-*, and DIR/ast with those of MIT's AST
    python3 clap_random.py --mini DIR     the same with few layers and narrow ones, a few hundred kilobytes each

unfused and fused have onnx/audio_model.onnx and onnx/text_model.onnx; whole has both encoders in onnx/model.onnx; ast has model.onnx. The tokenizer is that of
clap-tiny. golden.json has vectors of transformers for sounds and texts that services/clap makes again. Needs torch, onnx and transformers (PyPI).
"""
import json
import os
import shutil
import sys

import numpy as np
import torch
from transformers import ASTConfig, ASTFeatureExtractor, ASTForAudioClassification, ASTModel, ClapConfig, ClapFeatureExtractor, ClapModel

HERE = os.path.dirname(os.path.abspath(__file__))
TINY = os.path.join(HERE, "..", "clap-tiny")
TEXTS = ["a dog barking", "This is a sound of rain.", "", "an old church bell, far away in the hills and the wind"]
SECONDS = (.4, 3.7, 10)
WHAT = "a dog barking|rain on a roof|an old engine|a church bell|he says 'no'|two birds|a bass drum|the sea at night|a phone|12 ünïcode".split("|")
WHERE = "|in the distance|, in a room|again and again|by a door|under a bridge|and nothing else|very loud|  with  spaces|(not here)".split("|")


def sets(mini):
    """Seconds of the sounds, and the texts, that golden.json has: 3 and 4, or 30 and 100."""
    if mini:
        return SECONDS, TEXTS
    return [round(.3 + 9.7 * i / 29, 3) for i in range(30)], [(a + " " + b).strip() for a in WHAT for b in WHERE]


def made(rate, seconds, seed):
    """Gliding tones and noise, as services/clap/sounds_test.go makes them."""
    n, state = int(rate * seconds + .5), seed
    noise = np.zeros(n)
    for i in range(n):
        state = (state * 1664525 + 1013904223) & 0xffffffff
        noise[i] = (state >> 8) / (1 << 23) - 1
    t = np.arange(n) / rate
    return (.3 * np.sin(2 * np.pi * ((150 + 100 * seed) * t + 60 * t * t)) + .1 * np.sin(2 * np.pi * 2100 * t) + .03 * noise).astype(np.float32)


def config(mini, fused):
    if not mini:
        audio = dict(spec_size=256, hidden_size=768, patch_embeds_hidden_size=96, depths=[2, 2, 6, 2], num_attention_heads=[4, 8, 16, 32], num_mel_bins=64)
        text = dict(vocab_size=50265, hidden_size=768, num_hidden_layers=12, num_attention_heads=12, intermediate_size=3072, max_position_embeddings=514)
        size = 512
    else:
        audio = dict(spec_size=256, hidden_size=64, patch_embeds_hidden_size=8, depths=[1, 1, 1, 1], num_attention_heads=[1, 2, 2, 4], num_mel_bins=64)
        text = dict(vocab_size=960, hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=64, max_position_embeddings=66)
        size = 32
    audio.update(enable_fusion=fused, projection_dim=size, hidden_dropout_prob=0)
    text.update(projection_dim=size)
    return ClapConfig(text_config=text, audio_config=audio, projection_dim=size)


class Audio(torch.nn.Module):
    def __init__(self, m, fused):
        super().__init__()
        self.m, self.fused = m, fused

    def forward(self, input_features, is_longer=None):
        return self.m.audio_projection(self.m.audio_model(input_features=input_features, is_longer=is_longer if self.fused else None).pooler_output)


class Text(torch.nn.Module):
    def __init__(self, m):
        super().__init__()
        self.m = m

    def forward(self, input_ids, attention_mask):
        return self.m.text_projection(self.m.text_model(input_ids=input_ids, attention_mask=attention_mask).pooler_output)


class Whole(torch.nn.Module):
    def __init__(self, m):
        super().__init__()
        self.m, self.audio, self.text = m, Audio(m, False), Text(m)

    def forward(self, input_ids, attention_mask, input_features):
        t = torch.nn.functional.normalize(self.text(input_ids, attention_mask), dim=-1)
        a = torch.nn.functional.normalize(self.audio(input_features), dim=-1)
        return a @ t.T * self.m.logit_scale_a.exp(), t, a


def save(module, inputs, path, names, outputs, axes):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    torch.onnx.export(module.eval(), inputs, path, input_names=names, output_names=outputs, dynamic_axes=axes, opset_version=17, dynamo=False)


def stir(m, seed):
    """Weights of a size that gives different inputs different vectors; as initialised, texts and sounds are nearly alike."""
    g = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, p in m.named_parameters():
            if p.dim() > 1:
                p.copy_(torch.randn(p.shape, generator=g) * (1.2 / p[0].numel() ** .5))
            elif "logit_scale" in name:
                p.fill_(np.log(20))
            else:
                p.add_(torch.randn(p.shape, generator=g) * .05)
        for name, b in m.named_buffers():
            if name.endswith("running_mean"):
                b.copy_(torch.randn(b.shape, generator=g) * 3 - 30)
            elif name.endswith("running_var"):
                b.fill_(400.)
    return m.eval()


def clap(to, mini, fused, whole, tokenizer):
    c = config(mini, fused)
    m = stir(ClapModel(c), 7 + fused)
    extract = ClapFeatureExtractor(feature_size=64, sampling_rate=48000, hop_length=480, max_length_s=10, fft_window_size=1024, frequency_min=50, frequency_max=14000,
                                   truncation="fusion" if fused else "rand_trunc", padding="repeatpad")
    os.makedirs(to, exist_ok=True)
    c.architectures = ["ClapModel"]
    c.save_pretrained(to)
    extract.save_pretrained(to)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copy(os.path.join(TINY, name), to)
    with open(os.path.join(to, "tokenizer_config.json"), "w") as f:
        json.dump({"tokenizer_class": "RobertaTokenizer", "bos_token": "<s>", "eos_token": "</s>", "pad_token": "<pad>", "unk_token": "<unk>", "model_max_length": 64 if mini else 512}, f, indent=1)
    x = torch.randn(1, 4 if fused else 1, 1001, 64) * 10 - 30
    ids = torch.tensor([[0, 5, 6, 2]])
    longer = torch.tensor([[True]])
    axes = {"input_ids": {0: "batch", 1: "tokens"}, "attention_mask": {0: "batch", 1: "tokens"}, "text_embeds": {0: "batch"}}
    if whole:
        save(Whole(m), (ids, torch.ones_like(ids), x), to + "/onnx/model.onnx", ["input_ids", "attention_mask", "input_features"],
             ["logits_per_audio", "text_embeds", "audio_embeds"], {**axes, "input_features": {0: "audio_batch"}, "audio_embeds": {0: "audio_batch"},
                                                                    "logits_per_audio": {0: "audio_batch", 1: "batch"}})
    else:
        save(Audio(m, fused), (x, longer) if fused else (x,), to + "/onnx/audio_model.onnx", ["input_features", "is_longer"] if fused else ["input_features"],
             ["audio_embeds"], {})
        save(Text(m), (ids, torch.ones_like(ids)), to + "/onnx/text_model.onnx", ["input_ids", "attention_mask"], ["text_embeds"], axes)
    golden = {"clips": [], "texts": []}
    lengths, texts = sets(mini)
    unit = lambda v: [round(float(x), 6) for x in torch.nn.functional.normalize(v, dim=-1)[0]]
    with torch.no_grad():
        for seed, seconds in enumerate(lengths, 1):
            f = extract(made(48000, seconds, seed), sampling_rate=48000, return_tensors="pt")
            golden["clips"].append({"seconds": seconds, "seed": seed, "vector": unit(Audio(m, fused)(f["input_features"].float(), f["is_longer"]))})
        for text in texts:
            t = torch.tensor([tokenizer(text)])
            golden["texts"].append({"text": text, "ids": t[0].tolist(), "vector": unit(Text(m)(t, torch.ones_like(t)))})
    golden["scale"] = float(m.logit_scale_a.exp())
    with open(to + "/golden.json", "w") as f:
        json.dump(golden, f)


def ast(to, mini, labels):
    c = ASTConfig(num_hidden_layers=2, hidden_size=32, num_attention_heads=2, intermediate_size=64, max_length=256) if mini else ASTConfig()
    if labels:
        c.id2label = {i: f"label_{i}" for i in range(5)}
        c.label2id = {v: k for k, v in c.id2label.items()}
    m = stir(ASTForAudioClassification(c) if labels else ASTModel(c), 11)
    c.architectures = [type(m).__name__]
    os.makedirs(to, exist_ok=True)
    c.save_pretrained(to)
    extract = ASTFeatureExtractor(max_length=c.max_length)
    extract.save_pretrained(to)
    name = "logits" if labels else "pooler_output"

    class Model(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.m = m

        def forward(self, input_values):
            return getattr(self.m(input_values), name)
    x = torch.randn(1, c.max_length, 128)
    save(Model(), (x,), to + "/model.onnx", ["input_values"], [name], {"input_values": {0: "batch"}, name: {0: "batch"}})
    golden = {"clips": []}
    with torch.no_grad():
        for seed, seconds in enumerate((.4, 2.3), 1):  # what one run of the small shape takes
            v = Model()(extract(made(16000, seconds, seed), sampling_rate=16000, return_tensors="pt")["input_values"])
            golden["clips"].append({"seconds": seconds, "seed": seed, "vector": [round(float(x), 6) for x in (v[0] if labels else torch.nn.functional.normalize(v, dim=-1)[0])]})
    with open(to + "/golden.json", "w") as f:
        json.dump(golden, f)


def main():
    args = [a for a in sys.argv[1:] if not a.startswith("--")]
    mini = "--mini" in sys.argv
    from tokenizers import Tokenizer
    t = Tokenizer.from_file(os.path.join(TINY, "tokenizer.json"))
    tokenizer = lambda text: t.encode(text).ids
    torch.manual_seed(1)
    for name, fused, whole in (("unfused", False, False), ("fused", True, False), ("whole", False, True)):
        clap(os.path.join(args[0], name), mini, fused, whole, tokenizer)
        print(name)
    ast(os.path.join(args[0], "ast"), mini, False)
    ast(os.path.join(args[0], "ast-labels"), mini, True)


if __name__ == "__main__":
    main()
