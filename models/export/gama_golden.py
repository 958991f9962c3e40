#!/usr/bin/env python3
"""Exports a small random model in each dtype for the server's tests, and keeps the
answers that PyTorch, torchaudio and sentencepiece give with its weights.

    python3 gama_golden.py    writes services/gama/testdata/exported

Needs torch, torchaudio, onnx and sentencepiece.
"""

import json
import pathlib
import subprocess
import sys
import tempfile

import sentencepiece
import torch

import gama
from gama_parts import checkpoint as checkpoints
from gama_parts import modules

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "parity"))
import torchaudio_golden  # noqa: E402
import whole_sounds  # noqa: E402

OUT = HERE.parents[1] / "services" / "gama" / "testdata" / "exported"
QUESTION = "What can be heard?"
TOKENS = 24


def answer(net, c, s, ids, sound):
    """The first logits and the tokens of a greedy answer."""
    rows = net(torchaudio_golden.features(sound)[None].float())
    embed = lambda ids: torch.nn.functional.embedding(torch.tensor([ids]), c["model.embed_tokens.weight"])
    decoder, past = modules.Decoder(c, s), [(torch.zeros(1, s.kv_heads, 0, s.head_dim),) * 2] * s.layers
    x, tokens, first = torch.cat([rows, embed(ids)], 1), [], None
    while len(tokens) < TOKENS:
        logits, past = decoder(x, past)
        if first is None:
            first = [round(v, 5) for v in logits[0, -1].tolist()]
        tokens.append(int(logits[0, -1].argmax()))
        x = embed(tokens[-1:])
    return first, tokens


def main():
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        subprocess.run([sys.executable, str(HERE / "gama_random.py"), str(folder)], check=True)
        base, trained = folder / "base", folder / "trained.bin"
        for dtype in ("fp16", "q8", "fp32"):
            subprocess.run([sys.executable, str(HERE / "gama.py"), str(base), str(trained), str(OUT), "--dtype", dtype, "--encoder-heads", "4"], check=True)
        c = checkpoints.Checkpoint(base, trained)
        s = gama.shape_of(c, json.loads((base / "config.json").read_text()), 4, 128)
        net = gama.listener(c, s)
        tokenizer = sentencepiece.SentencePieceProcessor(model_file=str(base / "tokenizer.model"))
        ids = [1] + tokenizer.encode(f"### Instruction:\n{QUESTION}\n\n### Response:\n")
        golden = {"question": QUESTION, "prompt": ids, "answers": []}
        for k in (1, 2, 3, 16):
            first, tokens = answer(net, c, s, ids, whole_sounds.clip(k))
            golden["answers"].append({"sound": k, "logits": first, "tokens": tokens})
            print(k, tokens)
    (OUT / "golden.json").write_text(json.dumps(golden, separators=(",", ":")) + "\n")


if __name__ == "__main__":
    with torch.no_grad():
        main()
