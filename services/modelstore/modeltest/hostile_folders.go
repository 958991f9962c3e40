package modeltest

import (
	"fmt"
	"slices"
	"strings"

	"google.golang.org/protobuf/encoding/protowire"
)

const huge = "1099511627776"

// HostileFolders returns the hostile folders of every service.
func HostileFolders() []Hostile {
	list := slices.Concat(speech(), sounds(), questions(), embeddings())
	for i := range list {
		list[i].Name = fmt.Sprintf("hostile-%02d", i)
	}
	return list
}

func speech() []Hostile {
	const base = "wav2vec2-tiny"
	list := numbers(base, "config.json", []number{
		{"vocab_size", huge, "vocab_size must be at most 1000000, got " + huge},
		{"vocab_size", "-1", "vocab_size must be at least 1, got -1"},
		{"vocab_size", "1e30", "vocab_size must be a whole number of at most 64 bits, got number 1e30"},
		{"hidden_size", "9223372036854775807", "hidden_size must be at most"},
		{"intermediate_size", "4611686018427387904", "intermediate_size must be at most"},
		{"num_attention_heads", huge, "num_attention_heads must be at most 1024"},
		{"conv_dim", "[1,1,1,1,1,1,9223372036854775807]", "conv_dim[6] must be at most"},
		{"conv_kernel", "[10,3,3,3,3,2,4611686018427387904]", "conv_kernel[6] must be at most"},
		{"conv_stride", "[5,2,2,2,2,2,0]", "conv_stride[6] must be at least 1, got 0"},
		{"conv_stride", "[65536,65536,65536,65536,1,1,1]", "conv_stride, multiplied, must be at most 16000, got 9223372036854775807"},
		{"conv_stride", "[1,1,1,1,1,1,20000]", "conv_stride, multiplied, must be at most 16000, got 20000"},
		{
			"conv_kernel", "[65536,65536,65536,65536,65536,65536,65536]",
			"conv_kernel and conv_stride, as samples that one frame sees, must be at most 480000",
		},
		{"conv_dim", repeated("1", 200_000), "conv_dim must have at most 32 values, got 200000"},
		{"id2label", entries(150_000, 0), "id2label"},
		{"pad_token_id", strings.Repeat("9", 1<<20), "pad_token_id must be a whole number of at most 64 bits, got number 999"},
		{"architectures", `["` + strings.Repeat("A", 1<<20) + `"]`, "architectures must have one of"},
	})
	// A frame for each sample, with a full vocabulary for each frame.
	list = append(list, Hostile{
		Base: base, File: "config.json",
		Says: "/config.json: the output's width times its frames of a second must be at most",
		change: func(original []byte) []byte {
			return set("vocab_size", "1000000")(set("conv_stride", "[1,1,1,1,1,1,1]")(original))
		},
	})
	list = append(list, numbers(base, "preprocessor_config.json", []number{
		{"sampling_rate", huge, "sampling_rate must be at most 192000, got " + huge},
		{"sampling_rate", "0", "sampling_rate must be at least 8000, got 0"},
		{"feature_size", huge, "feature_size must be at most 1"},
		{"padding_value", "1e300", "padding_value must be a number of type float32"},
		{"padding_value", "3e38", "padding_value must be at most"},
		{"extra", nested(9000), "must be nested at most 64 deep"},
		{"extra", repeated("{}", 1_000_000), "must hold at most 262144 values"},
		{"extra", `"` + strings.Repeat("x", 8<<20) + `"`, "must be at most 4194304 bytes"},
	})...)
	list = append(list, numbers(base, "tokenizer_config.json", []number{
		{"unk_token", `"` + strings.Repeat("u", 1<<20) + `"`, "unk_token must be at most 4096 bytes, got 1048576"},
	})...)
	return append(list, speechFiles(base)...)
}

