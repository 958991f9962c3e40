"""A model folder as torch modules: its graphs' weights and its tokenizer."""
import json
import os

import torch

import onnxweights
from bytepairs import Tokenizer
from networks import Gama
from questions import SPECIALS

PARTS = ("audio_encoder", "embed_tokens", "decoder_model_merged")


def graph(folder, part):
    return os.path.join(folder, "onnx", part + ".onnx")


def read_merges(folder):
    with open(os.path.join(folder, "tokenizer.json"), encoding="utf8") as f:
        merges = json.load(f)["model"]["merges"]
    return [tuple(m.split(" ")) if isinstance(m, str) else tuple(m) for m in merges]


def read(folder, tokenizer, classes):
    """The model for a tokenizer that has all tokens of the folder's own and may have more.

    A token that the folder lacks starts as the mean of the pieces that it had.
    The heads for training start anew.
    """
    own = Tokenizer(read_merges(folder), SPECIALS)
    old, new = Gama(len(own.tokens), classes), Gama(len(tokenizer.tokens), classes)
    missing = onnxweights.load(old.audio, graph(folder, "audio_encoder"), (torch.zeros(1, 64, 128),), scales=[])
    assert all(n.split(".")[0] in ("aux", "h1", "h2", "hp") for n in missing), missing
    past = [torch.zeros(1, old.dec.h, 0, old.dec.hd)] * (2 * len(old.dec.layers))
    example = (torch.zeros(1, 2, 128), torch.ones(1, 2, dtype=torch.long), torch.arange(2)[None], *past)
    missing = onnxweights.load(old.dec, graph(folder, "decoder_model_merged"), example, scales=[])
    assert not missing, missing
    new.audio.load_state_dict(old.audio.state_dict())
    state = old.dec.state_dict()
    table = state.pop("lm_head.weight")
    new.dec.load_state_dict(state, strict=False)
    with torch.no_grad():
        for token, i in tokenizer.id.items():
            ids = [own.id[token]] if token in own.id else own.word(token)
            new.embed.weight[i] = table[ids].mean(0)
    return new
