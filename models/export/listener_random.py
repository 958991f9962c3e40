#!/usr/bin/env python3
"""Audio language models that hear as Whisper does, with random weights and few layers, in the three graphs of transformers.js: listener_random.py DIR.

voxtral is transformers' (PyPI) VoxtralForConditionalGeneration. ultravox is made of transformers' Whisper encoder and Llama, and of a
projector as Ultravox describes it (frames stacked by eight, RMS norms, SwiGLU). golden.json has the prompt, the rows of the sound and the
tokens of a greedy answer. services/gama/testdata/listeners has them. Needs torch, onnx, transformers and tokenizers.
"""
import json
import os
import sys
import wave

import numpy as np
import torch
import transformers as T
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

HERE = os.path.dirname(os.path.abspath(__file__))
CLIP = "clip09.wav"
SECONDS = 2
QUESTION = "What is said in the sound?"
TEXT = dict(hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2, head_dim=8,
            max_position_embeddings=512, rope_theta=10000.0, attn_implementation="eager")
AUDIO = dict(num_mel_bins=16, max_source_positions=50 * SECONDS)
SPECIAL = {
    "voxtral": ["<unk>", "<s>", "</s>", "[INST]", "[/INST]", "[AUDIO]", "[BEGIN_AUDIO]"],
    "ultravox": ["<|begin_of_text|>", "<|end_of_text|>", "<|eot_id|>", "<|start_header_id|>", "<|end_header_id|>", "<|audio|>"],
}


def make_tokenizer(name, to):
    t = Tokenizer(models.BPE())
    t.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    t.decoder = decoders.ByteLevel()
    t.train_from_iterator([QUESTION, "a sound is heard in the room", "the user and the assistant of the system"],
                          trainers.BpeTrainer(vocab_size=320, special_tokens=SPECIAL[name], initial_alphabet=pre_tokenizers.ByteLevel.alphabet()))
    fast = T.PreTrainedTokenizerFast(tokenizer_object=t, bos_token=SPECIAL[name][1 if name == "voxtral" else 0], eos_token=SPECIAL[name][2])
    fast.save_pretrained(to)
    return fast


def randomise(model):
    torch.manual_seed(7)
    with torch.no_grad():
        for p in model.parameters():
            if p.dim() > 1:
                p.normal_(0, 1.4 / p[0].numel() ** .5)


class RMSNorm(torch.nn.Module):
    def __init__(self, width):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.ones(width))

    def forward(self, x):
        return self.weight * x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-6)


class Stacker(torch.nn.Module):
    """Ultravox's projector."""

    def __init__(self, width, hidden, stack=8):
        super().__init__()
        self.stack = stack
        self.before = RMSNorm(width * stack)
        self.first = torch.nn.Linear(width * stack, 64, bias=False)
        self.after = RMSNorm(32)
        self.second = torch.nn.Linear(32, hidden, bias=False)

    def forward(self, x):
        missing = (self.stack - x.shape[1] % self.stack) % self.stack
        x = torch.nn.functional.pad(x, (0, 0, 0, missing))
        x = self.first(self.before(x.reshape(x.shape[0], -1, x.shape[2] * self.stack)))
        x, gate = x.chunk(2, dim=-1)
        return self.second(self.after(torch.nn.functional.silu(gate) * x))


class UltravoxEncoder(torch.nn.Module):
    """Whisper's encoder for any length, and the projector."""

    def __init__(self, whisper, projector):
        super().__init__()
        self.whisper, self.projector = whisper, projector

    def forward(self, audio_values):
        w = self.whisper
        x = torch.nn.functional.gelu(w.conv1(audio_values))
        x = torch.nn.functional.gelu(w.conv2(x)).permute(0, 2, 1)
        x = x + w.embed_positions.weight[:x.shape[1]]
        for layer in w.layers:
            x = layer(x, None)
            x = x[0] if isinstance(x, tuple) else x
        return self.projector(w.layer_norm(x))


class VoxtralEncoder(torch.nn.Module):
    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, audio_values):
        return self.model.get_audio_features(audio_values).pooler_output


