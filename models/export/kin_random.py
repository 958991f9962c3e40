#!/usr/bin/env python3
"""Folders of wav2vec2's relatives with random weights and few layers, written by transformers' save_pretrained and torch.onnx in Optimum's
layout, with the values of transformers (PyPI) for one clip: kin_random.py DIR [NAME...].

services/wav2vec2/testdata/kin has them. Needs torch, onnx and transformers.
"""
import json
import os
import sys
import wave

import numpy as np
import torch
import transformers as T

HERE = os.path.dirname(os.path.abspath(__file__))
CLIP = "clip09.wav"
SMALL = dict(hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=32, conv_dim=[8] * 7, num_conv_pos_embeddings=8,
             num_conv_pos_embedding_groups=2, classifier_proj_size=8, attn_implementation="eager")
LAYERED = dict(feat_extract_norm="layer", do_stable_layer_norm=True, conv_bias=True)
LABELS = dict(id2label={i: f"label_{i}" for i in range(4)}, label2id={f"label_{i}": i for i in range(4)})
XVECTOR = dict(**LABELS, tdnn_dim=[12, 12, 12, 12, 24], xvector_output_dim=10)
CTC = dict(vocab_size=32, pad_token_id=0, bos_token_id=1, eos_token_id=2)
SEW = dict(SMALL, conv_dim=[8] * 13, squeeze_factor=2, **CTC)
VOCABULARY = ["<pad>", "<s>", "</s>", "<unk>", "|"] + list("etaonihsrdlumwcfgypbvk'xjqz")

FOLDERS = {
    "hubert-features": (T.HubertModel, T.HubertConfig(**SMALL)),
    "hubert-labels": (T.HubertForSequenceClassification, T.HubertConfig(**SMALL, **LABELS, feat_extract_norm="layer", do_stable_layer_norm=True)),
    "hubert-ctc": (T.HubertForCTC, T.HubertConfig(**SMALL, **CTC, **LAYERED)),
    "wavlm-features": (T.WavLMModel, T.WavLMConfig(**SMALL)),
    "wavlm-labels": (T.WavLMForSequenceClassification, T.WavLMConfig(**SMALL, **LABELS)),
    "wavlm-xvector": (T.WavLMForXVector, T.WavLMConfig(**SMALL, **XVECTOR)),
    "wav2vec2-ctc": (T.Wav2Vec2ForCTC, T.Wav2Vec2Config(**SMALL, **CTC)),
    "wav2vec2-labels": (T.Wav2Vec2ForSequenceClassification, T.Wav2Vec2Config(**SMALL, **LABELS)),
    "wav2vec2-xvector": (T.Wav2Vec2ForXVector, T.Wav2Vec2Config(**SMALL, **XVECTOR)),
    "mms-ctc": (T.Wav2Vec2ForCTC, T.Wav2Vec2Config(**SMALL, **CTC, **LAYERED, adapter_attn_dim=4)),
    "conformer-ctc": (T.Wav2Vec2ConformerForCTC, T.Wav2Vec2ConformerConfig(**SMALL, **CTC)),
    "data2vec-ctc": (T.Data2VecAudioForCTC, T.Data2VecAudioConfig(**{**SMALL, "num_conv_pos_embeddings": 2}, **CTC)),
    "data2vec-features": (T.Data2VecAudioModel, T.Data2VecAudioConfig(**{**SMALL, "num_conv_pos_embeddings": 2})),
    "unispeech-ctc": (T.UniSpeechForCTC, T.UniSpeechConfig(**SMALL, **CTC)),
    "unispeechsat-features": (T.UniSpeechSatModel, T.UniSpeechSatConfig(**SMALL)),
    "unispeechsat-xvector": (T.UniSpeechSatForXVector, T.UniSpeechSatConfig(**SMALL, **XVECTOR)),
    "sew-ctc": (T.SEWForCTC, T.SEWConfig(**SEW)),
    "sewd-features": (T.SEWDModel, T.SEWDConfig(**SEW)),
}


def output_of(name):
    return {"features": "last_hidden_state", "xvector": "embeddings"}.get(name.split("-")[-1], "logits")


class Output(torch.nn.Module):
    """One output of a model."""

    def __init__(self, model, name):
        super().__init__()
        self.model, self.name = model, name

    def forward(self, input_values):
        return self.model(input_values)[self.name]


def clip():
    with wave.open(os.path.join(HERE, "../wav2vec2-tiny/clips", CLIP)) as f:
        return np.frombuffer(f.readframes(f.getnframes()), np.int16).astype(np.float32) / 32768


def tokenizer(name, to):
    """Saves the tokenizer; that of MMS has a vocabulary for each language, and the graph is that of one."""
    vocabulary = {token: i for i, token in enumerate(VOCABULARY)}
    options = {}
    if name.startswith("mms"):
        other = {token: i for i, token in enumerate(VOCABULARY[:5] + list("äöüß"))}
        vocabulary, options = {"deu": other, "eng": vocabulary}, {"target_lang": "eng"}
    path = os.path.join(to, "vocab.json")
    with open(path, "w") as f:
        json.dump(vocabulary, f)
    t = T.Wav2Vec2CTCTokenizer(path, **options)
    t.save_pretrained(to)
    return t


def spread(model, x):
    """Takes the mean answer off the head's bias and widens the rest, so that random weights say more than one thing."""
    head = model.lm_head
    with torch.no_grad():
        y = model(x).logits[0]
        gain = 3 / float(y.std(0).mean())
        head.weight *= gain
        head.bias.copy_((head.bias - y.mean(0)) * gain)


def write(name, to, samples):
    cls, config = FOLDERS[name]
    torch.manual_seed(3)
    model = cls(config).eval()
    with torch.no_grad():
        for p in model.parameters():
            if p.dim() > 1:
                p.normal_(0, 1.1 / p[0].numel() ** .5)
    os.makedirs(to, exist_ok=True)
    config.architectures = [cls.__name__]
    config.save_pretrained(to)
    extract = T.Wav2Vec2FeatureExtractor(do_normalize=True, return_attention_mask=False)
    extract.save_pretrained(to)
    x = extract(samples, sampling_rate=16000, return_tensors="pt")["input_values"]
    if name.endswith("ctc"):
        spread(model, x)
    output = output_of(name)
    one = Output(model, output).eval()
    axes = {"input_values": {0: "batch", 1: "samples"}, output: {0: "batch"}}
    if output == "last_hidden_state" or name.endswith("ctc"):
        axes[output][1] = "frames"
    torch.onnx.export(one, (x[:, :9000],), to + "/model.onnx", input_names=["input_values"], output_names=[output], dynamic_axes=axes, opset_version=17,
                      dynamo=False)
    with torch.no_grad():
        v = one(x)
    golden = {"clip": CLIP, "shape": list(v.shape), "values": [round(float(a), 6) for a in v.flatten()]}
    if name.endswith("ctc"):
        golden["text"] = tokenizer(name, to).decode(v[0].argmax(-1))
    with open(to + "/golden.json", "w") as f:
        json.dump(golden, f)
    print(name, list(v.shape), golden.get("text", ""))


def main():
    samples = clip()
    for name in sys.argv[2:] or FOLDERS:
        write(name, os.path.join(sys.argv[1], name), samples)


if __name__ == "__main__":
    main()
