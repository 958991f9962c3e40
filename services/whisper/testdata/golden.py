"""Writes the golden values of this folder's tests.

python golden.py                       rules.json, features.json and random/, a folder with random weights and its logits
python golden.py attention             attention/, the same with the decoder's attention, and attention.json: times of tokens and
                                       searches with beams by openai-whisper
python golden.py human MODEL WAV...    human.json: what transformers writes of recordings with the weights in a folder

Needs transformers 4.57, optimum-onnx 0.1, openai-whisper 20250625.
"""

import json
import os
import shutil
import sys
import tempfile
import types

import export
import numpy as np
import torch

HERE = os.path.dirname(os.path.abspath(__file__))


def write(name, value):
    with open(os.path.join(HERE, name), "w") as file:
        json.dump(value, file, separators=(",", ":"))
        file.write("\n")


def made(count):
    """The sound that made of the tests returns too."""
    t = np.arange(count) / 16000
    return (0.4 * np.sin(2 * np.pi * (300 * t + 400 * t * t)) + 0.1 * np.sin(2 * np.pi * 3100 * t)).astype(np.float32)


def rules():
    """What the filters of openai-whisper leave of random logits, after several texts."""
    from whisper.decoding import ApplyTimestampRules, SuppressBlank, SuppressTokens

    end, no_timestamps, first = 10, 19, 20
    tokenizer = types.SimpleNamespace(eot=end, no_timestamps=no_timestamps, timestamp_begin=first, encode=lambda _: [1])
    random = np.random.default_rng(7)
    filters = [SuppressBlank(tokenizer, 2), SuppressTokens([4, 7, 11]), ApplyTimestampRules(tokenizer, 2, 5)]
    cases = []
    for text in ([], [20], [23], [23, 3], [23, 3, 5], [23, 3, 26], [23, 3, 26, 26], [23, 3, 26, 26, 6], [23, 3, 26, 26, 6, 39],
                 [22, 22], [3], [3, 5], [39, 2], [20, 5, 39]):
        for raised in (0, 0.8, 3):  # by which timestamps are more probable
            logits = np.round(random.normal(0, 1.5, 40), 3).astype(np.float32)
            logits[first:] += np.float32(raised)
            masked = torch.tensor(logits)[None].clone()
            for one in filters:
                one.apply(masked, torch.tensor([[11, 12] + text]))
            cases.append({"written": text, "logits": [round(float(v), 3) for v in logits],
                          "allowed": torch.isfinite(masked[0]).nonzero().flatten().tolist()})
    write("rules.json", {"end": end, "no_timestamps": no_timestamps, "suppress": [4, 7, 11], "begin": [1, 10], "latest_first": 5, "cases": cases})


def features():
    """Spectrograms by WhisperFeatureExtractor: every 8th band of every 7th frame and of the last two."""
    from transformers import WhisperFeatureExtractor

    cases = []
    for bands, count in ((80, 20000), (80, 32000), (80, 40), (128, 30011)):
        extractor = WhisperFeatureExtractor(feature_size=bands, chunk_length=2)
        values = extractor(made(count), sampling_rate=16000, return_tensors="np").input_features[0]
        cases.append({"bands": bands, "samples": count, "values": np.round(values[::8, [*range(0, 198, 7), 198, 199]], 6).tolist()})
    write("features.json", cases)


def byte_letters():
    """The letters of byte-level vocabularies, in the order of the bytes."""
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [b for b in range(256) if b not in plain]
    return {**{b: chr(b) for b in plain}, **{b: chr(256 + i) for i, b in enumerate(others)}}


