"""A small Wav2Vec2ForCTC in plain torch, with the parameter names of the public checkpoints."""
import json

import torch
import torch.nn as nn
import torch.nn.functional as F

from bfloat import cast
from contiguous import contiguous_grad

KERNEL = (10, 3, 3, 3, 3, 2, 2)
STRIDE = (5, 2, 2, 2, 2, 2, 2)
SIZES = dict(dims=[32, 64, 64, 128, 96, 128, 128], hidden=144, heads=4, ffn=576, layers=4, pos_kernel=32, pos_groups=8)


class ConvLayer(nn.Module):
    def __init__(self, i, o, k, s, norm):
        super().__init__()
        self.conv = nn.Conv1d(i, o, k, s, bias=False)
        nn.init.kaiming_normal_(self.conv.weight)
        self.layer_norm = nn.GroupNorm(o, o) if norm else None

    def forward(self, x, samples=None):
        x = self.conv(x)
        if self.layer_norm is not None:
            x = cast(x, torch.float32)
            x = self.layer_norm(x) if samples is None else self.norm_of_clips(x, samples)
        return contiguous_grad(F.gelu(x))

    def norm_of_clips(self, x, samples):
        """The group norm, whose sums over time are those of the clips alone. In the server nothing is
        padded; counted in, padding would make every clip of training louder than it is there."""
        count = (samples - self.conv.kernel_size[0]) // self.conv.stride[0] + 1
        for k, n in enumerate(count.tolist()):
            x[k, :, n:] = 0
        mean = x.sum(-1, keepdim=True) / count[:, None, None]
        variance = (x * x).sum(-1, keepdim=True) / count[:, None, None] - mean * mean
        scale = self.layer_norm.weight[:, None] * (variance + self.layer_norm.eps).rsqrt()
        return x * scale + (self.layer_norm.bias[:, None] - mean * scale)


class FeatureExtractor(nn.Module):
    def __init__(self, dims):
        super().__init__()
        d = [1] + list(dims)
        self.conv_layers = nn.ModuleList([ConvLayer(d[i], d[i + 1], KERNEL[i], STRIDE[i], i == 0) for i in range(7)])

    def forward(self, x, samples=None):
        x = x[:, None]
        for layer in self.conv_layers:
            x = layer(x, samples)
        return x


class Projection(nn.Module):
    def __init__(self, c, h):
        super().__init__()
        self.layer_norm = nn.LayerNorm(c)
        self.projection = nn.Linear(c, h)

    def forward(self, x):
        return self.projection(self.layer_norm(cast(x, torch.float32)))


