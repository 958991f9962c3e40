"""The Wav2Vec2 family in plain torch: both norm variants, every head, with or without an attention mask.

Parameter names are those of the public checkpoints (pos_conv_embed.conv without its weight norm, which an export
folds away), so a state dict of one can be loaded. The graph is for inference: no dropout, no masking of features.
"""
import inspect
import json

import torch
import torch.nn as nn
import torch.nn.functional as F

# Later versions of torch export by another way, which needs more packages, unless they are asked not to.
BY_TRACING = {"dynamo": False} if "dynamo" in inspect.signature(torch.onnx.export).parameters else {}

HEADS = {
    "ctc": "Wav2Vec2ForCTC",
    "features": "Wav2Vec2Model",
    "sequence": "Wav2Vec2ForSequenceClassification",
    "frames": "Wav2Vec2ForAudioFrameClassification",
}

# facebook/wav2vec2-base-960h
BASE = {
    "model_type": "wav2vec2", "vocab_size": 32, "hidden_size": 768, "num_hidden_layers": 12, "num_attention_heads": 12,
    "intermediate_size": 3072, "hidden_act": "gelu", "layer_norm_eps": 1e-5, "feat_extract_norm": "group",
    "feat_extract_activation": "gelu", "conv_dim": [512] * 7, "conv_kernel": [10, 3, 3, 3, 3, 2, 2],
    "conv_stride": [5, 2, 2, 2, 2, 2, 2], "conv_bias": False, "num_feat_extract_layers": 7,
    "num_conv_pos_embeddings": 128, "num_conv_pos_embedding_groups": 16, "do_stable_layer_norm": False,
    "classifier_proj_size": 256, "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2, "add_adapter": False,
}

# What the layer-norm checkpoints change.
LAYER_NORM = {"feat_extract_norm": "layer", "do_stable_layer_norm": True, "conv_bias": True}


class ConvLayer(nn.Module):
    """One convolution over the waveform; norm is None, "group" (one group per channel) or "layer" (over channels)."""

    def __init__(self, i, o, kernel, stride, bias, norm, eps):
        super().__init__()
        self.conv = nn.Conv1d(i, o, kernel, stride, bias=bias)
        self.norm = norm
        if norm == "group":
            self.layer_norm = nn.GroupNorm(o, o, eps=eps)
        elif norm == "layer":
            self.layer_norm = nn.LayerNorm(o, eps=eps)

    def forward(self, x):
        x = self.conv(x)
        if self.norm == "group":
            x = self.layer_norm(x)
        elif self.norm == "layer":
            x = self.layer_norm(x.transpose(1, 2)).transpose(1, 2)
        return F.gelu(x)


class FeatureExtractor(nn.Module):
    """[batch, samples] to [batch, channels, frames]."""

    def __init__(self, c):
        super().__init__()
        dims = [1] + c["conv_dim"]
        layer = c["feat_extract_norm"] == "layer"
        self.conv_layers = nn.ModuleList([
            ConvLayer(dims[i], dims[i + 1], c["conv_kernel"][i], c["conv_stride"][i], c["conv_bias"],
                      "layer" if layer else "group" if i == 0 else None, 1e-5)
            for i in range(len(c["conv_dim"]))])

    def forward(self, x):
        x = x[:, None]
        for layer in self.conv_layers:
            x = layer(x)
        return x


