"""Checkpoints of random weights in the layout of diffusers, to try the exporter and the server at full size."""
import json
import os
import shutil

import torch

from audioldm_parts import clap, hifigan, unet, vae, weights

# The shape of cvssp/audioldm-s-full-v2, and smaller ones with the same parts: mini for tries, nano for tests.
SHAPES = {
    "s": {"unet": [128, 256, 384, 640], "vae": [128, 256, 512], "text": (768, 12, 12, 3072, 50265), "vocoder": 1024, "groups": 32, "out": 512},
    "mini": {"unet": [32, 48, 64, 96], "vae": [16, 32, 48], "text": (64, 2, 4, 128, 300), "vocoder": 64, "groups": 16, "out": 512},
    "nano": {"unet": [8, 8, 16, 16], "vae": [4, 4, 8], "text": (16, 1, 2, 32, 264), "vocoder": 32, "groups": 4, "out": 32},
}


def configs(shape):
    s = SHAPES[shape]
    hidden, layers, heads, inner, vocab = s["text"]
    n = len(s["unet"])
    return {
        "text_encoder": {
            "model_type": "clap_text_model", "vocab_size": vocab, "hidden_size": hidden, "num_hidden_layers": layers,
            "num_attention_heads": heads, "intermediate_size": inner, "hidden_act": "gelu", "max_position_embeddings": 514,
            "type_vocab_size": 1, "layer_norm_eps": 1e-12, "pad_token_id": 1, "bos_token_id": 0, "eos_token_id": 2,
            "projection_dim": s["out"], "projection_hidden_act": "relu"},
        "unet": {
            "_class_name": "UNet2DConditionModel", "in_channels": 8, "out_channels": 8, "sample_size": 128,
            "block_out_channels": s["unet"], "layers_per_block": 2, "cross_attention_dim": s["unet"], "attention_head_dim": 8,
            "down_block_types": ["DownBlock2D"] + ["CrossAttnDownBlock2D"] * (n - 1),
            "up_block_types": ["CrossAttnUpBlock2D"] * (n - 1) + ["UpBlock2D"], "class_embed_type": "simple_projection",
            "projection_class_embeddings_input_dim": s["out"], "class_embeddings_concat": True, "norm_num_groups": s["groups"],
            "norm_eps": 1e-5, "flip_sin_to_cos": True, "freq_shift": 0, "act_fn": "silu", "use_linear_projection": False},
        "vae": {
            "_class_name": "AutoencoderKL", "in_channels": 1, "out_channels": 1, "latent_channels": 8,
            "block_out_channels": s["vae"], "layers_per_block": 2, "norm_num_groups": s["groups"], "act_fn": "silu",
            "sample_size": 512, "scaling_factor": 0.9227914214134216},
        "vocoder": {
            "model_type": "hifigan", "model_in_dim": 64, "sampling_rate": 16000, "upsample_initial_channel": s["vocoder"],
            "upsample_rates": [5, 4, 2, 2, 2], "upsample_kernel_sizes": [16, 16, 8, 4, 4], "resblock_kernel_sizes": [3, 7, 11],
            "resblock_dilation_sizes": [[1, 3, 5]] * 3, "leaky_relu_slope": 0.1, "normalize_before": False},
    }


SCHEDULER = {
    "_class_name": "DDIMScheduler", "num_train_timesteps": 1000, "beta_start": 0.0015, "beta_end": 0.0195,
    "beta_schedule": "scaled_linear", "clip_sample": False, "set_alpha_to_one": False, "steps_offset": 1,
    "prediction_type": "epsilon"}