class PosConv(nn.Module):
    def __init__(self, h, k, g):
        super().__init__()
        self.conv = nn.Conv1d(h, h, k, padding=k // 2, groups=g)
        self.even = k % 2 == 0
        nn.init.normal_(self.conv.weight, 0, 2 * (1 / (k * h)) ** .5)
        nn.init.zeros_(self.conv.bias)

    def forward(self, x):
        y = contiguous_grad(self.conv(x.transpose(1, 2).contiguous()))
        if self.even:
            y = y[:, :, :-1]
        return F.gelu(y).transpose(1, 2)


class Attention(nn.Module):
    def __init__(self, h, n):
        super().__init__()
        self.n, self.d = n, h // n
        self.k_proj, self.v_proj, self.q_proj, self.out_proj = [nn.Linear(h, h) for _ in range(4)]

    def forward(self, x, valid=None):
        b, t, h = x.shape

        def split(y):
            return y.reshape(b, t, self.n, self.d).transpose(1, 2)

        q, k, v = split(self.q_proj(x) * self.d ** -.5), split(self.k_proj(x)), split(self.v_proj(x))
        a = q @ k.transpose(-1, -2)
        if valid is not None:
            a = a.masked_fill(~valid[:, None, None], -1e4)
        a = a.softmax(-1)
        return self.out_proj((a @ v).transpose(1, 2).reshape(b, t, h))


class FeedForward(nn.Module):
    def __init__(self, h, f):
        super().__init__()
        self.intermediate_dense = nn.Linear(h, f)
        self.output_dense = nn.Linear(f, h)

    def forward(self, x):
        return self.output_dense(F.gelu(self.intermediate_dense(x)))


class Layer(nn.Module):
    def __init__(self, h, n, f):
        super().__init__()
        self.attention = Attention(h, n)
        self.layer_norm = nn.LayerNorm(h)
        self.feed_forward = FeedForward(h, f)
        self.final_layer_norm = nn.LayerNorm(h)

    def forward(self, x, valid=None):
        x = self.layer_norm(x + self.attention(x, valid))
        return self.final_layer_norm(x + self.feed_forward(x))


class Encoder(nn.Module):
    def __init__(self, h, n, f, layers, pk, pg):
        super().__init__()
        self.pos_conv_embed = PosConv(h, pk, pg)
        self.layer_norm = nn.LayerNorm(h)
        self.layers = nn.ModuleList([Layer(h, n, f) for _ in range(layers)])

    def forward(self, x, valid=None):
        """The output, and that of the middle layer (for the phoneme loss); valid tells clips from padding."""
        if valid is not None:
            x = x.masked_fill(~valid[:, :, None], 0)
        x = self.layer_norm(x + self.pos_conv_embed(x))
        mid = None
        for i, layer in enumerate(self.layers):
            x = layer(x, valid)
            if i + 1 == max(1, len(self.layers) // 2):
                mid = x
        return x, mid


class Wav2Vec2(nn.Module):
    def __init__(self, s):
        super().__init__()
        self.feature_extractor = FeatureExtractor(s["dims"])
        self.feature_projection = Projection(s["dims"][-1], s["hidden"])
        self.encoder = Encoder(s["hidden"], s["heads"], s["ffn"], s["layers"], s["pos_kernel"], s["pos_groups"])
        self.masked_spec_embed = nn.Parameter(torch.zeros(s["hidden"]))


class CTC(nn.Module):
    def __init__(self, sizes=None):
        super().__init__()
        self.sizes = dict(SIZES, **(sizes or {}))
        self.wav2vec2 = Wav2Vec2(self.sizes)
        self.lm_head = nn.Linear(self.sizes["hidden"], 32)
        for m in self.modules():
            if isinstance(m, nn.Linear):
                nn.init.xavier_uniform_(m.weight)
                nn.init.zeros_(m.bias)

    def forward(self, x):
        w = self.wav2vec2
        c = w.feature_extractor(x).transpose(1, 2)
        return self.lm_head(w.encoder(w.feature_projection(c))[0])

    def train_forward(self, x, mask, samples):
        """Conv features, middle layer and logits of clips of so many samples, padded with zeros; masked
        frames are replaced by a learnt vector. Every clip gives what it would give by itself."""
        w = self.wav2vec2
        c = w.feature_extractor(x, samples).transpose(1, 2)
        h = w.feature_projection(c)
        h = torch.where(mask[:, :, None], w.masked_spec_embed, cast(h, torch.float32))
        valid = torch.arange(h.shape[1]) < frames(samples)[:, None]
        y, mid = w.encoder(h, valid)
        return c, mid, self.lm_head(y)


def frames(n):
    """Of the logits, for n samples."""
    for k, s in zip(KERNEL, STRIDE):
        n = (n - k) // s + 1
    return n


def config(sizes):
    """config.json of the model folder, from the sizes."""
    return {
        "model_type": "wav2vec2", "architectures": ["Wav2Vec2ForCTC"], "vocab_size": 32,
        "hidden_size": sizes["hidden"], "num_hidden_layers": sizes["layers"],
        "num_attention_heads": sizes["heads"], "intermediate_size": sizes["ffn"], "hidden_act": "gelu",
        "conv_dim": list(sizes["dims"]), "conv_kernel": list(KERNEL), "conv_stride": list(STRIDE), "conv_bias": False,
        "feat_extract_norm": "group", "do_stable_layer_norm": False,
        "num_conv_pos_embeddings": sizes["pos_kernel"], "num_conv_pos_embedding_groups": sizes["pos_groups"],
        "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2,
    }


def sizes_of(config_path):
    with open(config_path) as f:
        c = json.load(f)
    return dict(dims=c["conv_dim"], hidden=c["hidden_size"], heads=c["num_attention_heads"], ffn=c["intermediate_size"],
                layers=c["num_hidden_layers"], pos_kernel=c["num_conv_pos_embeddings"], pos_groups=c["num_conv_pos_embedding_groups"])


def from_onnx(folder):
    """The torch model back from an exported folder: training can go on from
    committed weights without a checkpoint."""
    import onnx
    from onnx import numpy_helper
    m = CTC(sizes_of(folder + "/config.json"))
    graph = onnx.load(folder + "/model.onnx").graph
    init = {i.name: torch.from_numpy(numpy_helper.to_array(i).copy()) for i in graph.initializer}
    sd = m.state_dict()
    done = {"wav2vec2.masked_spec_embed"}  # not part of the graph
    for k in sd:
        if k in init:
            sd[k].copy_(init[k])
            done.add(k)
    for n in graph.node:
        # the exporter transposes the weight of a Linear and renames it; the node's name tells which it is
        if n.op_type == "MatMul" and n.input[1] in init:
            k = n.name[1:-len("/MatMul")].replace("/", ".") + ".weight"
            k = k if k in sd else "wav2vec2." + k
            sd[k].copy_(init[n.input[1]].t())
            done.add(k)
        # the first layer's GroupNorm: InstanceNormalization, then Mul and Add with [channels, 1]
        if n.op_type in ("Mul", "Add") and "conv_layers.0/layer_norm" in n.name and n.input[1] in init:
            k = "wav2vec2.feature_extractor.conv_layers.0.layer_norm." + ("weight" if n.op_type == "Mul" else "bias")
            sd[k].copy_(init[n.input[1]].reshape(-1))
            done.add(k)
    missing = set(sd) - done
    assert not missing, missing
    return m
