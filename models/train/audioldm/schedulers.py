#!/usr/bin/env python3
"""How often the judge names the prompted family of sounds that a server makes with different settings.

  schedulers.py --data FOLDER --server BINARY [--per 10] [--only NAME,...] [--json OUT] MODEL_FOLDER

FOLDER has test.pt (data.py) and judge.pt (judge.py). Twenty families, --per prompts of held-out wordings each, drawn by
--seed; the same prompts and seeds for every setting: DPM-Solver++ in 20 steps, which is the default (dpm20), DDIM in 20 and
in 200 (ddim20, ddim200). What the judge says of shuffled prompts is chance.
"""
import argparse
import base64
import json
import os

import numpy as np
import torch

import captions
import families
import judge
from mel import log_mel
from server import Server

SETTINGS = {"dpm20": {}, "ddim20": {"scheduler": "ddim"}, "ddim200": {"scheduler": "ddim", "num_inference_steps": 200}}


def prompts(test, per, seed):
    r, texts, family = np.random.default_rng(seed), [], []
    for i, name in enumerate(families.NAMES):
        like = [s for s in test["sounds"] if s["family"] == name]
        for k in range(per):
            texts.append(captions.test_caption(r, like[k % len(like)]))
            family.append(i)
    return texts, torch.tensor(family)


def sounds(server, texts, settings):
    out = []
    for i, text in enumerate(texts):
        answer = json.loads(server.post("/v1/audio/generations", dict(settings, prompt=text, seed=5000 + i, response_format="pcm")))
        x = np.frombuffer(base64.b64decode(answer["sounds"][0]["audio"]), "<i2").astype(np.float32) / 32767
        out.append(torch.from_numpy(x))
    return torch.stack(out)


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("--data", required=True)
    ap.add_argument("--server", required=True)
    ap.add_argument("--per", type=int, default=10)
    ap.add_argument("--seed", type=int, default=4321)
    ap.add_argument("--only", default=",".join(SETTINGS))
    ap.add_argument("--json", default="")
    ap.add_argument("folder")
    a = ap.parse_args()
    torch.set_num_threads(1)
    test, ears = torch.load(os.path.join(a.data, "test.pt")), judge.load(os.path.join(a.data, "judge.pt"))
    real = (judge.name(ears, test["mel"].float()) == test["family"]).float().mean()
    figures = {"judge on synthesised clips": round(float(real), 4)}
    texts, family = prompts(test, a.per, a.seed)
    with Server(a.server, a.folder, "audioldm-tiny") as server:
        for name in a.only.split(","):
            said = judge.name(ears, log_mel(sounds(server, texts, SETTINGS[name])))
            r = np.random.default_rng(5)
            shuffled = np.mean([(said == family[torch.tensor(r.permutation(len(family)))]).float().mean() for _ in range(20)])
            figures[name] = {"named": round(float((said == family).float().mean()), 4), "clips": len(family), "shuffled": round(float(shuffled), 4)}
            print(name, figures[name], flush=True)
    if a.json:
        with open(a.json, "w", encoding="utf8") as f:
            json.dump(figures, f, indent=1)
            f.write("\n")


if __name__ == "__main__":
    main()
