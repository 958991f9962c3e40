#!/usr/bin/env python3
"""Write a wav2vec2 model folder with random weights, for tests of speed, memory and parity at a real shape.

  wav2vec2_random.py FOLDER                                     wav2vec2-base: 95 M parameters, group norm, CTC head
  wav2vec2_random.py --norm layer --mask --head sequence FOLDER
  wav2vec2_random.py --hidden 64 --layers 2 --heads 4 --ffn 128 --conv 32 --dtype fp32,fp16,int8 FOLDER

The folder is laid out as Optimum does it, model.onnx at the root and further precisions beside it (model_fp16.onnx,
model_int8.onnx); --layout js puts the graphs into onnx/, where transformers.js wants them. The same seed gives the
same weights. The heads are centred on what the network says about noise, so that answers differ from frame to frame.
"""
import argparse
import os
import wave

import numpy as np
import onnx
import torch

import precision
import wav2vec2

VOCABULARY = ["<pad>", "<s>", "</s>", "<unk>", "|"] + list("ETAONIHSRDLUMWCFGYPBVK'XJQZ")


def arguments():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("folder")
    p.add_argument("--head", choices=sorted(wav2vec2.HEADS), default="ctc")
    p.add_argument("--norm", choices=["group", "layer"], default="group")
    p.add_argument("--mask", action="store_true", help="give the graph an input attention_mask")
    p.add_argument("--dtype", default="fp32", help="comma-separated: fp32, fp16 or fp16io (inputs and outputs too), int8")
    p.add_argument("--layout", choices=["flat", "js"], default="flat")
    p.add_argument("--hidden", type=int, default=768)
    p.add_argument("--layers", type=int, default=12)
    p.add_argument("--heads", type=int, default=12)
    p.add_argument("--ffn", type=int, default=3072)
    p.add_argument("--conv", type=int, default=512, help="channels of the convolutions")
    p.add_argument("--pos-kernel", type=int, default=128)
    p.add_argument("--pos-groups", type=int, default=16)
    p.add_argument("--labels", type=int, default=4, help="of the classification heads")
    p.add_argument("--proj", type=int, default=256, help="width before the classifier of whole clips")
    p.add_argument("--golden", metavar="WAV", help="also write golden.json: what torch makes of a 16 kHz mono clip")
    p.add_argument("--multi-label", action="store_true", help="problem_type multi_label_classification")
    p.add_argument("--seed", type=int, default=1)
    return p.parse_args()


def configuration(a):
    c = dict(wav2vec2.BASE, architectures=[wav2vec2.HEADS[a.head]], hidden_size=a.hidden, num_hidden_layers=a.layers,
             num_attention_heads=a.heads, intermediate_size=a.ffn, conv_dim=[a.conv] * 7,
             num_conv_pos_embeddings=a.pos_kernel, num_conv_pos_embedding_groups=a.pos_groups,
             classifier_proj_size=a.proj)
    if a.norm == "layer":
        c.update(wav2vec2.LAYER_NORM)
    if a.head in ("sequence", "frames"):
        names = ["label_%d" % i for i in range(a.labels)]
        c["id2label"] = {str(i): n for i, n in enumerate(names)}
        c["label2id"] = {n: i for i, n in enumerate(names)}
    if a.multi_label:
        c["problem_type"] = "multi_label_classification"
    return c


def initialise(model):
    for m in model.modules():
        if isinstance(m, torch.nn.Conv1d):
            torch.nn.init.kaiming_normal_(m.weight)
            if m.bias is not None:
                torch.nn.init.zeros_(m.bias)
        elif isinstance(m, torch.nn.Linear):
            torch.nn.init.xavier_normal_(m.weight)
            torch.nn.init.zeros_(m.bias)
    # As in GPT-2: without this the branches drown what runs past them, and after twelve layers all frames are alike.
    for layer in model.wav2vec2.encoder.layers:
        for m in (layer.attention.out_proj, layer.feed_forward.output_dense):
            m.weight *= (2 * len(model.wav2vec2.encoder.layers)) ** -.5


def centre(model):
    """Take the mean answer to noise off the head's bias and widen the rest: unmoved, random weights say one thing."""
    head = getattr(model, "lm_head", None) or getattr(model, "classifier", None)
    if head is None:
        return
    x = torch.randn(2, 48000)
    x[1] = torch.nn.functional.avg_pool1d(x[1][None, None], 31, 1, 15)[0, 0] * 5
    with torch.no_grad():
        y = model(x)
        mean, spread = y.reshape(-1, y.shape[-1]).mean(0), y.reshape(-1, y.shape[-1]).std(0).mean()
        gain = 3 / max(float(spread), 1e-3)
        head.weight *= gain
        head.bias.copy_((head.bias - mean) * gain)


