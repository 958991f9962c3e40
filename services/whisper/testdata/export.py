"""Exports Whisper models to folders as Optimum and transformers.js lay them out.

python export.py SAVED OUT [--attention]      a folder of save_pretrained
python export.py ct2 FOLDER OUT [--attention] a folder of CTranslate2, as faster-whisper reads it and PyPI packages carry it

With --attention the decoder has the outputs cross_attentions.N, from which the times of words are computed, as folders
have whose name ends with _timestamped. Needs transformers 4.57, optimum-onnx 0.1.
"""

import json
import os
import shutil
import struct
import sys
import tempfile

import numpy as np

CONFIGS = ("config.json", "generation_config.json", "preprocessor_config.json")


def export(saved, out, attention=False, **kwargs):
    """Exports a folder of save_pretrained, with its tokenizer.json if it has one."""
    from optimum.exporters.onnx import main_export
    from optimum.exporters.onnx.base import ConfigBehavior
    from optimum.exporters.onnx.model_configs import WhisperOnnxConfig
    from transformers import AutoConfig

    class WithAttention(WhisperOnnxConfig):
        @property
        def outputs(self):
            outputs = super().outputs
            if self._behavior is ConfigBehavior.DECODER:
                for layer in range(self._config.decoder_layers):
                    outputs[f"cross_attentions.{layer}"] = {0: "batch_size", 2: "decoder_sequence_length", 3: "encoder_sequence_length / 2"}
            return outputs

    task = "automatic-speech-recognition-with-past"
    if attention:
        config = WithAttention(config=AutoConfig.from_pretrained(saved), task=task.replace("-with-past", ""), use_past=True)
        kwargs.update(model_kwargs={"output_attentions": True}, custom_onnx_configs={
            "encoder_model": config.with_behavior("encoder"),
            "decoder_model": config.with_behavior("decoder", use_past=True, use_past_in_inputs=False),
            "decoder_with_past_model": config.with_behavior("decoder", use_past=True, use_past_in_inputs=True)})
    with tempfile.TemporaryDirectory() as exported:
        main_export(saved, exported, task=task, library_name="transformers", do_validation=False, **kwargs)
        os.makedirs(os.path.join(out, "onnx"), exist_ok=True)
        for name in CONFIGS:
            shutil.copy(os.path.join(exported, name), out)
        for name in ("encoder_model.onnx", "decoder_model_merged.onnx"):
            shutil.copy(os.path.join(exported, name), os.path.join(out, "onnx"))
    if os.path.exists(os.path.join(saved, "tokenizer.json")):
        shutil.copy(os.path.join(saved, "tokenizer.json"), out)


def variables(path):
    """The variables of a model.bin of CTranslate2, format 6."""
    kinds = {0: np.float32, 1: np.int8, 2: np.int16, 3: np.int32, 4: np.float16}
    with open(path, "rb") as file:
        def number(kind):
            return struct.unpack("<" + kind, file.read(struct.calcsize(kind)))[0]

        def text():
            return file.read(number("H")).rstrip(b"\0").decode()

        if number("I") != 6 or text() != "WhisperSpec":
            sys.exit(f"{path} is not a Whisper model of CTranslate2's format 6")
        number("I")
        values = {}
        for _ in range(number("I")):
            name = text()
            shape = [number("I") for _ in range(number("B"))]
            kind, size = number("B"), number("I")
            values[name] = np.frombuffer(file.read(size), kinds[kind]).reshape(shape)
    return values


