"""Llama's decoder and its embedding as ONNX graphs, written a weight at a time.

The names are those of transformers.js: inputs_embeds, attention_mask,
position_ids, past_key_values.{i}.key and .value, num_logits_to_keep; logits,
present.{i}.key and .value. Weights beyond SMALL go beside the graph, into
NAME.onnx_data, so that the 7B model needs no more memory than its largest matrix.

Three ways to keep a matrix:
  fp32  as it is.
  fp16  half precision, also the cache. The products are of half precision too.
  q8    eight bits with a scale for each output, as onnxruntime's dynamic
        quantisation has it: DynamicQuantizeLinear, MatMulInteger. The bytes are
        unsigned around 128, because signed ones saturate on CPUs without VNNI.
"""

import math
import pathlib

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

OPSET, IR = 17, 8
SMALL = 64 << 20  # bytes of weights that stay in the graph's own file
ALIGN = 4096
SUFFIX = {"fp32": "", "fp16": "_fp16", "q8": "_quantized"}


class Graph:
    """A graph under construction. Weights are given as numpy arrays and written at once."""

    def __init__(self, path, expected_bytes):
        self.path = pathlib.Path(path)
        self.nodes, self.initializers, self.inputs, self.outputs = [], [], [], []
        self.names = 0
        self.data = None
        if expected_bytes > SMALL:
            self.data = open(f"{self.path}_data", "wb")

    def _fresh(self):
        self.names += 1
        return f"v{self.names}"

    def op(self, kind, *inputs, outputs=1, into=None, **attributes):
        names = [into] if into else [self._fresh() for _ in range(outputs)]
        self.nodes.append(helper.make_node(kind, list(inputs), names, **attributes))
        return names[0] if outputs == 1 else names

    def constant(self, values, dtype=np.int64):
        name = self._fresh()
        self.initializers.append(numpy_helper.from_array(np.asarray(values, dtype), name))
        return name

    def weight(self, array):
        name = self._fresh()
        array = np.ascontiguousarray(array)
        if self.data is None or array.nbytes < 1024:
            self.initializers.append(numpy_helper.from_array(array, name))
            return name
        self.data.write(b"\0" * (-self.data.tell() % ALIGN))
        tensor = TensorProto(name=name, data_type=helper.mapping.NP_TYPE_TO_TENSOR_TYPE[array.dtype], dims=array.shape, data_location=TensorProto.EXTERNAL)
        for key, value in (("location", self.path.name + "_data"), ("offset", self.data.tell()), ("length", array.nbytes)):
            tensor.external_data.add(key=key, value=str(value))
        self.data.write(array.tobytes())
        self.initializers.append(tensor)
        return name

    def declare(self, into, name, kind, shape):
        into.append(helper.make_tensor_value_info(name, kind, shape))
        return name

    def save(self):
        if self.data is not None:
            self.data.close()
        graph = helper.make_graph(self.nodes, "main", self.inputs, self.outputs, self.initializers)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], producer_name="grym-synth")
        model.ir_version = IR
        onnx.save(model, str(self.path))
        onnx.checker.check_model(str(self.path))


def quantized(matrix):
    """[rows, columns] as bytes around 128 and a scale for each column."""
    scale = np.maximum(np.abs(matrix).max(0), 1e-8) / 127
    return (np.rint(matrix / scale) + 128).astype(np.uint8), scale.astype(np.float32)