def write_tables(a, c):
    def path(name):
        return os.path.join(a.folder, name)

    wav2vec2.write_json(path("config.json"), c)
    wav2vec2.write_json(path("preprocessor_config.json"), {
        "feature_extractor_type": "Wav2Vec2FeatureExtractor", "feature_size": 1, "sampling_rate": 16000,
        "padding_value": 0.0, "padding_side": "right", "do_normalize": True,
        "return_attention_mask": a.norm == "layer"})
    if a.head != "ctc":
        return
    ids = {token: i for i, token in enumerate(VOCABULARY)}
    wav2vec2.write_json(path("vocab.json"), ids)
    wav2vec2.write_json(path("tokenizer_config.json"), {
        "tokenizer_class": "Wav2Vec2CTCTokenizer", "bos_token": "<s>", "eos_token": "</s>", "pad_token": "<pad>",
        "unk_token": "<unk>", "word_delimiter_token": "|", "do_lower_case": False,
        "clean_up_tokenization_spaces": False})
    wav2vec2.write_json(path("special_tokens_map.json"), {
        "bos_token": "<s>", "eos_token": "</s>", "pad_token": "<pad>", "unk_token": "<unk>"})
    # What transformers.js reads; transformers makes it of vocab.json.
    special = [{"id": i, "content": VOCABULARY[i], "single_word": False, "lstrip": False, "rstrip": False,
                "normalized": False, "special": True} for i in range(4)]
    wav2vec2.write_json(path("tokenizer.json"), {
        "version": "1.0", "truncation": None, "padding": None, "added_tokens": special,
        "normalizer": {"type": "Replace", "pattern": {"String": " "}, "content": "|"},
        "pre_tokenizer": {"type": "Split", "pattern": {"Regex": ""}, "behavior": "Isolated", "invert": False},
        "post_processor": None,
        "decoder": {"type": "CTC", "pad_token": "<pad>", "word_delimiter_token": "|", "cleanup": True},
        "model": {"vocab": ids}})


def write_golden(a, model):
    """The output of torch itself for one clip, normalised as Wav2Vec2FeatureExtractor does."""
    with wave.open(a.golden) as w:
        assert (w.getframerate(), w.getnchannels(), w.getsampwidth()) == (16000, 1, 2), a.golden
        x = np.frombuffer(w.readframes(w.getnframes()), "<i2").astype(np.float32) / 32768
    x = (x - x.mean()) / np.sqrt(x.var() + 1e-7)
    inputs = [torch.from_numpy(x)[None]]
    if a.mask:
        inputs.append(torch.ones(1, len(x), dtype=torch.int64))
    with torch.no_grad():
        y = model(*inputs)
    wav2vec2.write_json(os.path.join(a.folder, "golden.json"), {
        "clip": os.path.basename(a.golden), "torch": torch.__version__, "shape": list(y.shape),
        "values": [float("%.6g" % v) for v in y.reshape(-1)]}, indent=None)


def write_graphs(a, model):
    folder = os.path.join(a.folder, "onnx") if a.layout == "js" else a.folder
    os.makedirs(folder, exist_ok=True)
    whole = os.path.join(folder, "model.onnx")
    wav2vec2.export(model, whole, a.mask)
    wanted = a.dtype.split(",")
    for kind in wanted:
        if kind == "fp32":
            continue
        graph = onnx.load(whole)
        if kind == "int8":
            precision.to_int8(graph)
        elif kind in ("fp16", "fp16io"):
            precision.to_float16(graph, keep_edges=kind == "fp16")
        else:
            raise SystemExit("--dtype: %r is none of fp32, fp16, fp16io, int8" % kind)
        onnx.save(graph, os.path.join(folder, "model_%s.onnx" % kind.replace("io", "")))
    if "fp32" not in wanted:
        os.remove(whole)
    for name in sorted(os.listdir(folder)):
        if name.endswith(".onnx"):
            onnx.checker.check_model(os.path.join(folder, name))
            print(os.path.join(folder, name), "%.1f MB" % (os.path.getsize(os.path.join(folder, name)) / 1e6))


def main():
    a = arguments()
    torch.manual_seed(a.seed)
    os.makedirs(a.folder, exist_ok=True)
    c = configuration(a)
    model = wav2vec2.Model(c).eval()
    for parameter in model.parameters():
        parameter.requires_grad_(False)
    initialise(model)
    centre(model)
    write_tables(a, c)
    write_graphs(a, model)
    if a.golden:
        write_golden(a, model)
    print(sum(p.numel() for p in model.parameters()), "parameters")


if __name__ == "__main__":
    main()
