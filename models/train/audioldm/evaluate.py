#!/usr/bin/env python3
"""Measure model folders: evaluate.py --data FOLDER [--server BINARY] [--json OUT] MODEL_FOLDER...

FOLDER has test.pt (data.py) and judge.pt (judge.py). With --server each sound comes
from the real server over HTTP, with its defaults; else from torch with 20 DDIM
steps. The same prompts and seeds for every model folder.
"""
import argparse
import base64
import json
import os

import numpy as np
import torch

import captions
import families
import folder
import judge
import pitch
from mel import log_mel
from networks import CL, ddim
from server import Server

SAMPLES = 40960
PER_FAMILY = 20
# attribute: held-out wordings, the lower word, the higher, how it is heard
PAIRS = {"low, high": (["play me a {} tone please", "make me a {} bell"], "low", "high", "height"),
         "slow, fast": (["can you do {} beeps", "a video needs {} snare drum"], "slow", "fast", "onsets"),
         "light, heavy": (["it should be {} rain now"], "light", "heavy", "energy"),
         "falling, rising": (["generate a {} sweep", "my scene wants a {} chirp"], "falling", "rising", "climb")}
EACH = 12  # clips for each word


class Torch:
    """Sounds from the parts in torch, peak-normalised as the server does."""

    def __init__(self, path):
        self.tokenizer = folder.read_tokenizer(path)
        self.text, self.unet = folder.read_text(path, self.tokenizer), folder.read_unet(path)
        self.decoder, self.vocoder, self.scale = folder.read_decoder(path), folder.read_vocoder(path), folder.scaling(path)

    def sounds(self, prompts, seed):
        noise, out = torch.Generator().manual_seed(seed), []
        with torch.no_grad():
            null = self.text(*folder.batch(self.tokenizer, [""]))
            for i in range(0, len(prompts), 20):
                e = self.text(*folder.batch(self.tokenizer, prompts[i:i + 20]))
                z = ddim(self.unet, e, null, generator=noise)
                out.append(self.vocoder(self.decoder((z / self.scale).contiguous(memory_format=CL))[:, 0]))
        w = torch.cat(out)
        return w / w.abs().amax(1, keepdim=True).clamp(min=1e-6)


class HTTP:
    def __init__(self, server):
        self.server = server

    def sounds(self, prompts, seed):
        out = []
        for i, p in enumerate(prompts):
            answer = json.loads(self.server.post("/v1/audio/generations", dict(prompt=p, seed=seed * 10000 + i, response_format="pcm")))
            x = np.frombuffer(base64.b64decode(answer["sounds"][0]["audio"]), "<i2").astype(np.float32) / 32767
            assert len(x) == SAMPLES, len(x)
            out.append(torch.from_numpy(x))
        return torch.stack(out)


def height(mel):
    """Mean band, weighted by energy."""
    e = torch.exp(mel) ** 2
    return (e.sum(1) * torch.arange(64)).sum(1) / e.sum((1, 2))


def onsets(mel):
    """Share of moments at which the sound grows by more than a neper."""
    return ((mel[:, 2:] - mel[:, :-2]).clamp(min=0).mean(2) > 1).float().mean(1)


def energy(mel):
    return torch.exp(mel).mean((1, 2))


def heard(how, sounds):
    if how == "climb":
        return torch.tensor([pitch.climb(x) for x in sounds.numpy()])
    return {"height": height, "onsets": onsets, "energy": energy}[how](log_mel(sounds))


def named(maker, names, test):
    """The prompted family's share, its share with shuffled prompts, and each family's."""
    r, prompts, family = np.random.default_rng(999), [], []
    for i, name in enumerate(families.NAMES):
        like = [s for s in test["sounds"] if s["family"] == name]
        for k in range(PER_FAMILY):
            prompts.append(captions.test_caption(r, like[k % len(like)]))
            family.append(i)
    family = torch.tensor(family)
    sounds = maker.sounds(prompts, 1)
    said = judge.name(maker.judge, log_mel(sounds))
    shuffled = np.mean([(said == family[torch.tensor(r.permutation(len(family)))]).float().mean() for _ in range(20)])
    wrong = [(prompts[i], families.NAMES[said[i]]) for i in range(len(said)) if said[i] != family[i]]
    each = {n: round(float((said[family == i] == i).float().mean()), 2) for i, n in enumerate(families.NAMES)}
    return {"family named": round(float((said == family).float().mean()), 4), "clips": len(family), "shuffled prompts": round(float(shuffled), 4),
            "peak": round(float(sounds.abs().max()), 4), "by family": each, "wrong": wrong}


def attributes(maker):
    out = {}
    for name, (frames, low, high, how) in PAIRS.items():
        shares = []
        for frame in frames:
            u = heard(how, maker.sounds([frame.format(low)] * EACH + [frame.format(high)] * EACH, 3))
            shares.append(float((u[EACH:, None] > u[None, :EACH]).float().mean()))
        out[name] = [round(s, 3) for s in shares]
    return out


def steadiness(maker):
    words = ["", "low ", "high ", "deep "]
    prompts = [captions.TEST_FRAMES[i % 8].format(words[i % 4] + ["sine tone", "pure tone", "steady tone"][i % 3]) for i in range(24)]
    w = [pitch.wander(x) for x in maker.sounds(prompts, 4).numpy()]
    return {"semitones, median": round(float(np.median(w)), 2), "clips within one": round(float(np.mean(np.array(w) <= 1)), 2), "clips": len(w)}


def measure(maker, test):
    return {"named": named(maker, families.NAMES, test), "order of attributes": attributes(maker), "steady tone": steadiness(maker)}


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("--data", required=True)
    ap.add_argument("--server", default="")
    ap.add_argument("--json", default="")
    ap.add_argument("folders", nargs="+")
    a = ap.parse_args()
    torch.set_num_threads(1)
    test, ears = torch.load(os.path.join(a.data, "test.pt")), judge.load(os.path.join(a.data, "judge.pt"))
    real = (judge.name(ears, test["mel"].float()) == test["family"]).float().mean()
    figures = {"judge on synthesised clips": round(float(real), 4)}
    for path in a.folders:
        if a.server:
            with Server(a.server, path, "audioldm-tiny") as server:
                maker = HTTP(server)
                maker.judge = ears
                figures[path] = measure(maker, test)
        else:
            maker = Torch(path)
            maker.judge = ears
            figures[path] = measure(maker, test)
    text = json.dumps(figures, indent=1)
    print(text)
    if a.json:
        with open(a.json, "w", encoding="utf8") as f:
            f.write(text + "\n")


if __name__ == "__main__":
    main()