class FeatureProjection(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.layer_norm = nn.LayerNorm(c["conv_dim"][-1], eps=c["layer_norm_eps"])
        self.projection = nn.Linear(c["conv_dim"][-1], c["hidden_size"])

    def forward(self, x):
        return self.projection(self.layer_norm(x))


class PositionalConv(nn.Module):
    """The grouped convolution that stands for positions; an even kernel gives one frame too many."""

    def __init__(self, c):
        super().__init__()
        h, k = c["hidden_size"], c["num_conv_pos_embeddings"]
        self.conv = nn.Conv1d(h, h, k, padding=k // 2, groups=c["num_conv_pos_embedding_groups"])
        self.extra = 1 - k % 2

    def forward(self, x):
        y = self.conv(x.transpose(1, 2))
        if self.extra:
            y = y[:, :, :-1]
        return F.gelu(y).transpose(1, 2)


class Attention(nn.Module):
    def __init__(self, c):
        super().__init__()
        h, self.heads = c["hidden_size"], c["num_attention_heads"]
        self.size = h // self.heads
        self.k_proj, self.v_proj, self.q_proj, self.out_proj = [nn.Linear(h, h) for _ in range(4)]

    def forward(self, x, bias):
        b, t, h = x.shape

        def split(y):
            return y.reshape(b, t, self.heads, self.size).transpose(1, 2)

        q, k, v = split(self.q_proj(x) * self.size ** -.5), split(self.k_proj(x)), split(self.v_proj(x))
        scores = q @ k.transpose(-1, -2)
        if bias is not None:
            scores = scores + bias
        return self.out_proj((scores.softmax(-1) @ v).transpose(1, 2).reshape(b, t, h))


class FeedForward(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.intermediate_dense = nn.Linear(c["hidden_size"], c["intermediate_size"])
        self.output_dense = nn.Linear(c["intermediate_size"], c["hidden_size"])

    def forward(self, x):
        return self.output_dense(F.gelu(self.intermediate_dense(x)))


class EncoderLayer(nn.Module):
    """stable: the norms stand before attention and feed-forward, not behind them."""

    def __init__(self, c):
        super().__init__()
        self.stable = c["do_stable_layer_norm"]
        self.attention = Attention(c)
        self.layer_norm = nn.LayerNorm(c["hidden_size"], eps=c["layer_norm_eps"])
        self.feed_forward = FeedForward(c)
        self.final_layer_norm = nn.LayerNorm(c["hidden_size"], eps=c["layer_norm_eps"])

    def forward(self, x, bias):
        if self.stable:
            x = x + self.attention(self.layer_norm(x), bias)
            return x + self.feed_forward(self.final_layer_norm(x))
        x = self.layer_norm(x + self.attention(x, bias))
        return self.final_layer_norm(x + self.feed_forward(x))


class Encoder(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.stable = c["do_stable_layer_norm"]
        self.pos_conv_embed = PositionalConv(c)
        self.layer_norm = nn.LayerNorm(c["hidden_size"], eps=c["layer_norm_eps"])
        self.layers = nn.ModuleList([EncoderLayer(c) for _ in range(c["num_hidden_layers"])])

    def forward(self, x, heard):
        """heard is [batch, frames], one where a frame is of the recording, or None where all are."""
        bias = None
        if heard is not None:
            x = x * heard[:, :, None]
            bias = (1 - heard)[:, None, None, :] * torch.finfo(torch.float32).min
        x = x + self.pos_conv_embed(x)
        if not self.stable:
            x = self.layer_norm(x)
        for layer in self.layers:
            x = layer(x, bias)
        return self.layer_norm(x) if self.stable else x


class Wav2Vec2(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.config = c
        self.feature_extractor = FeatureExtractor(c)
        self.feature_projection = FeatureProjection(c)
        self.encoder = Encoder(c)

    def heard(self, mask, frames):
        """The mask of the frames, from that of the samples."""
        n = mask.sum(-1)
        for k, s in zip(self.config["conv_kernel"], self.config["conv_stride"]):
            n = torch.div(n - k, s, rounding_mode="floor") + 1
        return (torch.arange(frames)[None, :] < n[:, None]).to(torch.float32)

    def forward(self, x, mask=None):
        """Hidden states [batch, frames, hidden], and which frames are of the recording."""
        c = self.feature_extractor(x).transpose(1, 2)
        heard = None if mask is None else self.heard(mask, c.shape[1])
        return self.encoder(self.feature_projection(c), heard), heard


class Model(nn.Module):
    """Wav2Vec2 with the head that config["architectures"] names."""

    def __init__(self, c):
        super().__init__()
        self.architecture = c["architectures"][0]
        self.wav2vec2 = Wav2Vec2(c)
        if self.architecture == HEADS["ctc"]:
            self.lm_head = nn.Linear(c["hidden_size"], c["vocab_size"])
        elif self.architecture == HEADS["sequence"]:
            self.projector = nn.Linear(c["hidden_size"], c["classifier_proj_size"])
            self.classifier = nn.Linear(c["classifier_proj_size"], len(c["id2label"]))
        elif self.architecture == HEADS["frames"]:
            self.classifier = nn.Linear(c["hidden_size"], len(c["id2label"]))

    def forward(self, input_values, attention_mask=None):
        x, heard = self.wav2vec2(input_values, attention_mask)
        if self.architecture == HEADS["ctc"]:
            return self.lm_head(x)
        if self.architecture == HEADS["features"]:
            return x
        if self.architecture == HEADS["frames"]:
            return self.classifier(x)
        x = self.projector(x)
        if heard is None:
            x = x.mean(1)
        else:
            x = (x * heard[:, :, None]).sum(1) / heard.sum(1, keepdim=True)
        return self.classifier(x)


def output_axes(architecture):
    """Name and dynamic axes of the graph's output."""
    if architecture == HEADS["features"]:
        return "last_hidden_state", {0: "batch_size", 1: "frames"}
    if architecture == HEADS["sequence"]:
        return "logits", {0: "batch_size"}
    return "logits", {0: "batch_size", 1: "frames"}


def export(model, path, mask):
    """Write the graph as Optimum names it; mask adds the input attention_mask."""
    samples = torch.randn(1, 32000)
    names, inputs = ["input_values"], (samples,)
    if mask:
        names, inputs = names + ["attention_mask"], (samples, torch.ones(1, 32000, dtype=torch.int64))
    output, axes = output_axes(model.architecture)
    dynamic = {name: {0: "batch_size", 1: "sequence_length"} for name in names}
    torch.onnx.export(model.eval(), inputs, path, input_names=names, output_names=[output],
                      dynamic_axes={**dynamic, output: axes}, opset_version=14, do_constant_folding=True, **BY_TRACING)


def write_json(path, value, indent=1):
    with open(path, "w") as f:
        json.dump(value, f, indent=indent)
        f.write("\n")
