"""Holds exported graphs against PyTorch, by running them with onnxruntime-node."""

import json
import pathlib
import subprocess
import tempfile

import numpy as np
import torch

from . import decoder, modules

HERE = pathlib.Path(__file__).resolve().parent
# The largest difference, as a part of the largest value. Eight bits and half precision
# are bounded loosely: what they cost is for the reader of the printed numbers to judge.
TOLERANCE = {"fp32": 1e-4, "fp16": 2e-2, "q8": 2e-1}
STEPS = (40, 1, 1, 5)  # positions of the runs of the decoder: a prompt, tokens, a follow-up


class Cases:
    """Runs of graphs, collected and then done by one process of node."""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.cases, self.expected = [], []

    def add(self, graph, inputs, outputs):
        at = len(self.cases)
        entry = {"graph": str(graph), "inputs": {}, "outputs": {}}
        for i, (name, value) in enumerate(inputs.items()):
            file = f"{at}-in{i}"
            (self.folder / file).write_bytes(np.ascontiguousarray(value).tobytes())
            entry["inputs"][name] = {"file": file, "type": value.dtype.name, "dims": list(value.shape)}
        for i, name in enumerate(outputs):
            entry["outputs"][name] = f"{at}-out{i}"
        self.cases.append(entry)
        self.expected.append(outputs)

    def run(self):
        """The outputs of each case by name, as arrays of the expected shape."""
        (self.folder / "cases.json").write_text(json.dumps(self.cases))
        subprocess.run(["node", str(HERE / "run.mjs"), str(self.folder)], check=True)
        for case, expected in zip(self.cases, self.expected):
            yield {name: np.fromfile(self.folder / case["outputs"][name], np.float32).reshape(want.shape) for name, want in expected.items()}


def difference(got, want):
    return float(np.abs(got - want).max() / max(1e-6, np.abs(want).max()))


def decoder_cases(cases, graph, c, s, dtype, rows):
    """A prompt, then single tokens, then several at once, each with what PyTorch has as the past."""
    generator = torch.Generator().manual_seed(2)
    reference = modules.Decoder(c, s)
    past = [(torch.zeros(1, s.kv_heads, 0, s.head_dim),) * 2] * s.layers
    kind = np.float16 if dtype == "fp16" else np.float32
    for i, n in enumerate(STEPS):
        ids = torch.randint(3, s.vocabulary, (1, n), generator=generator)
        embeds = torch.nn.functional.embedding(ids, c["model.embed_tokens.weight"])
        if i == 0:
            embeds = torch.cat([rows, embeds], 1)
        done, n = past[0][0].shape[2], embeds.shape[1]
        inputs = {
            "inputs_embeds": embeds.numpy(), "attention_mask": np.ones((1, done + n), np.int64),
            "position_ids": np.arange(done, done + n)[None], "num_logits_to_keep": np.array(1, np.int64)}
        inputs |= {f"past_key_values.{i}.{k}": t.numpy().astype(kind) for i, pair in enumerate(past) for k, t in zip(("key", "value"), pair)}
        logits, past = reference(embeds, past)
        expected = {"logits": logits[:, -1:].numpy()}
        last = s.layers - 1
        expected |= {f"present.{last}.key": past[last][0].numpy(), f"present.{last}.value": past[last][1].numpy()}
        cases.add(graph, inputs, expected)


def run(folder, net, c, s, dtype):
    suffix = decoder.SUFFIX[dtype]
    graphs = (folder / "onnx").resolve()
    sound = torch.randn(1, s.frames, s.bins, generator=torch.Generator().manual_seed(1))
    sound[:, s.frames * 3 // 4:] = 1.13291266  # padding, as it is after the normalisation
    rows = net(sound)
    table = c["model.embed_tokens.weight"]
    ids = torch.arange(0, s.vocabulary, max(1, s.vocabulary // 50))[None]
    with tempfile.TemporaryDirectory() as temporary:
        cases = Cases(temporary)
        cases.add(graphs / "audio_encoder.onnx", {"input_features": sound.numpy()}, {"audio_features": rows.numpy()})
        cases.add(graphs / f"embed_tokens{suffix}.onnx", {"input_ids": ids.numpy()}, {"inputs_embeds": torch.nn.functional.embedding(ids, table).numpy()})
        decoder_cases(cases, graphs / f"decoder_model_merged{suffix}.onnx", c, s, dtype, rows)
        results = list(cases.run())
    lines = [("Q-Former rows", "fp32", results[0]["audio_features"][:, :s.queries], rows[:, :s.queries].numpy()),
             ("aggregator rows", "fp32", results[0]["audio_features"][:, s.queries:], rows[:, s.queries:].numpy()),
             ("embedding", dtype, results[1]["inputs_embeds"], cases.expected[1]["inputs_embeds"])]
    for step, (got, want) in enumerate(zip(results[2:], cases.expected[2:])):
        lines += [(f"decoder run {step + 1}, {name}", dtype, got[name], want[name]) for name in want]
        same = got["logits"].argmax() == want["logits"].argmax()
        print(f"decoder run {step + 1}: the likeliest token is {'the same' if same else 'another'}")
    wrong = 0
    for name, kind, got, want in lines:
        d = difference(got, want)
        wrong += d > TOLERANCE[kind]
        print(f"{name:34} {d:.2e} of {np.abs(want).max():.3g}{'  TOO FAR' if d > TOLERANCE[kind] else ''}")
    if wrong:
        raise SystemExit(f"{wrong} outputs are too far from PyTorch's")