def randomise(module, g):
    """Weights under which the size of values neither dies out nor grows: a spread of one over the root of the inputs."""
    for name, p in module.named_parameters():
        if p.dim() > 1:
            fan = p.shape[1:].numel() if "upsampler" not in name else p.shape[0] * p.shape[2] // 4
            p.data = torch.randn(p.shape, generator=g) * (0.5 if "embeddings" in name else fan ** -0.5)
        elif name.endswith("bias"):
            p.data = torch.randn(p.shape, generator=g) * 0.02
        else:
            p.data = 1 + torch.randn(p.shape, generator=g) * 0.1
    return module


def old_names(state):
    """What checkpoints of 2023 look like, so that this road is walked too."""
    names = {"to_q": "query", "to_k": "key", "to_v": "value", "to_out.0": "proj_attn"}
    out = {}
    for name, value in state.items():
        for new, old in names.items():
            name = name.replace(".%s." % new, ".%s." % old) if ".attentions." in name else name
        out[name] = value
    out["encoder.conv_in.bias"] = torch.zeros(1)
    return out


def weight_norm(state):
    """Splits the weights of the upsampling layers as weight norm does."""
    out = {}
    for name, value in state.items():
        if name.startswith("upsampler") and name.endswith("weight"):
            out[name + "_g"] = value.flatten(1).norm(dim=1).reshape(-1, 1, 1)
            out[name + "_v"] = value * 3
        else:
            out[name] = value
    return out


def write(shape, folder, seed, tokenizer):
    cfgs, g = configs(shape), torch.Generator().manual_seed(seed)
    os.makedirs(folder, exist_ok=True)
    dump(os.path.join(folder, "model_index.json"), {
        "_class_name": "AudioLDMPipeline", "scheduler": ["diffusers", "DDIMScheduler"], "text_encoder": ["transformers", "ClapTextModelWithProjection"],
        "tokenizer": ["transformers", "RobertaTokenizer"], "unet": ["diffusers", "UNet2DConditionModel"], "vae": ["diffusers", "AutoencoderKL"],
        "vocoder": ["transformers", "SpeechT5HifiGan"]})
    dump(os.path.join(folder, "scheduler", "scheduler_config.json"), SCHEDULER)
    for name, make in (("text_encoder", clap.Text), ("unet", unet.UNet), ("vae", vae.VAE), ("vocoder", hifigan.Vocoder)):
        dump(os.path.join(folder, name, "config.json"), cfgs[name])
        state = randomise(make(cfgs[name]), g).state_dict()
        if name == "vae":
            torch.save(old_names(state), os.path.join(folder, name, "diffusion_pytorch_model.bin"))
        else:
            state = weight_norm(state) if name == "vocoder" else state
            stem = "diffusion_pytorch_model" if name == "unet" else "model"
            weights.write_safetensors(os.path.join(folder, name, stem + ".safetensors"), state)
        print("%-13s %6.1f MB" % (name, sum(t.numel() * 4 for t in state.values()) / 1e6), flush=True)
    target = os.path.join(folder, "tokenizer")
    if tokenizer:
        shutil.copytree(tokenizer, target, dirs_exist_ok=True)
    else:
        dump(os.path.join(target, "vocab.json"), plain_vocabulary())
        with open(os.path.join(target, "merges.txt"), "w") as f:
            f.write("#version: 0.2\n")
    dump(os.path.join(target, "tokenizer_config.json"), {"tokenizer_class": "RobertaTokenizer", "unk_token": "<unk>", "model_max_length": 512})
    return 0


def plain_vocabulary():
    """The 256 bytes as byte-level BPE writes them, without a merge."""
    visible = [b for b in range(256) if 33 <= b <= 126 or 161 <= b <= 172 or b >= 174]
    hidden = [b for b in range(256) if b not in visible]
    letters = {b: chr(b) for b in visible}
    letters.update({b: chr(256 + i) for i, b in enumerate(hidden)})
    return {t: i for i, t in enumerate(["<s>", "<pad>", "</s>", "<unk>"] + [letters[b] for b in range(256)])}


def dump(path, value):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w") as f:
        json.dump(value, f, indent=1)
        f.write("\n")
