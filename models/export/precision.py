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


def _convolution(node, weights):
    """The weight of a convolution over one dimension that can be a matrix product, or None: no padding, dilation or groups, and enough
    channels for the product to be worth it."""
    if node.op_type != "Conv" or node.input[1] not in weights:
        return None
    w = weights[node.input[1]]
    settings = {a.name: helper.get_attribute_value(a) for a in node.attribute}
    plain = not any(settings.get("pads", [0])) and settings.get("group", 1) == 1 and set(settings.get("dilations", [1])) == {1}
    return w if len(w.dims) == 3 and w.dims[1] >= 64 and plain and settings.get("auto_pad", b"NOTSET") == b"NOTSET" else None


def convolutions_to_products(model):
    """Convolutions over one dimension as matrix products of their strided inputs, one beside the other. ONNX Runtime's convolutions of
    eight bits are slower than float32; its products are not. Call to_int8 after this."""
    g = model.graph
    weights = {t.name: t for t in g.initializer if t.data_type == F32 and len(t.dims) == 3}
    nodes = []

    def constant(name, values):
        if all(t.name != name for t in g.initializer):
            g.initializer.append(numpy_helper.from_array(np.array(values, np.int64), name))
        return name

    for node in g.node:
        w = _convolution(node, weights)
        if w is None:
            nodes.append(node)
            continue
        array = numpy_helper.to_array(w)
        out, channels, kernel = array.shape
        stride = next((a.ints[0] for a in node.attribute if a.name == "strides"), 1)
        y, matrix, parts = node.output[0], w.name + "_matrix", []
        if all(t.name != matrix for t in g.initializer):
            g.initializer.append(numpy_helper.from_array(np.ascontiguousarray(array.transpose(2, 1, 0).reshape(kernel * channels, out)), matrix))
        nodes.append(helper.make_node("Transpose", [node.input[0]], [y + "_rows"], perm=[0, 2, 1], name=y + "_rows"))
        for i in range(kernel):
            end = i - kernel + 1
            parts.append("%s_part%d" % (y, i))
            nodes.append(helper.make_node("Slice", [y + "_rows", constant("at_%d" % i, [i]), constant("to_%d" % end, [end or 2**62]), constant("axis_1", [1]),
                                                    constant("by_%d" % stride, [stride])], [parts[-1]], name=parts[-1]))
        nodes.append(helper.make_node("Concat", parts, [y + "_wide"], axis=2, name=y + "_wide"))
        product = y + "_product"
        nodes.append(helper.make_node("MatMul", [y + "_wide", matrix], [product], name=product))
        if len(node.input) > 2:
            nodes.append(helper.make_node("Add", [product, node.input[2]], [y + "_biased"], name=y + "_biased"))
            product = y + "_biased"
        nodes.append(helper.make_node("Transpose", [product], [y], perm=[0, 2, 1], name=y + "_back"))
    del g.node[:]
    g.node.extend(nodes)


def to_int8(model, convolutions=False):
    """Weights of matrix products as int8, symmetric per column; what they are multiplied with is quantised as it comes
    (DynamicQuantizeLinear, MatMulInteger), which is how ONNX Runtime's own tool does it. Convolutions stay float32, or become
    products, too."""
    if convolutions:
        convolutions_to_products(model)
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
