#!/usr/bin/env python3
"""HuBERT and WavLM folders with random weights and few layers, with the values of transformers (PyPI) for one clip: kin_random.py DIR.

services/wav2vec2/testdata/kin has them. Needs torch, onnx and transformers.
"""
import json
import os
import sys
import wave

import numpy as np
import torch
from transformers import HubertConfig, HubertForSequenceClassification, HubertModel, Wav2Vec2FeatureExtractor, WavLMConfig, WavLMForSequenceClassification, WavLMModel

HERE = os.path.dirname(os.path.abspath(__file__))
CLIP = "clip09.wav"
SMALL = dict(hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=32, conv_dim=[8] * 7, num_conv_pos_embeddings=8, num_conv_pos_embedding_groups=2,
             classifier_proj_size=8, attn_implementation="eager")


def main():
    with wave.open(os.path.join(HERE, "../wav2vec2-tiny/clips", CLIP)) as f:
        samples = np.frombuffer(f.readframes(f.getnframes()), np.int16).astype(np.float32) / 32768
    extract = Wav2Vec2FeatureExtractor(do_normalize=True, return_attention_mask=False)
    x = extract(samples, sampling_rate=16000, return_tensors="pt")["input_values"]
    labels = dict(id2label={i: f"label_{i}" for i in range(4)}, label2id={f"label_{i}": i for i in range(4)})
    for name, cls, config, output in (("hubert-features", HubertModel, HubertConfig(**SMALL), "last_hidden_state"),
                                      ("hubert-labels", HubertForSequenceClassification, HubertConfig(**SMALL, **labels, feat_extract_norm="layer", do_stable_layer_norm=True), "logits"),
                                      ("wavlm-features", WavLMModel, WavLMConfig(**SMALL), "last_hidden_state"),
                                      ("wavlm-labels", WavLMForSequenceClassification, WavLMConfig(**SMALL, **labels), "logits")):
        torch.manual_seed(3)
        m = cls(config).eval()
        with torch.no_grad():
            for p in m.parameters():
                if p.dim() > 1:
                    p.normal_(0, 1.1 / p[0].numel() ** .5)
        to = os.path.join(sys.argv[1], name)
        os.makedirs(to, exist_ok=True)
        config.architectures = [cls.__name__]
        config.save_pretrained(to)
        extract.save_pretrained(to)

        class Model(torch.nn.Module):
            def __init__(self):
                super().__init__()
                self.m = m

            def forward(self, input_values):
                return getattr(self.m(input_values), output)
        axes = {"input_values": {0: "batch", 1: "samples"}, output: {0: "batch", **({1: "frames"} if output != "logits" else {})}}
        torch.onnx.export(Model().eval(), (x[:, :9000],), to + "/model.onnx", input_names=["input_values"], output_names=[output], dynamic_axes=axes, opset_version=17, dynamo=False)
        with torch.no_grad():
            v = Model().eval()(x)
        with open(to + "/golden.json", "w") as f:
            json.dump({"clip": CLIP, "shape": list(v.shape), "values": [round(float(a), 6) for a in v.flatten()]}, f)
        print(name, list(v.shape))


if __name__ == "__main__":
    main()
