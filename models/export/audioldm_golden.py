#!/usr/bin/env python3
"""Write a tiny model folder of random weights, and what PyTorch makes of prompts with it, for the tests of the server.

  audioldm_golden.py OUT      OUT gets nano/ and golden.json; the tests have it at services/audioldm/testdata

The whole pipeline is computed by PyTorch: its generator draws the noise, its modules are the networks. The folder's
tokenizer is tokenizer.json alone, of the 256 bytes and a few merges.
"""
import json
import os
import sys
import tempfile

import torch

import audioldm
import audioldm_random

MERGES = [("s", "i"), ("Ġ", "r"), ("si", "r")]
# Every eighth sample is kept, which a slip cannot hit.
EVERY = 8
CASES = [
    {"prompt": "a rising siren", "seed": 7, "audio_length_in_s": 0.28, "num_inference_steps": 4, "scheduler": "ddim"},
    {"prompt": "rain", "negative_prompt": "a siren", "seed": 42, "audio_length_in_s": 0.32, "num_inference_steps": 3, "scheduler": "ddim",
     "eta": 0.5, "num_waveforms_per_prompt": 2},
    {"prompt": "rain, sir", "seed": 4294967295, "audio_length_in_s": 0.12, "num_inference_steps": 5, "scheduler": "dpmsolver++", "guidance_scale": 4},
    {"prompt": "naïve", "seed": 0, "audio_length_in_s": 0.2, "num_inference_steps": 16, "scheduler": "dpmsolver++", "guidance_scale": 1},
]


def tokenizer():
    vocab = audioldm_random.plain_vocabulary()
    for a, b in MERGES:
        vocab[a + b] = len(vocab)
    return {
        "version": "1.0", "added_tokens": [], "normalizer": None, "decoder": {"type": "ByteLevel"},
        "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True},
        "post_processor": None, "model": {"type": "BPE", "dropout": None, "unk_token": "<unk>", "vocab": vocab, "merges": [list(m) for m in MERGES]}}


def encode(file, text):
    """Ids with <s> and </s>; MERGES are few enough that words need no splitting."""
    letters = {i - 4: t for t, i in audioldm_random.plain_vocabulary().items() if i >= 4}
    order = list(range(33, 127)) + list(range(161, 173)) + list(range(174, 256))
    order = order + [b for b in range(256) if b not in order]
    spelled = {b: t for b, t in zip(sorted(order), [letters[i] for i in range(256)])}
    symbols = [spelled[b] for b in text.encode()]
    for a, b in MERGES:
        i = 0
        while i + 1 < len(symbols):
            if (symbols[i], symbols[i + 1]) == (a, b):
                symbols[i:i + 2] = [a + b]
            i += 1
    vocab = file["model"]["vocab"]
    return torch.tensor([[0] + [vocab[s] for s in symbols] + [2]])


def bars():
    root = torch.linspace(0.0015 ** 0.5, 0.0195 ** 0.5, 1000, dtype=torch.float64)
    return torch.cumprod(1 - root ** 2, 0)


def ddim(predict, x, case, g):
    bar, steps, eta = bars(), case["num_inference_steps"], case.get("eta", 0)
    ratio = 1000 // steps
    for t in range((steps - 1) * ratio + 1, 0, -ratio):
        a, before = bar[t], bar[t - ratio] if t >= ratio else bar[0]
        eps = predict(x, t)
        original = (x - (1 - a).sqrt() * eps) / a.sqrt()
        sigma = eta * ((1 - before) / (1 - a) * (1 - a / before)).sqrt()
        x = before.sqrt() * original + (1 - before - sigma ** 2).sqrt() * eps
        if eta > 0:
            x = x + sigma * torch.randn(x.shape, generator=g)
        x = x.float()
    return x


def solver(predict, x, case, _):
    """DPM-Solver++ of second order with the midpoint rule; the last step, where the noise ends, is of first order."""
    bar, steps = bars(), case["num_inference_steps"]
    times = [i * (1000 // (steps + 1)) + 1 for i in range(steps, 0, -1)]
    alpha, sigma = [bar[t].sqrt() for t in times] + [1.0], [(1 - bar[t]).sqrt() for t in times] + [0.0]
    half = [torch.log(a / s) for a, s in zip(alpha[:-1], sigma[:-1])]
    last = None
    for i, t in enumerate(times):
        original = (x - sigma[i] * predict(x, t)) / alpha[i]
        if i == steps - 1:
            x = original
        else:
            h = half[i + 1] - half[i]
            slope = 0 if last is None else (original - last) * h / (half[i] - half[i - 1]) / 2
            x = sigma[i + 1] / sigma[i] * x - alpha[i + 1] * (torch.exp(-h) - 1) * (original + slope)
        last, x = original, x.float()
    return x


def make(modules, file, scaling, case):
    g = torch.Generator().manual_seed(case["seed"])
    guidance, count = case.get("guidance_scale", 2.5), case.get("num_waveforms_per_prompt", 1)

    def embed(text):
        ids = encode(file, text)
        return torch.nn.functional.normalize(modules["text_encoder"](ids, torch.ones_like(ids)), dim=1)

    prompt, negative = embed(case["prompt"]), embed(case.get("negative_prompt", ""))

    def predict(x, t):
        if guidance <= 1:
            return modules["unet"](x, torch.tensor(t), prompt.expand(len(x), -1))
        labels = torch.cat([negative.expand(len(x), -1), prompt.expand(len(x), -1)])
        without, towards = modules["unet"](torch.cat([x, x]), torch.tensor(t), labels).chunk(2)
        return without + guidance * (towards - without)

    frames = -(-int(case["audio_length_in_s"] / 0.01 + 1e-6) // 4) * 4
    x = torch.randn(count, 8, frames // 4, 16, generator=g)
    x = (ddim if case["scheduler"] == "ddim" else solver)(predict, x, case, g)
    sounds = modules["vocoder"](modules["vae_decoder"](x / scaling)[:, 0])[:, :int(case["audio_length_in_s"] * 16000 + 1e-6)]
    # The server takes the constant part out, and turns down what would clip.
    sounds = sounds - sounds.double().mean(1, keepdim=True)
    return sounds / (sounds.abs().amax(1, keepdim=True) / 0.99).clamp(min=1)


def main():
    out = sys.argv[1]
    folder = os.path.join(out, "nano")
    with tempfile.TemporaryDirectory() as checkpoint:
        audioldm_random.write("nano", checkpoint, 1, None)
        file = tokenizer()
        os.remove(os.path.join(checkpoint, "tokenizer", "vocab.json"))
        os.remove(os.path.join(checkpoint, "tokenizer", "merges.txt"))
        audioldm_random.dump(os.path.join(checkpoint, "tokenizer", "tokenizer.json"), file)
        done = list(audioldm.export(checkpoint, folder))
    modules = {part.target: module for part, module, _ in done}
    scaling = next(cfg["scaling_factor"] for part, _, cfg in done if part.target == "vae_decoder")
    golden = []
    with torch.no_grad():
        for case in CASES:
            sounds = make(modules, file, scaling, case)
            golden.append({"request": case, "length": sounds.shape[1], "every": EVERY,
                           "sounds": [[round(v, 6) for v in s[::EVERY].tolist()] for s in sounds]})
            print(case["prompt"], tuple(sounds.shape), "spread %.3f" % sounds.std().item())
    with open(os.path.join(out, "golden.json"), "w") as f:
        json.dump(golden, f)
        f.write("\n")


if __name__ == "__main__":
    main()