def weights(values):
    """The variables with the names of transformers."""
    import torch

    out = {}

    def take(source, target, bias=True):
        out[target + ".weight"] = values[source + "/weight"]
        if bias:
            out[target + ".bias"] = values[source + "/bias"]

    def norm(source, target):
        out[target + ".weight"], out[target + ".bias"] = values[source + "/gamma"], values[source + "/beta"]

    def split(source, target, names):
        width = values[source + "/weight"].shape[1]
        for i, name in enumerate(names):
            out[f"{target}.{name}.weight"] = values[source + "/weight"][i * width:(i + 1) * width]
            if name != "k_proj":
                out[f"{target}.{name}.bias"] = values[source + "/bias"][i * width:(i + 1) * width]

    for side in ("encoder", "decoder"):
        out[f"model.{side}.embed_positions.weight"] = values[f"{side}/position_encodings/encodings"]
        norm(f"{side}/layer_norm", f"model.{side}.layer_norm")
        layer = 0
        while f"{side}/layer_{layer}/ffn/linear_0/weight" in values:
            source, target = f"{side}/layer_{layer}", f"model.{side}.layers.{layer}"
            norm(f"{source}/self_attention/layer_norm", f"{target}.self_attn_layer_norm")
            split(f"{source}/self_attention/linear_0", f"{target}.self_attn", ("q_proj", "k_proj", "v_proj"))
            take(f"{source}/self_attention/linear_1", f"{target}.self_attn.out_proj")
            if side == "decoder":
                norm(f"{source}/attention/layer_norm", f"{target}.encoder_attn_layer_norm")
                take(f"{source}/attention/linear_0", f"{target}.encoder_attn.q_proj")
                split(f"{source}/attention/linear_1", f"{target}.encoder_attn", ("k_proj", "v_proj"))
                take(f"{source}/attention/linear_2", f"{target}.encoder_attn.out_proj")
            norm(f"{source}/ffn/layer_norm", f"{target}.final_layer_norm")
            take(f"{source}/ffn/linear_0", f"{target}.fc1")
            take(f"{source}/ffn/linear_1", f"{target}.fc2")
            layer += 1
    for name in ("conv1", "conv2"):
        take(f"encoder/{name}", f"model.encoder.{name}")
    out["model.decoder.embed_tokens.weight"] = out["proj_out.weight"] = values["decoder/embeddings/weight"]
    return {name: torch.tensor(value.astype(np.float32)) for name, value in out.items()}


def from_ctranslate2(folder, saved):
    """Writes a folder of CTranslate2 as save_pretrained does."""
    from transformers import GenerationConfig, WhisperConfig, WhisperFeatureExtractor, WhisperForConditionalGeneration

    values = variables(os.path.join(folder, "model.bin"))
    with open(os.path.join(folder, "config.json")) as file:
        ours = json.load(file)
    with open(os.path.join(folder, "tokenizer.json")) as file:
        tokens = {one["content"]: one["id"] for one in json.load(file)["added_tokens"]}
    vocabulary, width = values["decoder/embeddings/weight"].shape
    layers = {side: sum(name.startswith(f"{side}/layer_") and name.endswith("ffn/linear_0/weight") for name in values) for side in ("encoder", "decoder")}
    bands = values["encoder/conv1/weight"].shape[1]
    end, start = tokens["<|endoftext|>"], tokens["<|startoftranscript|>"]
    multilingual = vocabulary >= 51865
    config = WhisperConfig(
        vocab_size=vocabulary, num_mel_bins=bands, d_model=width, encoder_layers=layers["encoder"], decoder_layers=layers["decoder"],
        encoder_attention_heads=width // 64, decoder_attention_heads=width // 64, encoder_ffn_dim=4 * width, decoder_ffn_dim=4 * width,
        max_source_positions=1500, max_target_positions=448, decoder_start_token_id=start, eos_token_id=end, pad_token_id=end,
        bos_token_id=end, suppress_tokens=None, begin_suppress_tokens=None)
    model = WhisperForConditionalGeneration(config).eval()
    missing, unexpected = model.load_state_dict(weights(values), strict=False)
    if missing or unexpected:
        sys.exit(f"the weights do not fit: {missing} are missing, {unexpected} are unknown")
    languages = {name: id for name, id in tokens.items() if id in ours["lang_ids"]} if multilingual else None
    model.generation_config = GenerationConfig(
        decoder_start_token_id=start, eos_token_id=end, pad_token_id=end, bos_token_id=end, is_multilingual=multilingual,
        no_timestamps_token_id=tokens["<|notimestamps|>"], max_initial_timestamp_index=50, prev_sot_token_id=tokens["<|startofprev|>"],
        suppress_tokens=ours["suppress_ids"], begin_suppress_tokens=ours["suppress_ids_begin"], alignment_heads=ours["alignment_heads"],
        max_length=448, return_timestamps=False,
        **({"lang_to_id": languages, "task_to_id": {"transcribe": tokens["<|transcribe|>"], "translate": tokens["<|translate|>"]}} if multilingual else {}))
    model.save_pretrained(saved)
    WhisperFeatureExtractor(feature_size=bands).save_pretrained(saved)
    shutil.copy(os.path.join(folder, "tokenizer.json"), saved)


def main(arguments):
    attention = "--attention" in arguments
    arguments = [one for one in arguments if one != "--attention"]
    if arguments[:1] != ["ct2"]:
        export(*arguments, attention=attention)
        return
    with tempfile.TemporaryDirectory() as saved:
        from_ctranslate2(arguments[1], saved)
        export(saved, arguments[2], attention)
        shutil.copy(os.path.join(saved, "model.safetensors"), arguments[2])  # for transformers, which references are computed with


if __name__ == "__main__":
    main(sys.argv[1:])
