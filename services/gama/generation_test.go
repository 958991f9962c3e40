package gama

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/grym-synth/grym-synth/services/decoding"
	"github.com/grym-synth/grym-synth/services/tasks"
)

// generationFolder returns a folder with the given generation_config.json.
func generationFolder(t *testing.T, text string) *folder {
	t.Helper()
	f := &folder{Generation: defaultGeneration()}
	f.Network.AudioInsert, f.Network.EOS, f.Network.TextPart.MaxPositions, f.Network.NumAudio = insertPrefix, idList{2}, 512, 16
	require.NoError(t, json.Unmarshal([]byte(text), &f.Generation))
	return f
}

// TestGenerationConfigIsHonouredFieldByField has each field with its effect.
func TestGenerationConfigIsHonouredFieldByField(t *testing.T) {
	t.Parallel()
	of := func(text string) decoding.Sampling {
		f := generationFolder(t, text)
		require.NoError(t, f.Generation.check("m"), text)
		return f.sampling(tasks.AskParams{})
	}
	require.Equal(t, 50, of(`{}`).TopK, "the format's default")
	require.Zero(t, of(`{}`).Temperature, "greedy without do_sample")
	require.Zero(t, of(`{"do_sample":false,"temperature":0.7}`).Temperature)
	require.InDelta(t, 0.7, of(`{"do_sample":true,"temperature":0.7}`).Temperature, 0)
	require.InDelta(t, 1, of(`{"do_sample":true,"temperature":null}`).Temperature, 0, "null is the default")
	require.Equal(t, 7, of(`{"top_k":7}`).TopK)
	require.InDelta(t, 0.9, of(`{"top_p":0.9}`).TopP, 0)
	require.InDelta(t, 0.2, of(`{"min_p":0.2}`).MinP, 0)
	require.InDelta(t, 1.1, of(`{"repetition_penalty":1.1}`).RepetitionPenalty, 0)
	require.Equal(t, 3, of(`{"no_repeat_ngram_size":3}`).NoRepeatNgram)
	require.Equal(t, 4, of(`{"min_new_tokens":4}`).MinNewTokens)
	require.Equal(t, 9, of(`{"min_length":9}`).MinLength)
	require.Equal(t, []int{5, 6}, of(`{"suppress_tokens":[5,6]}`).Suppress)
	require.Equal(t, []int{8}, of(`{"begin_suppress_tokens":[8]}`).BeginSuppress)
	require.Equal(t, textList{"END"}, generationFolder(t, `{"stop_strings":"END"}`).Generation.StopStrings)

	most := func(text string) int { return generationFolder(t, text).newTokens(tasks.AskParams{}, 100) }
	require.Equal(t, defaultNewTokens, most(`{}`))
	require.Equal(t, 20, most(`{"max_new_tokens":20,"max_length":7}`), "the former goes first")
	require.Equal(t, 200-(100-16), most(`{"max_length":200}`), "the sound has no tokens in GAMA's count")
	require.Equal(t, 412, most(`{"max_new_tokens":1000}`), "no more than the model takes")
	four := 4
	require.Equal(t, 4, generationFolder(t, `{"max_new_tokens":20}`).newTokens(tasks.AskParams{MaxTokens: &four}, 100),
		"the request goes first")
}

func TestGenerationConfigThatCannotBeFollowedIsRefused(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		`{"do_sample":true,"temperature":0}`:           "temperature must be at least 0.0001",
		`{"top_k":-1}`:                                 "top_k",
		`{"top_p":0}`:                                  "top_p",
		`{"min_p":2}`:                                  "min_p",
		`{"repetition_penalty":0}`:                     "repetition_penalty",
		`{"max_new_tokens":0}`:                         "max_new_tokens",
		`{"max_length":0}`:                             "max_length",
		`{"min_new_tokens":-1}`:                        "min_new_tokens",
		`{"stop_strings":[""]}`:                        "stop_strings",
		`{"num_beams":4}`:                              "num_beams is 4",
		`{"typical_p":0.5}`:                            "typical_p is 0.5",
		`{"penalty_alpha":0.6}`:                        "penalty_alpha",
		`{"bad_words_ids":[[5]]}`:                      "bad_words_ids is set",
		`{"forced_eos_token_id":2}`:                    "forced_eos_token_id",
		`{"sequence_bias":[[[5],1.0]]}`:                "sequence_bias",
		`{"encoder_no_repeat_ngram_size":2}`:           "encoder_no_repeat_ngram_size",
		`{"exponential_decay_length_penalty":[3,1.1]}`: "exponential_decay_length_penalty",
	} {
		require.ErrorContains(t, generationFolder(t, text).Generation.check("m"), want, text)
	}
	neutral := `{"num_beams":1,"num_beam_groups":1,"typical_p":1.0,"penalty_alpha":null,"bad_words_ids":null,"forced_bos_token_id":null,
		"length_penalty":2,"early_stopping":true,"pad_token_id":0,"transformers_version":"4.28.0","use_cache":true,
		"diversity_penalty":0.0,"guidance_scale":1}`
	require.NoError(t, generationFolder(t, neutral).Generation.check("m"))
}

func TestWhatTheFirstTokensMayNotBe(t *testing.T) {
	t.Parallel()
	require.Equal(t, 2, choose(decoding.Sampling{BeginSuppress: []int{1}}, nil, 1, 3, 2))
	require.Equal(t, 0, choose(decoding.Sampling{MinLength: 3, EOS: []int{1}}, []int64{-1, -2, 5}, 1, 3),
		"one token and the sound, which does not count")
	require.Equal(t, 1, choose(decoding.Sampling{MinLength: 3, EOS: []int{1}, CountAll: true}, []int64{-1, -2, 5}, 1, 3))
	require.Equal(t, 1, choose(decoding.Sampling{MinLength: 1, EOS: []int{1}}, []int64{5}, 1, 3))
	// Weights 1, 0.61, 0.37: half leaves two.
	counts := [3]int{}
	for seed := range uint64(200) {
		counts[choose(decoding.Sampling{Temperature: 1, MinP: 0.5, Seed: seed}, nil, 2, 1.5, 1)]++
	}
	require.Zero(t, counts[2])
	require.Positive(t, counts[0])
	require.Positive(t, counts[1])
}
