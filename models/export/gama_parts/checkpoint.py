"""Tensors of PyTorch and safetensors checkpoints, one at a time.

A 7B checkpoint is larger than many machines' memory, so files are mapped and a
tensor is read when it is asked for. PyTorch's files are pickles; only the names
that a state dict needs are let through, so that a file from elsewhere runs no code.
"""

import collections
import json
import pathlib
import pickle
import struct
import zipfile

import numpy as np
import torch

SAFE_DTYPES = {
    "F64": torch.float64, "F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16,
    "I64": torch.int64, "I32": torch.int32, "I16": torch.int16, "I8": torch.int8, "U8": torch.uint8, "BOOL": torch.bool,
}
STORAGES = {
    "DoubleStorage": torch.float64, "FloatStorage": torch.float32, "HalfStorage": torch.float16, "BFloat16Storage": torch.bfloat16,
    "LongStorage": torch.int64, "IntStorage": torch.int32, "ShortStorage": torch.int16, "CharStorage": torch.int8,
    "ByteStorage": torch.uint8, "BoolStorage": torch.bool,
}
PREFIX = "base_model.model."  # of parameters inside a PEFT model


class Lazy:
    """A tensor that is still in its file."""

    def __init__(self, path, dtype, offset, shape, stride=None):
        self.path, self.dtype, self.offset, self.shape, self.stride = path, dtype, offset, tuple(shape), stride

    def read(self):
        """The tensor as float32, or as it is where it holds no floats."""
        size = torch.empty(0, dtype=self.dtype).element_size()
        count = 1
        for n in self.shape:
            count *= n
        if self.stride is not None and count:
            count = 1 + sum((n - 1) * s for n, s in zip(self.shape, self.stride))
        raw = np.memmap(self.path, np.uint8, "r", self.offset, (count * size,)) if count else np.empty(0, np.uint8)
        flat = torch.frombuffer(bytearray(raw), dtype=self.dtype) if count else torch.empty(0, dtype=self.dtype)
        tensor = flat.view(self.shape) if self.stride is None else torch.as_strided(flat, self.shape, self.stride)
        return tensor.float() if tensor.is_floating_point() else tensor.clone()


class _Storage:
    """Stands for a storage while a state dict is unpickled."""

    def __init__(self, dtype):
        self.dtype = dtype


def _rebuild(storage, offset, size, stride, *_):
    path, dtype, start = storage
    return Lazy(path, dtype, start + offset * torch.empty(0, dtype=dtype).element_size(), size, stride)


class _Unpickler(pickle.Unpickler):
    def __init__(self, file, path, places):
        super().__init__(file)
        self.path, self.places = path, places

    def find_class(self, module, name):
        if (module, name) == ("collections", "OrderedDict"):
            return collections.OrderedDict
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return _rebuild
        if (module, name) == ("torch._utils", "_rebuild_parameter"):
            return lambda tensor, *_: tensor
        if module == "torch" and name in STORAGES:
            return _Storage(STORAGES[name])
        raise pickle.UnpicklingError(f"{self.path}: {module}.{name} has no place in a state dict")

    def persistent_load(self, pid):
        kind, storage, key = pid[:3]
        if kind != "storage":
            raise pickle.UnpicklingError(f"{self.path}: a reference of kind {kind}")
        return self.path, storage.dtype, self.places[key]


def _read_torch(path):
    with zipfile.ZipFile(path) as archive, open(path, "rb") as raw:
        places, pickled = {}, None
        for info in archive.infolist():
            if info.filename.endswith("/data.pkl"):
                pickled = info
            elif "/data/" in info.filename:
                if info.compress_type != zipfile.ZIP_STORED:
                    raise ValueError(f"{path}: {info.filename} is compressed")
                raw.seek(info.header_offset + 26)
                name, extra = struct.unpack("<HH", raw.read(4))
                places[info.filename.rsplit("/", 1)[1]] = info.header_offset + 30 + name + extra
        if pickled is None:
            raise ValueError(f"{path} is no file of torch.save")
        with archive.open(pickled) as f:
            state = _Unpickler(f, str(path), places).load()
    for key in ("state_dict", "model"):
        if isinstance(state.get(key), dict):
            state = state[key]
    return {name: tensor for name, tensor in state.items() if isinstance(tensor, Lazy)}


def _read_safetensors(path):
    with open(path, "rb") as f:
        (length,) = struct.unpack("<Q", f.read(8))
        header = json.loads(f.read(length))
    header.pop("__metadata__", None)
    return {name: Lazy(path, SAFE_DTYPES[t["dtype"]], 8 + length + t["data_offsets"][0], t["shape"]) for name, t in header.items()}


def read(path):
    """The tensors of a file, or of all files of a folder, by name."""
    path = pathlib.Path(path)
    files = [path]
    if path.is_dir():
        files = sorted(path.glob("*.safetensors")) or sorted(p for p in path.glob("*.bin") if p.name != "training_args.bin")
    tensors = {}
    for file in files:
        tensors.update(_read_safetensors(file) if file.suffix == ".safetensors" else _read_torch(file))
    if not tensors:
        raise ValueError(f"{path} has no tensors")
    return tensors


class Checkpoint:
    """A base model with what training put over it: whole tensors, and LoRA, which is merged."""

    def __init__(self, base, trained=None, lora_alpha=16.0):
        self.alpha = lora_alpha
        self.tensors = {self._name(n): t for n, t in read(base).items()}
        if trained is not None:
            self.tensors.update({self._name(n): t for n, t in read(trained).items()})
        self.used = set()

    @staticmethod
    def _name(name):
        name = name[len(PREFIX):] if name.startswith(PREFIX) else name
        return name.replace(".base_layer.", ".").replace(".lora_A.default.", ".lora_A.").replace(".lora_B.default.", ".lora_B.")

    def __contains__(self, name):
        return name in self.tensors

    def __getitem__(self, name):
        """A tensor in float32, its LoRA update merged: W + alpha/r B A."""
        if name not in self.tensors:
            raise KeyError(f"the checkpoint lacks {name}")
        self.used.add(name)
        tensor = self.tensors[name].read()
        stem = name[: -len(".weight")]
        a, b = self.tensors.get(stem + ".lora_A.weight"), self.tensors.get(stem + ".lora_B.weight")
        if a is not None and b is not None:
            self.used.update((stem + ".lora_A.weight", stem + ".lora_B.weight"))
            a, b = a.read(), b.read()
            tensor = tensor + self.alpha / a.shape[0] * (b @ a)
        return tensor

    def count(self, pattern):
        """How many layers there are by a name with {} for the number."""
        n = 0
        while pattern.format(n) in self.tensors:
            n += 1
        return n

    def state(self, prefix):
        """Every tensor below a prefix, read, by the rest of its name."""
        return {n[len(prefix):]: self[n] for n in list(self.tensors) if n.startswith(prefix) and ".lora_" not in n}
