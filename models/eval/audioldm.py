#!/usr/bin/env python3
"""How often a judge that never heard a running server names its sounds as the prompts asked.

    python3 audioldm.py --generator FOLDER --server http://127.0.0.1:8080 [--per 10] [--model NAME] [--settings JSON ...]

FOLDER has the synthesis of the sounds that the model was trained on, as data.py
with FAM, clip, caption and logmel. A judge is trained here, on clips of that
synthesis alone, and tried on clips that it was not trained on; then it hears what
the server makes of --per prompts for each family, in the wordings that training
never saw. Shuffled prompts tell what chance is. Several --settings are compared on
the same prompts and seeds; each is joined to the request. Needs numpy and torch.
It is for models whose synthesis is at hand in that form, as the first
audioldm-tiny's was; models/train/audioldm/evaluate.py measures those that were
trained there.
"""

import argparse
import base64
import http.client
import json
import os
import sys
import urllib.parse

import numpy as np
import torch

TRAINING = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "train")
EACH = 200  # clips of each family that the judge learns from
TRIED = 25  # and is tried on


def clips(data, each, seed):
    """Log-mel of synthesised clips, and their families."""
    r = np.random.default_rng(seed)
    made = [(data.clip(r, f)[0], f) for _ in range(each) for f in range(len(data.FAM))]
    x = torch.tensor(np.stack([x for x, _ in made]))
    return torch.cat([data.logmel(x[i:i + 64]) for i in range(0, len(x), 64)]), torch.tensor([f for _, f in made])


def judge_of(data, steps):
    """A judge, and its share of right names on clips that it was not trained on."""
    import judge
    from torch.nn import functional
    torch.manual_seed(3)
    mel, family = clips(data, EACH, 1)
    ears = judge.Judge()
    opt = torch.optim.AdamW(ears.parameters(), 2e-3, weight_decay=.02)
    rate = torch.optim.lr_scheduler.CosineAnnealingLR(opt, steps)
    for _ in range(steps):
        i = torch.randint(0, len(mel), (48,))
        loss = functional.cross_entropy(ears(judge.disturb(mel[i])), family[i], label_smoothing=.05)
        opt.zero_grad()
        loss.backward()
        opt.step()
        rate.step()
    ears.eval()
    mel, family = clips(data, TRIED, 2)
    return (lambda sounds: judge.name(ears, sounds)), float((judge.name(ears, mel) == family).float().mean())


def prompts(data, per):
    r = np.random.default_rng(999)
    texts = [data.caption(r, f, data.clip(r, f)[1], True) for f in range(len(data.FAM)) for _ in range(per)]
    return texts, torch.arange(len(data.FAM)).repeat_interleave(per)


def sounds(url, model, texts, settings):
    """What the server makes of the prompts, [prompts, samples]."""
    connection = http.client.HTTPConnection(urllib.parse.urlsplit(url).netloc, timeout=300)
    out = []
    for i, text in enumerate(texts):
        body = dict(settings, prompt=text, seed=i, response_format="pcm", **({"model": model} if model else {}))
        connection.request("POST", "/v1/audio/generations", json.dumps(body), {"Content-Type": "application/json", "Accept": "application/json"})
        response = connection.getresponse()
        answer = json.loads(response.read())
        if response.status != 200:
            raise SystemExit(f"{response.status}: {answer}")
        out.append(np.frombuffer(base64.b64decode(answer["sounds"][0]["audio"]), "<i2").astype(np.float32) / 32767)
    return torch.from_numpy(np.stack(out))


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--generator", required=True)
    ap.add_argument("--server", required=True)
    ap.add_argument("--per", type=int, default=10)
    ap.add_argument("--model", default="")
    ap.add_argument("--steps", type=int, default=900, help="of the judge's training")
    ap.add_argument("--settings", action="append", type=json.loads)
    a = ap.parse_args()
    torch.set_num_threads(1)
    # The generator's data.py must not be hidden by the one of the same name.
    sys.path[:0] = [a.generator]
    import data
    sys.path[1:1] = [TRAINING, os.path.join(TRAINING, "audioldm")]
    ears, share = judge_of(data, a.steps)
    print(f"the judge on synthesised clips that it was not trained on: {100 * share:.1f} % of {TRIED * len(data.FAM)}", flush=True)
    texts, family = prompts(data, a.per)
    for settings in a.settings or [{}]:
        said = ears(data.logmel(sounds(a.server, a.model, texts, settings)))
        r = np.random.default_rng(1)
        shuffled = np.mean([(said == family[torch.tensor(r.permutation(len(family)))]).float().mean() for _ in range(20)])
        right = int((said == family).sum())
        print(f"{json.dumps(settings)}: {right} of {len(family)} named as asked ({100 * right / len(family):.1f} %), prompts shuffled {100 * shuffled:.1f} %", flush=True)


if __name__ == "__main__":
    main()