// speechFiles returns those whose fault is in a vocabulary, a word list or a graph.
func speechFiles(base string) []Hostile {
	return []Hostile{
		{Base: base, File: "vocab.json", Says: `/vocab.json: id of "A" must be at most 31, got ` + huge, change: set("A", huge)},
		{
			Base: base, File: "vocab.json", Says: `/vocab.json: id of "A" must be at least 0, got -9223372036854775808`,
			change: set("A", "-9223372036854775808"),
		},
		{
			Base: base, File: "vocab.json", Says: `/vocab.json: must hold at most 1000000 values`,
			change: whole(entries(1_100_000, 1)),
		},
		{
			Base: base, File: "vocab.json", Says: `must be at most 4096 bytes, got 1048576`,
			change: set(strings.Repeat("v", 1<<20), "1"),
		},
		{
			Base: base, File: "words.txt", Says: "/words.txt: must have at most 2000000 words",
			change: whole(strings.Repeat("A\n", 3_000_000)),
		},
		{
			Base: base, File: "words.txt", Says: "/words.txt: line 1 must be at most 4096 bytes",
			change: whole(strings.Repeat("A ", 3_000_000)),
		},
		{Base: base, File: "model.onnx", Says: "at most 4194304 fields", change: whole(strings.Repeat("\x08\x01", 5_000_000))},
		{Base: base, File: "model.onnx", Says: "at most 4096 inputs or outputs", change: graph(strings.Repeat(field(11, ""), 5000))},
		{
			Base: base, File: "model.onnx", Says: "at most 4096 bytes, got 1048576",
			change: graph(field(12, field(1, strings.Repeat("n", 1<<20)))),
		},
		{
			Base: base, File: "model.onnx", Says: "a field of 9223372036854775807 bytes ends beyond",
			change: whole("\x3a\xff\xff\xff\xff\xff\xff\xff\xff\x7f"),
		},
	}
}

// field encodes a protocol buffer field of bytes.
func field(number protowire.Number, content string) string {
	return string(protowire.AppendString(protowire.AppendTag(nil, number, protowire.BytesType), content))
}

// graph returns an ONNX model whose graph has the given fields.
func graph(fields string) func([]byte) []byte { return whole(field(7, fields)) }

func sounds() []Hostile {
	const base = "audioldm-tiny"
	list := numbers(base, "scheduler/scheduler_config.json", []number{
		{"num_train_timesteps", huge, "num_train_timesteps must be at most 100000, got " + huge},
		{"num_train_timesteps", "0", "num_train_timesteps must be at least 2, got 0"},
		{"steps_offset", "-1000", "steps_offset must be at least 0, got -1000"},
		{"steps_offset", "9223372036854775807", "steps_offset must be at most 999"},
		{"beta_start", "0", "beta_start must be at least"},
		{"beta_end", "1", "beta_end must be at most 0.999, got 1"},
		{"beta_end", "0.99", "the part of the sound that beta_start, beta_end and num_train_timesteps leave"},
		{"clip_sample_range", "-1", "clip_sample_range must be at least 0"},
		{"beta_schedule", `"` + strings.Repeat("b", 1<<20) + `"`, "beta_schedule must be linear or scaled_linear"},
	})
	list = append(list, numbers(base, "text_encoder/config.json", []number{
		{"projection_dim", huge, "projection_dim must be at most 65536"},
		{"num_attention_heads", "9223372036854775807", "num_attention_heads must be at most 1024"},
		{"bos_token_id", "-1", "bos_token_id must be at least 0"},
	})...)
	list = append(list, numbers(base, "unet/config.json", []number{
		{"in_channels", huge, "in_channels must be at most 1024"},
		{"block_out_channels", repeated("1", 64), "block_out_channels must have at most 8 values, got 64"},
		{"down_block_types", repeated(`"DownBlock2D"`, 70), "down_block_types must have at most 8 values, got 70"},
		{"attention_head_dim", "[9223372036854775807]", "attention_head_dim[0] must be at most"},
		{"row_multiple", "9223372036854775807", "row_multiple must be at most 256"},
	})...)
	list = append(list, numbers(base, "vae_decoder/config.json", []number{
		{"scaling_factor", "1e-300", "scaling_factor must be at least"},
		{"block_out_channels", repeated("1", 65), "block_out_channels must have at most 8 values, got 65"},
		{"block_out_channels", "[]", "block_out_channels must have at least 1 values, got 0"},
	})...)
	list = append(list, numbers(base, "vocoder/config.json", []number{
		{"model_in_dim", huge, "model_in_dim must be at most 1024"},
		{"sampling_rate", "-1", "sampling_rate must be at least 8000"},
		{"hop_length", "-160", "hop_length must be at least 1"},
		{"upsample_rates", "[65536,65536,65536,65536,3]", "upsample_rates, multiplied, must be at most 16384, got 9223372036854775807"},
		{"upsample_kernel_sizes", "[9223372036854775807]", "upsample_kernel_sizes[0] must be at most"},
	})...)
	return append(list, soundFiles(base)...)
}