class Decoder(torch.nn.Module):
    """One step with the cache as tensors."""

    def __init__(self, language, head):
        super().__init__()
        self.language, self.head = language, head

    def forward(self, inputs_embeds, attention_mask, position_ids, *past):
        cache = T.DynamicCache()
        for i in range(len(past) // 2):
            cache.update(past[2 * i], past[2 * i + 1], i)
        n, total = inputs_embeds.shape[1], attention_mask.shape[1]
        rows = torch.arange(total - n, total)[:, None]
        mask = torch.where(torch.arange(total)[None] <= rows, 0.0, torch.finfo(torch.float32).min)[None, None]
        out = self.language(inputs_embeds=inputs_embeds, attention_mask=mask, position_ids=position_ids, past_key_values=cache, use_cache=True)
        presents = [t for layer in cache.layers for t in (layer.keys, layer.values)]
        return (self.head(out.last_hidden_state), *presents)


def export(to, encoder, embed, decoder, features, config, fixed):
    os.makedirs(to + "/onnx", exist_ok=True)
    rows = encoder(features)
    axes = {} if fixed else {"audio_values": {2: "frames"}, "audio_features": {1: "rows"}}
    torch.onnx.export(encoder, (features,), to + "/onnx/audio_encoder.onnx", input_names=["audio_values"], output_names=["audio_features"], dynamic_axes=axes,
                      opset_version=17, dynamo=False)
    torch.onnx.export(embed, (torch.tensor([[1, 2, 3]]),), to + "/onnx/embed_tokens.onnx", input_names=["input_ids"], output_names=["inputs_embeds"],
                      dynamic_axes={"input_ids": {0: "batch", 1: "length"}, "inputs_embeds": {0: "batch", 1: "length"}}, opset_version=17, dynamo=False)
    layers, past = config.num_hidden_layers, []
    names, outputs, axes = ["inputs_embeds", "attention_mask", "position_ids"], ["logits"], {}
    for i in range(layers):
        for kind in ("key", "value"):
            names.append(f"past_key_values.{i}.{kind}")
            outputs.append(f"present.{i}.{kind}")
            axes[names[-1]], axes[outputs[-1]] = {0: "batch", 2: "past"}, {0: "batch", 2: "total"}
            past.append(torch.randn(1, config.num_key_value_heads, 4, config.head_dim))
    axes.update({"inputs_embeds": {0: "batch", 1: "length"}, "attention_mask": {0: "batch", 1: "total"}, "position_ids": {0: "batch", 1: "length"},
                 "logits": {0: "batch", 1: "length"}})
    args = (torch.randn(1, 3, config.hidden_size), torch.ones(1, 7, dtype=torch.int64), torch.arange(4, 7)[None], *past)
    torch.onnx.export(decoder, args, to + "/onnx/decoder_model_merged.onnx", input_names=names, output_names=outputs, dynamic_axes=axes, opset_version=17, dynamo=False)
    return rows.reshape(-1, rows.shape[-1])


def answer(tokenizer, prompt, audio_token, rows, embed, language, head, eos, count=12):
    """Greedy tokens by transformers, without a cache."""
    before, after = prompt.split(audio_token)
    ids = [tokenizer(part, add_special_tokens=False)["input_ids"] for part in (before, after)]
    x = torch.cat([embed(torch.tensor([ids[0]]))[0], rows, embed(torch.tensor([ids[1]]))[0]])
    out = []
    while len(out) < count:
        logits = head(language(inputs_embeds=x[None]).last_hidden_state)[0, -1]
        out.append(int(logits.argmax()))
        if out[-1] == eos:
            break
        x = torch.cat([x, embed(torch.tensor([[out[-1]]]))[0]])
    return len(ids[0]) + len(rows) + len(ids[1]), out, [round(float(v), 6) for v in logits]


def save(name, to, config, extractor, encoder, embed, language, head, prompt, audio_token, samples):
    tokenizer = make_tokenizer(name, to)
    extractor.save_pretrained(to)
    options = dict(padding="max_length") if name == "voxtral" else dict(padding=False)
    features = extractor(samples, sampling_rate=16000, return_tensors="pt", truncation=False, **options)["input_features"]
    with torch.no_grad():
        rows = export(to, encoder.eval(), embed.eval(), Decoder(language, head).eval(), features, language.config, name == "voxtral")
        eos = tokenizer.eos_token_id
        bos = tokenizer.bos_token
        length, ids, logits = answer(tokenizer, bos + prompt.replace("{question}", QUESTION), audio_token, rows, embed, language, head, eos)
    config.save_pretrained(to)
    with open(to + "/generation_config.json", "w") as f:
        json.dump({"bos_token_id": tokenizer.bos_token_id, "eos_token_id": eos}, f)
    with open(to + "/golden.json", "w") as f:
        json.dump({"clip": CLIP, "question": QUESTION, "prompt_tokens": length, "features": list(features.shape), "rows": [[round(float(v), 6) for v in r] for r in rows],
                   "ids": ids, "text": tokenizer.decode([i for i in ids if i != eos]), "logits": logits}, f)
    print(name, list(features.shape), list(rows.shape), length, ids)


def main():
    with wave.open(os.path.join(HERE, "../wav2vec2-tiny/clips", CLIP)) as f:
        samples = np.frombuffer(f.readframes(f.getnframes()), np.int16).astype(np.float32) / 32768
    extractor = T.WhisperFeatureExtractor(feature_size=16, chunk_length=SECONDS)
    to = os.path.join(sys.argv[1], "voxtral")
    config = T.VoxtralConfig(audio_config=dict(model_type="voxtral_encoder", hidden_size=16, intermediate_size=64, num_hidden_layers=2, num_attention_heads=2, **AUDIO),
                             text_config=dict(model_type="llama", vocab_size=320, **TEXT), audio_token_id=5)
    config._attn_implementation = "eager"
    model = T.VoxtralForConditionalGeneration(config).eval()
    randomise(model)
    config.architectures = ["VoxtralForConditionalGeneration"]
    save("voxtral", to, config, extractor, VoxtralEncoder(model), model.get_input_embeddings(), model.model.language_model, model.lm_head,
         "[INST][BEGIN_AUDIO][AUDIO]{question}[/INST]", "[AUDIO]", samples)

    to = os.path.join(sys.argv[1], "ultravox")
    whisper = T.WhisperModel(T.WhisperConfig(d_model=16, encoder_layers=2, decoder_layers=1, encoder_attention_heads=2, decoder_attention_heads=2, encoder_ffn_dim=32,
                                             decoder_ffn_dim=32, attn_implementation="eager", **AUDIO)).encoder.eval()
    text = T.LlamaConfig(vocab_size=320, **TEXT)
    llama = T.LlamaForCausalLM(text).eval()
    encoder = UltravoxEncoder(whisper, Stacker(16, 32))
    randomise(encoder)
    randomise(llama)

    class UltravoxConfig(T.PretrainedConfig):
        model_type = "ultravox"

    config = UltravoxConfig(architectures=["UltravoxModel"], audio_config=whisper.config.to_dict(), text_config=text.to_dict(), stack_factor=8, ignore_index=-100)
    save("ultravox", to, config, extractor, encoder, llama.get_input_embeddings(), llama.model, llama.lm_head,
         "<|start_header_id|>user<|end_header_id|>\n\n{question} <|audio|><|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\n", "<|audio|>", samples)


if __name__ == "__main__":
    main()
