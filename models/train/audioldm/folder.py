"""A model folder's parts as torch modules, with the weights of their graphs."""
import json
import os

import torch

import onnxweights
from bytepairs import LETTERS, Tokenizer
from networks import CL, LATENT, TEXT, WIDTH, Decoder, Text, UNet
from vocoder import Vocoder

SPECIALS = ["<s>", "<pad>", "</s>", "<unk>"]


def batch(tokenizer, texts):
    """ids and mask, int64 [b, longest]."""
    rows = [[0] + tokenizer.encode(t) + [2] for t in texts]
    n = max(map(len, rows))
    return (torch.tensor([r + [1] * (n - len(r)) for r in rows]), torch.tensor([[1] * len(r) + [0] * (n - len(r)) for r in rows]))


def read_tokenizer(folder):
    with open(os.path.join(folder, "tokenizer", "merges.txt"), encoding="utf8") as f:
        lines = [line.rstrip("\n") for line in f if not line.startswith("#version")]
    tokenizer = Tokenizer([tuple(line.split(" ")) for line in lines if line], SPECIALS, LETTERS)
    with open(os.path.join(folder, "tokenizer", "vocab.json"), encoding="utf8") as f:
        assert json.load(f) == tokenizer.id
    return tokenizer


def scaling(folder):
    with open(os.path.join(folder, "vae_decoder", "config.json"), encoding="utf8") as f:
        return json.load(f)["scaling_factor"]


def path(folder, part):
    return os.path.join(folder, part, "model.onnx")


def read_decoder(folder):
    m = Decoder()
    missing = onnxweights.load(m, path(folder, "vae_decoder"), (torch.zeros(1, LATENT, 16, WIDTH),), prefix="g.")
    assert not missing, missing
    return m.eval().to(memory_format=CL)


def read_unet(folder):
    """Parameters that the graph lacks (a file from before they were there) keep their start."""
    m = UNet()
    example = (torch.zeros(1, LATENT, 16, WIDTH), torch.zeros(1, dtype=torch.long), torch.zeros(1, TEXT))
    missing = [n for n in onnxweights.load(m, path(folder, "unet"), example) if not n.startswith(("place", "look"))]
    assert not missing, missing
    return m.eval().to(memory_format=CL)


def read_text(folder, tokenizer):
    m = Text(len(tokenizer.tokens))
    missing = onnxweights.load(m, path(folder, "text_encoder"), batch(tokenizer, ["a bell"]))
    assert missing in ([], ["att.weight"]), missing
    return m.eval()


def read_vocoder(folder):
    m = Vocoder()
    scales = ["bl.%d.n" % i for i in range(4)]
    missing = onnxweights.load(m, path(folder, "vocoder"), (torch.zeros(1, 32, 64),), scales=scales)
    assert set(missing) <= {"adv"}, missing
    return m.eval()