def random_model(inner=32):
    """A model of windows of 2 s with its feature extractor, tokenizer and special tokens."""
    from transformers import GenerationConfig, WhisperConfig, WhisperFeatureExtractor, WhisperForConditionalGeneration

    letters = byte_letters()
    vocabulary = {letters[b]: b for b in range(256)}
    special = ["<|endoftext|>", "<|startoftranscript|>", "<|en|>", "<|de|>", "<|translate|>", "<|transcribe|>", "<|startofprev|>",
               "<|nospeech|>", "<|notimestamps|>"] + [f"<|{i * 0.02:.2f}|>" for i in range(101)]
    ids = {name: 256 + i for i, name in enumerate(special)}
    size = 256 + len(special)
    end, start = ids["<|endoftext|>"], ids["<|startoftranscript|>"]
    torch.manual_seed(3)
    config = WhisperConfig(
        vocab_size=size, num_mel_bins=80, d_model=16, encoder_layers=1, decoder_layers=2, encoder_attention_heads=2, decoder_attention_heads=2,
        encoder_ffn_dim=inner, decoder_ffn_dim=inner, max_source_positions=100, max_target_positions=32, decoder_start_token_id=start,
        eos_token_id=end, pad_token_id=end, bos_token_id=end, init_std=0.4, suppress_tokens=None, begin_suppress_tokens=None)
    model = WhisperForConditionalGeneration(config).eval()
    model.generation_config = GenerationConfig(
        decoder_start_token_id=start, eos_token_id=end, pad_token_id=end, bos_token_id=end, is_multilingual=True,
        lang_to_id={"<|en|>": ids["<|en|>"], "<|de|>": ids["<|de|>"]}, no_timestamps_token_id=ids["<|notimestamps|>"],
        task_to_id={"translate": ids["<|translate|>"], "transcribe": ids["<|transcribe|>"]}, max_initial_timestamp_index=50,
        prev_sot_token_id=ids["<|startofprev|>"], begin_suppress_tokens=[32, end], suppress_tokens=[1, 2, start], max_length=32)
    extractor = WhisperFeatureExtractor(feature_size=80, chunk_length=2)
    added = [{"id": id, "content": name, "single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}
             for name, id in ids.items()]
    tokenizer = {"version": "1.0", "added_tokens": added, "normalizer": None,
                 "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True},
                 "decoder": {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True, "use_regex": True},
                 "model": {"type": "BPE", "dropout": None, "unk_token": None, "continuing_subword_prefix": "", "end_of_word_suffix": "",
                           "fuse_unk": False, "byte_fallback": False, "vocab": vocabulary, "merges": []}}
    return model, extractor, tokenizer, ids


def folder_of(name, model, extractor, tokenizer, attention=False):
    """Writes a folder as optimum-cli does."""
    out = os.path.join(HERE, name)
    shutil.rmtree(out, ignore_errors=True)
    with tempfile.TemporaryDirectory() as saved:
        model.save_pretrained(saved)
        extractor.save_pretrained(saved)
        with open(os.path.join(saved, "tokenizer.json"), "w") as file:
            json.dump(tokenizer, file, ensure_ascii=False, separators=(",", ":"))
        export.export(saved, out, attention, nb_max_frames=200)


def random_folder():
    """The folder random and the logits of transformers."""
    model, extractor, tokenizer, ids = random_model()
    folder_of("random", model, extractor, tokenizer)
    start = ids["<|startoftranscript|>"]
    tokens = [start, ids["<|en|>"], ids["<|transcribe|>"], ids["<|0.00|>"], 72, 101, 108]
    with torch.no_grad():
        inputs = extractor(made(20000), sampling_rate=16000, return_tensors="pt").input_features
        logits = model(input_features=inputs, decoder_input_ids=torch.tensor([tokens])).logits[0]
    write("random.json", {"samples": 20000, "tokens": tokens, "prompt": 3, "logits": np.round(logits[:, ::3].numpy(), 5).tolist()})


def original(model):
    """The model in openai-whisper."""
    import whisper

    c = model.config
    dims = whisper.model.ModelDimensions(
        n_mels=c.num_mel_bins, n_audio_ctx=c.max_source_positions, n_audio_state=c.d_model, n_audio_head=c.encoder_attention_heads,
        n_audio_layer=c.encoder_layers, n_vocab=c.vocab_size, n_text_ctx=c.max_target_positions, n_text_state=c.d_model,
        n_text_head=c.decoder_attention_heads, n_text_layer=c.decoder_layers)
    weights = {}
    for name, value in model.model.state_dict().items():
        for ours, theirs in (
            ("layers", "blocks"), ("fc1", "mlp.0"), ("fc2", "mlp.2"), ("final_layer_norm", "mlp_ln"), ("self_attn_layer_norm", "attn_ln"),
            ("encoder_attn_layer_norm", "cross_attn_ln"), ("self_attn", "attn"), ("encoder_attn", "cross_attn"), ("q_proj", "query"),
            ("k_proj", "key"), ("v_proj", "value"), ("out_proj", "out"), ("embed_tokens", "token_embedding"),
            ("encoder.embed_positions.weight", "encoder.positional_embedding"), ("decoder.embed_positions.weight", "decoder.positional_embedding"),
            ("encoder.layer_norm", "encoder.ln_post"), ("decoder.layer_norm", "decoder.ln"),
        ):
            name = name.replace(ours, theirs)
        weights[name] = value
    theirs = whisper.model.Whisper(dims)
    theirs.load_state_dict(weights, strict=False)
    heads = torch.zeros(c.decoder_layers, c.decoder_attention_heads, dtype=torch.bool)
    for layer, head in model.generation_config.alignment_heads:
        heads[layer, head] = True
    theirs.register_buffer("alignment_heads", heads.to_sparse(), persistent=False)
    return theirs.eval()


def attention_folder():
    """The folder attention, with the times and the texts of openai-whisper."""
    import whisper
    from whisper.timing import find_alignment

    model, extractor, tokens, ids = random_model(64)  # openai-whisper has no other widths than 4 times d_model
    start, end = ids["<|startoftranscript|>"], ids["<|endoftext|>"]
    never = [ids[f"<|{name}|>"] for name in ("transcribe", "translate", "startoftranscript", "startofprev", "nospeech")]
    model.generation_config.alignment_heads, model.generation_config.suppress_tokens = [[0, 1], [1, 0]], sorted([1, 2] + never)
    folder_of("attention", model, extractor, tokens, attention=True)
    theirs = original(model)
    sot = (start, ids["<|de|>"], ids["<|transcribe|>"])
    tokenizer = types.SimpleNamespace(
        sot_sequence=sot, sot=start, eot=end, no_timestamps=ids["<|notimestamps|>"], timestamp_begin=ids["<|0.00|>"], language="de",
        transcribe=ids["<|transcribe|>"], translate=ids["<|translate|>"], sot_prev=ids["<|startofprev|>"], sot_lm=start,
        no_speech=ids["<|nospeech|>"], encode=lambda text: list(text.encode()), decode=lambda list: bytes(i for i in list if i < 256).decode("latin-1"),
        split_to_word_tokens=lambda list: ([""] * len(list), [[i] for i in list]))
    whisper.decoding.get_tokenizer = lambda *_, **__: tokenizer
    times, searches = [], []
    for count, text in ((20000, "Hello you"), (32000, "one two, three."), (4000, "a")):
        mel = torch.tensor(extractor(made(count), sampling_rate=16000, return_tensors="np").input_features[0])
        words = find_alignment(theirs, tokenizer, list(text.encode()), mel, count // 160)
        starts = [round(w.start / 0.02) for w in words] + [round(words[-1].end / 0.02)]
        times.append({"samples": count, "text": list(text.encode()), "times": starts})
    for count, options in ((20000, {"beam_size": 2}), (20000, {"beam_size": 5}), (32000, {"beam_size": 3, "patience": 2.0}),
                           (32000, {"beam_size": 4, "length_penalty": 0.6}), (9000, {"beam_size": 5, "patience": 0.4})):
        mel = torch.tensor(extractor(made(count), sampling_rate=16000, return_tensors="np").input_features[0])
        result = theirs.decode(mel, whisper.DecodingOptions(
            language="de", fp16=False, suppress_tokens=[1, 2], temperature=0, max_initial_timestamp=15.0, **options))  # step 50 of a window of 30 s
        searches.append({"samples": count, **options, "tokens": result.tokens, "average": result.avg_logprob, "no_speech": result.no_speech_prob})
    write("attention.json", {"times": times, "searches": searches})


def human(folder, files):
    """Texts of recordings of at most 30 s."""
    import soundfile
    from transformers import AutoTokenizer, WhisperFeatureExtractor, WhisperForConditionalGeneration

    model = WhisperForConditionalGeneration.from_pretrained(folder).eval()
    extractor, tokenizer = WhisperFeatureExtractor.from_pretrained(folder), AutoTokenizer.from_pretrained(folder)
    texts = {}
    for path in files:
        samples, rate = soundfile.read(path, dtype="float32")
        inputs = extractor(samples, sampling_rate=rate, return_tensors="pt").input_features
        ids = model.generate(inputs, return_timestamps=True, num_beams=1, do_sample=False)
        texts[os.path.basename(path)] = tokenizer.decode(ids[0], skip_special_tokens=True).strip()
    write("human.json", texts)


if __name__ == "__main__":
    if sys.argv[1:2] == ["human"]:
        human(sys.argv[2], sys.argv[3:])
    elif sys.argv[1:2] == ["attention"]:
        attention_folder()
    else:
        rules()
        features()
        random_folder()
