package modeltest

import (
	"slices"
	"strings"
)

// embeddings returns the hostile folders derived from clap-tiny.
func embeddings() []Hostile {
	const base = "clap-tiny"
	return slices.Concat(
		numbers(base, "config.json", []number{
			{"projection_dim", huge, "projection_dim must be at most 131072"},
			{"logit_scale_init_value", "1e300", "logit_scale_init_value must be at most 10000"},
			{"audio_config.num_mel_bins", "65", "audio_config.num_mel_bins must be at most 64, got 65"},
			{"audio_config.hidden_size", "9223372036854775807", "audio_config.hidden_size must be at most"},
			{"audio_config.spec_size", huge, "audio_config.spec_size must be at most 4096"},
			{"audio_config.patch_stride", "[4]", "audio_config.patch_stride must have at least 2 values, got 1"},
			{"audio_config.patch_stride", "[0,4]", "audio_config.patch_stride[0] must be at least 1"},
			{"audio_config.num_attention_heads", repeated("1", 100), "audio_config.num_attention_heads must have at most 64 values"},
			{"audio_config.window_size", "-8", "audio_config.window_size must be at least 1"},
			{"audio_config.frames_per_second", "33", "audio_config.frames_per_second must divide the 100 rows of a second, got 33"},
			{"audio_config.frames_per_second", huge, "audio_config.frames_per_second must be at most 100"},
			{"audio_config.frame_context", huge, "audio_config.frame_context must be at most 250"},
			{"text_config.max_position_embeddings", "0", "text_config.max_position_embeddings must be at least 5"},
			{"text_config.bos_token_id", "-1", "text_config.bos_token_id must be at least 0"},
			{"text_config.hidden_size", "1e30", "text_config.hidden_size must be a whole number"},
		}),
		numbers(base, "preprocessor_config.json", []number{
			{"sampling_rate", huge, "sampling_rate must be at most 192000"},
			{"hop_length", "0", "hop_length must be at least 8, got 0"},
			{"hop_length", "257", "hop_length must be at most 256, got 257"},
			{"fft_window_size", huge, "fft_window_size must be at most 16384"},
			{"feature_size", huge, "feature_size must be at most 1024"},
			{"nb_max_samples", huge, "nb_max_samples must be at most 960000"},
			{"nb_max_samples", "-1", "nb_max_samples must be at least"},
			{"frequency_min", "-1e308", "frequency_min must be at least 0"},
			{"frequency_max", "9000", "frequency_max must be at most 8000"},
			{"truncation", `"` + strings.Repeat("t", 1<<20) + `"`, "truncation must be rand_trunc or fusion"},
			{"padding", `"none"`, `padding must be repeatpad or repeat or pad, got "none"`},
			{"extra", nested(9000), "must be nested at most 64 deep"},
		}),
		[]Hostile{
			{
				Base: base, File: "preprocessor_config.json",
				Says:   "/preprocessor_config.json: length of a transform must be a power of two from 4, got 500",
				change: set("fft_window_size", "500"),
			},
			{
				Base: base, File: "tokenizer.json", Says: `/tokenizer.json: id of "a" must be 0 to 999999, got ` + huge,
				change: set("model.vocab.a", huge),
			},
			{
				Base: base, File: "tokenizer.json", Says: "/tokenizer.json: model.vocab must hold at most 1000000 values",
				change: set("model.vocab", entries(1_100_000, 1)),
			},
			{
				Base: base, File: "onnx/text_model.onnx", Says: "at most 4194304 fields",
				change: whole(strings.Repeat("\x08\x01", 5_000_000)),
			},
			{
				Base: base, File: "onnx/pool_model.onnx", Says: "a field of 9223372036854775807 bytes ends beyond",
				change: whole("\x3a\xff\xff\xff\xff\xff\xff\xff\xff\x7f"),
			},
		})
}
