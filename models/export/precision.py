"""Smaller weights for an exported graph: float16, and int8 by dynamic quantisation."""
import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

F32, F16 = TensorProto.FLOAT, TensorProto.FLOAT16


def _half(tensor):
    """A float32 tensor as float16, clipped to its range: the mask's lowest float would become minus infinity."""
    values = np.clip(numpy_helper.to_array(tensor), -65504, 65504).astype(np.float16)
    return numpy_helper.from_array(values, tensor.name)


def to_float16(model, keep_edges=True):
    """Every float32 weight and constant as float16. keep_edges leaves the graph's inputs and outputs float32, with casts
    behind them, as most published float16 graphs have it."""
    g = model.graph
    for i, tensor in enumerate(g.initializer):
        if tensor.data_type == F32:
            g.initializer[i].CopyFrom(_half(tensor))
    for node in g.node:
        for a in node.attribute:
            if a.type == onnx.AttributeProto.TENSOR and a.t.data_type == F32:
                a.t.CopyFrom(_half(a.t))
            if node.op_type == "Cast" and a.name == "to" and a.i == F32:
                a.i = F16
    del g.value_info[:]
    first, last = [], []
    for value in list(g.input) + list(g.output):
        if value.type.tensor_type.elem_type != F32:
            continue
        if not keep_edges:
            value.type.tensor_type.elem_type = F16
            continue
        inside = value.name + "_float16"
        is_input = value in list(g.input)
        for node in g.node:
            names = node.input if is_input else node.output
            for i, name in enumerate(names):
                if name == value.name:
                    names[i] = inside
        if is_input:
            first.append(helper.make_node("Cast", [value.name], [inside], name=inside, to=F16))
        else:
            last.append(helper.make_node("Cast", [inside], [value.name], name=inside, to=F32))
    nodes = first + list(g.node) + last
    del g.node[:]
    g.node.extend(nodes)


def to_int8(model):
    """Weights of matrix products as int8, symmetric per column; what they are multiplied with is quantised as it comes
    (DynamicQuantizeLinear, MatMulInteger), which is how ONNX Runtime's own tool does it. Convolutions stay float32."""
    g = model.graph
    weights = {t.name: t for t in g.initializer if t.data_type == F32 and len(t.dims) == 2}
    nodes, quantised, done = [], {}, {}
    for node in g.node:
        if node.op_type != "MatMul" or node.input[1] not in weights:
            nodes.append(node)
            continue
        x, w, y = node.input[0], node.input[1], node.output[0]
        if w not in done:
            done[w] = _int8(g, numpy_helper.to_array(weights[w]), w)
        if x not in quantised:
            quantised[x] = [x + "_u8", x + "_scale", x + "_zero"]
            nodes.append(helper.make_node("DynamicQuantizeLinear", [x], quantised[x], name=x + "_quantize"))
        u8, scale, zero = quantised[x]
        nodes += [
            helper.make_node("MatMulInteger", [u8, done[w][0], zero, done[w][2]], [y + "_i32"], name=y + "_int"),
            helper.make_node("Cast", [y + "_i32"], [y + "_f32"], name=y + "_cast", to=F32),
            helper.make_node("Mul", [scale, done[w][1]], [y + "_s"], name=y + "_scale"),
            helper.make_node("Mul", [y + "_f32", y + "_s"], [y], name=y + "_mul"),
        ]
    del g.node[:]
    g.node.extend(nodes)
    used = {name for node in g.node for name in node.input}
    kept = [t for t in g.initializer if t.name in used]
    del g.initializer[:]
    g.initializer.extend(kept)
    del g.value_info[:]


def _int8(g, w, name):
    """The names of weight, scales and zero points, added to the graph."""
    scale = np.maximum(np.abs(w).max(0), 1e-8) / 127
    parts = [np.clip(np.round(w / scale), -127, 127).astype(np.int8), scale.astype(np.float32), np.zeros(w.shape[1], np.int8)]
    names = [name + suffix for suffix in ("_i8", "_i8_scale", "_i8_zero")]
    g.initializer.extend(numpy_helper.from_array(p, n) for p, n in zip(parts, names))
    return names