class DecoderGraph(Graph):
    def __init__(self, path, checkpoint, s, dtype):
        size = {"fp32": 4, "fp16": 2, "q8": 1}[dtype]
        super().__init__(path, size * (s.vocabulary * s.decoder_width + s.layers * (4 * s.decoder_width ** 2 + 3 * s.decoder_width * s.ffn)))
        self.checkpoint, self.s, self.dtype = checkpoint, s, dtype
        self.cache = TensorProto.FLOAT16 if dtype == "fp16" else TensorProto.FLOAT

    def linear(self, x, name, quant=None):
        """x times a linear layer's matrix. quant shares the quantised x between products."""
        matrix = self.checkpoint[name].numpy().T
        if self.dtype == "fp32":
            return self.op("MatMul", x, self.weight(matrix))
        if self.dtype == "fp16":
            half = self.op("Cast", x, to=TensorProto.FLOAT16)
            return self.op("Cast", self.op("MatMul", half, self.weight(matrix.astype(np.float16))), to=TensorProto.FLOAT)
        values, scale, zero = quant or self.quantize(x)
        bytes_, scales = quantized(matrix)
        product = self.op("MatMulInteger", values, self.weight(bytes_), zero, self.constant(128, np.uint8))
        return self.op("Mul", self.op("Cast", product, to=TensorProto.FLOAT), self.op("Mul", scale, self.weight(scales)))

    def quantize(self, x):
        return self.op("DynamicQuantizeLinear", x, outputs=3) if self.dtype == "q8" else None

    def norm(self, x, name):
        mean = self.op("ReduceMean", self.op("Mul", x, x), axes=[-1])
        x = self.op("Div", x, self.op("Sqrt", self.op("Add", mean, self.constant(self.s.rms_eps, np.float32))))
        return self.op("Mul", x, self.weight(self.checkpoint[name].numpy()))

    def heads(self, x, count):
        """[B, S, count*dim] as [B, count, S, dim]."""
        return self.op("Transpose", self.op("Reshape", x, self.constant([0, -1, count, self.s.head_dim])), perm=[0, 2, 1, 3])

    def rotate(self, x):
        half = self.s.head_dim // 2
        parts = self.op("Split", x, self.constant([half, half]), outputs=2, axis=3)
        turned = self.op("Concat", self.op("Neg", parts[1]), parts[0], axis=3)
        return self.op("Add", self.op("Mul", x, self.cos), self.op("Mul", turned, self.sin))

    def cached(self, x, i, kind):
        """What is new behind the past, which is also an output; as float32."""
        s = self.s
        past = self.declare(self.inputs, f"past_key_values.{i}.{kind}", self.cache, ["batch", s.kv_heads, "past", s.head_dim])
        present = self.declare(self.outputs, f"present.{i}.{kind}", self.cache, ["batch", s.kv_heads, "total", s.head_dim])
        if self.dtype != "fp16":
            return self.op("Concat", past, x, axis=2, into=present)
        self.op("Concat", past, self.op("Cast", x, to=TensorProto.FLOAT16), axis=2, into=present)
        return self.op("Cast", present, to=TensorProto.FLOAT)

    def repeated(self, x):
        """A key-value head for each of the query heads that share it."""
        s, group = self.s, self.s.heads // self.s.kv_heads
        if group == 1:
            return x
        x = self.op("Unsqueeze", x, self.constant([2]))
        x = self.op("Expand", x, self.constant([1, 1, group, 1, 1]))
        return self.op("Reshape", x, self.constant([0, s.heads, -1, s.head_dim]))

    def layer(self, x, i):
        s, w = self.s, lambda name: f"model.layers.{i}.{name}.weight"
        y = self.norm(x, w("input_layernorm"))
        shared = self.quantize(y)
        q = self.rotate(self.heads(self.linear(y, w("self_attn.q_proj"), shared), s.heads))
        k = self.cached(self.rotate(self.heads(self.linear(y, w("self_attn.k_proj"), shared), s.kv_heads)), i, "key")
        v = self.cached(self.heads(self.linear(y, w("self_attn.v_proj"), shared), s.kv_heads), i, "value")
        q = self.op("Mul", q, self.constant(1 / math.sqrt(s.head_dim), np.float32))
        scores = self.op("MatMul", q, self.op("Transpose", self.repeated(k), perm=[0, 1, 3, 2]))
        weights = self.op("Softmax", self.op("Add", scores, self.mask), axis=-1)
        y = self.op("Transpose", self.op("MatMul", weights, self.repeated(v)), perm=[0, 2, 1, 3])
        y = self.op("Reshape", y, self.constant([0, -1, s.heads * s.head_dim]))
        x = self.op("Add", x, self.linear(y, w("self_attn.o_proj")))
        y = self.norm(x, w("post_attention_layernorm"))
        shared = self.quantize(y)
        gate = self.linear(y, w("mlp.gate_proj"), shared)
        y = self.op("Mul", self.op("Mul", gate, self.op("Sigmoid", gate)), self.linear(y, w("mlp.up_proj"), shared))
        return self.op("Add", x, self.linear(y, w("mlp.down_proj")))

    def prepare(self, mask, embeds, positions):
        """Cosines and sines of the positions, and the mask: causal, and without what attention_mask leaves out."""
        inverse = 1 / self.s.rope_theta ** (np.arange(0, self.s.head_dim, 2) / self.s.head_dim)
        at = self.op("Unsqueeze", self.op("Cast", positions, to=TensorProto.FLOAT), self.constant([2]))
        angles = self.op("Mul", at, self.constant(np.concatenate([inverse, inverse]), np.float32))
        angles = self.op("Unsqueeze", angles, self.constant([1]))
        self.cos, self.sin = self.op("Cos", angles), self.op("Sin", angles)
        size = lambda x: self.op("Gather", self.op("Shape", x), self.constant(1), axis=0)
        zero, one = self.constant(0), self.constant(1)
        total, new = size(mask), size(embeds)
        keys = self.op("Unsqueeze", self.op("Range", zero, total, one), self.constant([0]))
        queries = self.op("Unsqueeze", self.op("Range", self.op("Sub", total, new), total, one), self.constant([1]))
        there = self.op("Unsqueeze", self.op("Cast", mask, to=TensorProto.BOOL), self.constant([1, 2]))
        seen = self.op("And", self.op("LessOrEqual", keys, queries), there)
        self.mask = self.op("Where", seen, self.constant(0, np.float32), self.constant(-1e9, np.float32))

    def build(self):
        s = self.s
        embeds = self.declare(self.inputs, "inputs_embeds", TensorProto.FLOAT, ["batch", "new", s.decoder_width])
        mask = self.declare(self.inputs, "attention_mask", TensorProto.INT64, ["batch", "total"])
        positions = self.declare(self.inputs, "position_ids", TensorProto.INT64, ["batch", "new"])
        keep = self.declare(self.inputs, "num_logits_to_keep", TensorProto.INT64, [])
        self.declare(self.outputs, "logits", TensorProto.FLOAT, ["batch", "kept", s.vocabulary])
        self.prepare(mask, embeds, positions)
        x = embeds
        for i in range(s.layers):
            x = self.layer(x, i)
            print(f"  decoder layer {i + 1} of {s.layers}", flush=True)
        x = self.norm(x, "model.norm.weight")
        first = self.op("Unsqueeze", self.op("Neg", keep), self.constant([0]))
        x = self.op("Slice", x, first, self.constant([np.iinfo(np.int64).max]), self.constant([1]))
        self.op("Identity", self.linear(x, "lm_head.weight"), into="logits")
        self.save()


def embedding(path, table, dtype):
    """The graph of embed_tokens, [B, S] to [B, S, D]."""
    g = Graph(path, table.size * {"fp32": 4, "fp16": 2, "q8": 1}[dtype])
    ids = g.declare(g.inputs, "input_ids", TensorProto.INT64, ["batch", "new"])
    g.declare(g.outputs, "inputs_embeds", TensorProto.FLOAT, ["batch", "new", table.shape[1]])
    if dtype == "q8":
        bytes_, scales = quantized(table.T)
        rows = g.op("Cast", g.op("Gather", g.weight(bytes_.T), ids), to=TensorProto.FLOAT)
        rows = g.op("Sub", rows, g.constant(128, np.float32))
        rows = g.op("Mul", rows, g.op("Unsqueeze", g.op("Gather", g.weight(scales), ids), g.constant([2])))
    else:
        rows = g.op("Gather", g.weight(table.astype({"fp32": np.float32, "fp16": np.float16}[dtype])), ids)
        if dtype == "fp16":
            rows = g.op("Cast", rows, to=TensorProto.FLOAT)
    g.op("Identity", rows, into="inputs_embeds")
    g.save()
