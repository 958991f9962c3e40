"""Checkpoint files: safetensors and PyTorch's own, whole or in shards, into float32 tensors by name."""
import json
import os
import struct

import numpy as np
import torch

TYPES = {"F64": "<f8", "F32": "<f4", "F16": "<f2", "I64": "<i8", "I32": "<i4", "I16": "<i2", "I8": "i1", "U8": "u1", "BOOL": "?"}
# File names of diffusers and of transformers, the better ones first.
STEMS = ("diffusion_pytorch_model", "model", "pytorch_model")
MOST_HEADER = 100 << 20


def read_safetensors(path):
    """A length of 8 bytes, a header in JSON, and the tensors' bytes."""
    size = os.path.getsize(path)
    with open(path, "rb") as f:
        (length,) = struct.unpack("<Q", f.read(8))
        if length > min(MOST_HEADER, size - 8):
            raise ValueError("%s: a header of %d bytes in a file of %d" % (path, length, size))
        header = json.loads(f.read(length))
    data = np.memmap(path, np.uint8, "r", 8 + length) if size > 8 + length else np.zeros(0, np.uint8)
    tensors = {}
    for name, info in header.items():
        if name == "__metadata__":
            continue
        begin, end = info["data_offsets"]
        if not 0 <= begin <= end <= len(data):
            raise ValueError("%s: %s lies outside the file" % (path, name))
        raw = data[begin:end]
        if info["dtype"] == "BF16":
            # The upper half of a float32.
            values = (raw.view("<u2").astype(np.uint32) << 16).view(np.float32)
        elif info["dtype"] in TYPES:
            values = raw.view(TYPES[info["dtype"]])
        else:
            raise ValueError("%s: %s has the type %s, which is not known" % (path, name, info["dtype"]))
        tensors[name] = torch.from_numpy(np.array(values).reshape(info["shape"]))
    return tensors


def write_safetensors(path, tensors):
    header, at = {}, 0
    for name, t in tensors.items():
        kind = {torch.float32: "F32", torch.float16: "F16", torch.int64: "I64"}[t.dtype]
        header[name] = {"dtype": kind, "shape": list(t.shape), "data_offsets": [at, at + t.numel() * t.element_size()]}
        at += t.numel() * t.element_size()
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as f:
        f.write(struct.pack("<Q", len(text)) + text)
        for t in tensors.values():
            f.write(t.contiguous().numpy().tobytes())


def read_file(path):
    if path.endswith(".safetensors"):
        return read_safetensors(path)
    # weights_only: a pickle may run any code otherwise.
    return torch.load(path, map_location="cpu", weights_only=True)


def read(folder):
    """The weights of one part's folder."""
    for stem in STEMS:
        for ending in (".safetensors", ".fp16.safetensors", ".bin", ".fp16.bin"):
            path = os.path.join(folder, stem + ending)
            index = path + ".index.json"
            if os.path.exists(path):
                tensors = read_file(path)
            elif os.path.exists(index):
                with open(index) as f:
                    files = sorted(set(json.load(f)["weight_map"].values()))
                tensors = {}
                for name in files:
                    tensors.update(read_file(os.path.join(folder, os.path.basename(name))))
            else:
                continue
            return {k: v.float() if v.is_floating_point() else v for k, v in tensors.items()}
    raise FileNotFoundError("%s holds none of %s with .safetensors or .bin" % (folder, ", ".join(STEMS)))


def load(module, folder):
    """Fills a module from its folder. Every parameter must be there in its shape, and nothing else."""
    weights = read(folder)
    unused = getattr(module, "unused", ())
    weights = {k: v for k, v in weights.items() if not k.startswith(unused)} if unused else weights
    if hasattr(module, "rename"):
        weights = module.rename(weights)
    try:
        module.load_state_dict(weights, strict=True)
    except RuntimeError as err:
        raise SystemExit("%s does not fit its config.json: %s" % (folder, err))
    return module.eval().requires_grad_(False)
