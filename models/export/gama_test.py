#!/usr/bin/env python3
"""Holds the exporter's parts against PyTorch's own: its layers, its reader of files.

    python3 gama_test.py
"""

import collections
import json
import pathlib
import pickle
import struct
import tempfile
import unittest

import numpy as np
import torch
from torch import nn

from gama_parts import checkpoint, decoder, modules


class Layers(unittest.TestCase):
    """The layers are those of nn.TransformerEncoderLayer, with the weights under other names."""

    def setUp(self):
        torch.manual_seed(0)
        self.x = torch.randn(2, 9, 32)

    def same(self, mine, theirs, pairs, joined):
        for a, b in pairs:
            theirs.get_submodule(a).load_state_dict(mine.get_submodule(b).state_dict())
        with torch.no_grad():
            theirs.self_attn.in_proj_weight.copy_(torch.cat([mine.get_submodule(n).weight for n in joined]))
            theirs.self_attn.in_proj_bias.copy_(torch.cat([mine.get_submodule(n).bias for n in joined]))
        theirs.eval()

    def test_block(self):
        for shared, suffix in ((False, ""), (True, "_a")):
            mine = modules.Block(32, 4, 64, shared)
            for p in mine.parameters():
                nn.init.normal_(p, std=0.3)
            theirs = nn.TransformerEncoderLayer(32, 4, 64, 0, "gelu", 1e-5, True, True)
            self.same(mine, theirs, [("norm1", "norm1" + suffix), ("norm2", "norm2" + suffix), ("linear1", "mlp.fc1"), ("linear2", "mlp.fc2"), ("self_attn.out_proj", "attn.proj")], ["attn.qkv"])
            torch.testing.assert_close(mine(self.x), theirs(self.x), rtol=1e-4, atol=1e-4)

    def test_bert(self):
        for mine, suffix, call in ((modules.AggregatorLayer(32, 4, 64), "", lambda m: m(self.x)), (modules.QueryLayer(32, 32, 4, 64, False), "_query", lambda m: m(self.x, None))):
            for p in mine.parameters():
                nn.init.normal_(p, std=0.3)
            theirs = nn.TransformerEncoderLayer(32, 4, 64, 0, "gelu", 1e-12, True, False)
            self.same(mine, theirs, [("norm1", "attention.output.LayerNorm"), ("norm2", f"output{suffix}.LayerNorm"), ("linear1", f"intermediate{suffix}.dense"),
                                     ("linear2", f"output{suffix}.dense"), ("self_attn.out_proj", "attention.output.dense")], [f"attention.self.{p}" for p in ("query", "key", "value")])
            torch.testing.assert_close(call(mine), theirs(self.x), rtol=1e-4, atol=1e-4)

    def test_cross_attention(self):
        mine, memory = modules.BertSelf(32, 24, 4), torch.randn(2, 5, 24)
        theirs = nn.MultiheadAttention(32, 4, kdim=24, vdim=24, batch_first=True)
        with torch.no_grad():
            for name in ("q", "k", "v"):
                getattr(theirs, name + "_proj_weight").copy_({"q": mine.query, "k": mine.key, "v": mine.value}[name].weight)
            theirs.in_proj_bias.copy_(torch.cat([mine.query.bias, mine.key.bias, mine.value.bias]))
            theirs.out_proj.weight.copy_(torch.eye(32))
            theirs.out_proj.bias.zero_()
        torch.testing.assert_close(mine(self.x, memory), theirs(self.x, memory, memory)[0], rtol=1e-4, atol=1e-5)

    def test_patches_go_by_frequency_and_then_time(self):
        net = modules.AudioEncoder(8, 2, 8, 512, 0, 0)
        sound = torch.zeros(1, 1024, 128)
        sound[0, 16 * 5:16 * 6, 16 * 3:16 * 4] = 1  # the patch at time 5, frequency 3
        with torch.no_grad():
            net.patch_embed_a.proj.bias.zero_()
            patches = net.patch_embed_a(sound.unsqueeze(1).transpose(2, 3))
        self.assertEqual(patches[0].abs().sum(1).nonzero().flatten().tolist(), [3 * 64 + 5])


class Files(unittest.TestCase):
    def setUp(self):
        temporary = tempfile.TemporaryDirectory()
        self.addCleanup(temporary.cleanup)
        self.folder = pathlib.Path(temporary.name)

    def test_torch_files(self):
        torch.manual_seed(1)
        whole = torch.randn(6, 4)
        state = collections.OrderedDict(a=whole, b=whole[2:5].t(), c=torch.randn(3).half(), d=torch.randn(2, 2).bfloat16(), e=nn.Parameter(torch.randn(5)), f=torch.arange(3), g=torch.tensor(2.5))
        torch.save(state, self.folder / "x.bin")
        read = checkpoint.read(self.folder)
        self.assertEqual(set(read), set(state))
        for name, want in torch.load(self.folder / "x.bin").items():
            got = read[name].read()
            torch.testing.assert_close(got, want.detach().float() if want.is_floating_point() else want)

    def test_a_file_runs_no_code(self):
        class Evil:
            def __reduce__(self):
                return (print, ("owned",))
        torch.save({"a": Evil()}, self.folder / "x.bin")
        with self.assertRaises(pickle.UnpicklingError):
            checkpoint.read(self.folder)

    def test_safetensors(self):
        a = np.arange(6, dtype=np.float16).reshape(2, 3)
        header = json.dumps({"__metadata__": {}, "a": {"dtype": "F16", "shape": [2, 3], "data_offsets": [4, 16]}}).encode()
        (self.folder / "x.safetensors").write_bytes(struct.pack("<Q", len(header)) + header + b"\0" * 4 + a.tobytes())
        np.testing.assert_array_equal(checkpoint.read(self.folder)["a"].read().numpy(), a.astype(np.float32))

    def test_lora_is_merged(self):
        torch.manual_seed(2)
        base, a, b = torch.randn(4, 6), torch.randn(2, 6), torch.randn(4, 2)
        (self.folder / "base").mkdir()
        torch.save({"model.x.q_proj.weight": base, "model.y": torch.zeros(1)}, self.folder / "base" / "x.bin")
        for names in (("lora_A", "lora_B"), ("lora_A.default", "lora_B.default")):
            torch.save({f"base_model.model.model.x.q_proj.{names[0]}.weight": a, f"base_model.model.model.x.q_proj.{names[1]}.weight": b, "base_model.model.model.y": torch.ones(1)}, self.folder / "trained.bin")
            c = checkpoint.Checkpoint(self.folder / "base", self.folder / "trained.bin", 16)
            x = torch.randn(6)
            torch.testing.assert_close(c["model.x.q_proj.weight"] @ x, base @ x + 8 * b @ (a @ x), rtol=1e-4, atol=1e-4)
            self.assertEqual(float(c["model.y"]), 1)
        with self.assertRaises(KeyError):
            c["model.z"]


class Bytes(unittest.TestCase):
    def test_eight_bits(self):
        matrix = np.random.default_rng(3).normal(size=(32, 5)).astype(np.float32)
        values, scale = decoder.quantized(matrix)
        back = (values.astype(np.float32) - 128) * scale
        self.assertLessEqual(float(np.abs(back - matrix).max()), float(scale.max()) / 2 * 1.001)


if __name__ == "__main__":
    unittest.main()
