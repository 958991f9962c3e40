"""Weights of an exported graph back into the torch module that it was exported from.

The exporter keeps the names of most parameters. It renames two kinds, which are
told by their order in the graph: the matrices of linear layers on inputs of more
than two dimensions (transposed, onnx::MatMul_*), and weights that only multiply
and add, as those of group norms (onnx::Mul_* and onnx::Add_*).
"""
import numpy as np
import onnx
import torch
import torch.nn as nn
from onnx import numpy_helper


def called(module, example, kinds):
    """Names of the modules of some kinds in the order in which a forward call runs them."""
    order, hooks = [], []
    for name, m in module.named_modules():
        if isinstance(m, kinds):
            hooks.append(m.register_forward_hook(lambda _m, _i, _o, name=name: order.append(name)))
    with torch.no_grad():
        module(*example)
    for h in hooks:
        h.remove()
    return order


def widened(value):
    """A tensor; what is stored as float16 as float32."""
    return torch.tensor(value.astype(np.float32) if value.dtype == np.float16 else np.array(value))


def load(module, path, example, prefix="", scales=None):
    """Fill module from the graph at path. Returns the names of parameters that the graph lacks.

    example: inputs of a forward call. prefix stands before the module's names in
    the graph. scales: names of modules with a weight and a bias that only multiply
    and add, in order; default: the group norms as called.
    """
    graph = {i.name: widened(numpy_helper.to_array(i)) for i in onnx.load(path).graph.initializer}
    state = module.state_dict()
    missing = []
    for name in state:
        if prefix + name in graph and graph[prefix + name].shape == state[name].shape:
            state[name] = graph[prefix + name]
        else:
            missing.append(name)

    def in_order(kind):
        keys = [k for k in graph if k.startswith("onnx::" + kind)]
        return [graph[k] for k in sorted(keys, key=lambda k: int(k.rsplit("_", 1)[1]))]
    linears = [n for n in called(module, example, (nn.Linear,)) if n + ".weight" in missing]
    for name, w in zip(linears, in_order("MatMul")):
        assert w.T.shape == state[name + ".weight"].shape, name
        state[name + ".weight"] = w.T.contiguous()
        missing.remove(name + ".weight")
    if scales is None:
        scales = [n for n in called(module, example, (nn.GroupNorm,)) if n + ".weight" in missing]
    for name, w, b in zip(scales, in_order("Mul"), in_order("Add")):
        state[name + ".weight"], state[name + ".bias"] = w.reshape(-1), b.reshape(-1)
        assert w.numel() == module.state_dict()[name + ".weight"].numel(), name
        missing.remove(name + ".weight")
        missing.remove(name + ".bias")
    module.load_state_dict(state)
    return missing