// soundFiles returns those whose fault is in several fields, a tokenizer or a graph.
func soundFiles(base string) []Hostile {
	return []Hostile{
		{
			Base: base, File: "vocoder/config.json",
			Says: "/vocoder/config.json: model_in_dim times the frames of a second must be at most",
			change: func(original []byte) []byte {
				return set("sampling_rate", "192000")(set("hop_length", "1")(original))
			},
		},
		{
			Base: base, File: "tokenizer/vocab.json", Says: `/tokenizer/vocab.json: id of "a" must be 0 to 999999, got ` + huge,
			change: set("a", huge),
		},
		{
			Base: base, File: "tokenizer/merges.txt", Says: "/tokenizer/merges.txt: line 1 must be at most 8192 bytes",
			change: whole(strings.Repeat("a", 1<<20)),
		},
		{
			Base: base, File: "unet/model.onnx", Says: "/unet/model.onnx: not a readable ONNX model",
			change: whole(strings.Repeat("\x08\x01", 5_000_000)),
		},
		{
			Base: base, File: "unet/model.onnx", Says: "a tensor must have at most 64 dimensions",
			change: graph(field(11, field(2, field(1, field(2, strings.Repeat(field(1, ""), 100)))))),
		},
	}
}

func questions() []Hostile {
	const base = "gama-tiny"
	list := numbers(base, "config.json", []number{
		{"text_config.vocab_size", huge, "text_config.vocab_size must be at most 1000000, got " + huge},
		{"text_config.hidden_size", "9223372036854775807", "text_config.hidden_size must be at most"},
		{"text_config.num_hidden_layers", huge, "text_config.num_hidden_layers must be at most 1024"},
		{"text_config.num_attention_heads", huge, "text_config.num_attention_heads must be at most 1024"},
		{"text_config.num_key_value_heads", "-4", "text_config.num_key_value_heads must be at least 1"},
		{"text_config.head_dim", huge, "text_config.head_dim must be at most 4096"},
		{"text_config.intermediate_size", "9223372036854775807", "text_config.intermediate_size must be at most"},
		{"text_config.max_position_embeddings", huge, "text_config.max_position_embeddings must be at most 16777216"},
		{"audio_config.max_frames", "-9223372036854775808", "audio_config.max_frames must be at least 0"},
		{"num_audio_tokens", huge, "num_audio_tokens must be at most 511"},
		{"prompt_template", `"{question}` + strings.Repeat("x", 1<<20) + `"`, "prompt_template must be at most 65536 bytes"},
	})
	list = append(list, numbers(base, "preprocessor_config.json", []number{
		{"sampling_rate", huge, "sampling_rate must be at most 192000"},
		{"num_mel_bins", huge, "num_mel_bins must be at most 1024"},
		{"frame_shift_ms", "1e300", "frame_shift_ms must be at most 1000, got 1e+300"},
		{"frame_length_ms", "-1", "frame_length_ms must be at least 0"},
		{"max_length", huge, "max_length must be at most 65536"},
		{"std", "1e-320", "std must be at least"},
		{"mean", "1e308", "mean must be at most"},
	})...)
	list = append(list, numbers(base, "generation_config.json", []number{
		{"eos_token_id", repeated("2", 100_000), "eos_token_id must have at most 256 values, got 100000"},
		{"bos_token_id", "-1", "bos_token_id must be at least 0"},
		{"top_k", "9223372036854775807", "top_k must be at most 1000000"},
		{"max_new_tokens", huge, "max_new_tokens must be at most 16777216"},
		{"no_repeat_ngram_size", "9223372036854775807", "no_repeat_ngram_size must be at most"},
		{"repetition_penalty", "1e308", "repetition_penalty must be at most"},
		{"suppress_tokens", repeated("1", 200_000), "suppress_tokens must have at most 65536 values"},
		{"stop_strings", repeated(`"x"`, 100_000), "stop_strings must have at most 64 values"},
	})...)
	return append(list,
		Hostile{
			Base: base, File: "tokenizer.json", Says: `/tokenizer.json: id of "a" must be 0 to 999999, got ` + huge,
			change: set("model.vocab.a", huge),
		},
		Hostile{
			Base: base, File: "tokenizer.json", Says: "/tokenizer.json: model.vocab must hold at most 1000000 values",
			change: set("model.vocab", entries(1_100_000, 1)),
		},
		Hostile{
			Base: base, File: "tokenizer.json", Says: "/tokenizer.json: normalizer must hold at most 4096 values",
			change: set("normalizer.normalizers", repeated("{}", 200_000)),
		},
		Hostile{
			Base: base, File: "tokenizer.json", Says: "/tokenizer.json: normalizer.prepend must be at most 64 bytes",
			change: set("normalizer", `{"type":"Prepend","prepend":"`+strings.Repeat("p", 1<<16)+`"}`),
		},
		Hostile{
			Base: base, File: "tokenizer.json", Says: "/tokenizer.json: must be nested at most 64 deep",
			change: set("normalizer", nested(9000)),
		},
	)
}
