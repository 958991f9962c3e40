package gama

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/grym-synth/grym-synth/services/limits"
)

// generationConfig is generation_config.json. Missing fields have the format's
// defaults; top_k is 50.
type generationConfig struct {
	DoSample          bool    `json:"do_sample"`
	Temperature       float64 `json:"temperature"`
	TopK              int     `json:"top_k"`
	TopP              float64 `json:"top_p"`
	RepetitionPenalty float64 `json:"repetition_penalty"`
	MaxNewTokens      *int    `json:"max_new_tokens"`
	MaxLength         *int    `json:"max_length"`
	MinNewTokens      int     `json:"min_new_tokens"`
	NoRepeatNgram     int     `json:"no_repeat_ngram_size"`
	SuppressTokens    []int   `json:"suppress_tokens"`
	// BeginSuppress are forbidden as the first token.
	BeginSuppress []int `json:"begin_suppress_tokens"`
	// MinLength includes the prompt, like MaxLength.
	MinLength int `json:"min_length"`
	// MinP excludes tokens less likely than this fraction of the most likely one.
	MinP        float64  `json:"min_p"`
	StopStrings textList `json:"stop_strings"`
	unsupported
	BOS *int   `json:"bos_token_id"`
	EOS idList `json:"eos_token_id"`
}

// unsupported has the fields that change an answer in ways this service does not offer.
// A folder that sets one is refused, with the name of the field. Null
// and neutral values are accepted. Fields that only affect beam search or the
// transformers library are ignored.
type unsupported struct {
	NumBeams           *float64        `json:"num_beams"`
	NumBeamGroups      *float64        `json:"num_beam_groups"`
	NumReturnSequences *float64        `json:"num_return_sequences"`
	TypicalP           *float64        `json:"typical_p"`
	EncoderPenalty     *float64        `json:"encoder_repetition_penalty"`
	GuidanceScale      *float64        `json:"guidance_scale"`
	PenaltyAlpha       *float64        `json:"penalty_alpha"`
	EpsilonCutoff      *float64        `json:"epsilon_cutoff"`
	EtaCutoff          *float64        `json:"eta_cutoff"`
	DiversityPenalty   *float64        `json:"diversity_penalty"`
	EncoderNgram       *float64        `json:"encoder_no_repeat_ngram_size"`
	MaxTime            *float64        `json:"max_time"`
	BadWords           json.RawMessage `json:"bad_words_ids"`
	ForceWords         json.RawMessage `json:"force_words_ids"`
	Constraints        json.RawMessage `json:"constraints"`
	SequenceBias       json.RawMessage `json:"sequence_bias"`
	ForcedBOS          json.RawMessage `json:"forced_bos_token_id"`
	ForcedEOS          json.RawMessage `json:"forced_eos_token_id"`
	DecayPenalty       json.RawMessage `json:"exponential_decay_length_penalty"`
	DoLaLayers         json.RawMessage `json:"dola_layers"`
}

// check returns an error for the first field without a neutral value.
func (u unsupported) check() error {
	for _, field := range []struct {
		name    string
		value   *float64
		neutral float64
	}{
		{"num_beams", u.NumBeams, 1},
		{"num_beam_groups", u.NumBeamGroups, 1},
		{"num_return_sequences", u.NumReturnSequences, 1},
		{"typical_p", u.TypicalP, 1},
		{"encoder_repetition_penalty", u.EncoderPenalty, 1},
		{"guidance_scale", u.GuidanceScale, 1},
		{"penalty_alpha", u.PenaltyAlpha, 0},
		{"epsilon_cutoff", u.EpsilonCutoff, 0},
		{"eta_cutoff", u.EtaCutoff, 0},
		{"diversity_penalty", u.DiversityPenalty, 0},
		{"encoder_no_repeat_ngram_size", u.EncoderNgram, 0},
		{"max_time", u.MaxTime, 0},
	} {
		if field.value != nil && *field.value != field.neutral {
			return fmt.Errorf("%s is %v; it is not supported, and must be %v or left out", field.name, *field.value, field.neutral)
		}
	}
	for _, field := range []struct {
		name  string
		value json.RawMessage
	}{
		{"bad_words_ids", u.BadWords},
		{"force_words_ids", u.ForceWords},
		{"constraints", u.Constraints},
		{"sequence_bias", u.SequenceBias},
		{"forced_bos_token_id", u.ForcedBOS},
		{"forced_eos_token_id", u.ForcedEOS},
		{"exponential_decay_length_penalty", u.DecayPenalty},
		{"dola_layers", u.DoLaLayers},
	} {
		if len(field.value) > 0 && !slices.Contains([]string{"null", "[]", "{}"}, string(field.value)) {
			return fmt.Errorf("%s is set; it is not supported, and must be null or left out", field.name)
		}
	}
	return nil
}

// defaultGeneration has the values of missing fields.
func defaultGeneration() generationConfig {
	return generationConfig{Temperature: 1, TopK: 50, TopP: 1, RepetitionPenalty: 1}
}

// Limits of generation settings.
const (
	maxSuppressed  = 1 << 16
	maxStopTexts   = 64
	maxStopText    = 1024 // bytes
	leastWarmth    = 1e-4
	mostWarmth     = 100
	leastRepeating = 1e-3
	mostRepeating  = 1000
)

// check returns an error for invalid values.
func (g generationConfig) check(name string) error {
	file := limits.Of(name + "/generation_config.json")
	if g.DoSample {
		file.Float("temperature", g.Temperature, leastWarmth, mostWarmth)
	}
	file.Int("top_k", int64(g.TopK), 0, limits.Vocabulary)
	file.Float("top_p", g.TopP, math.SmallestNonzeroFloat64, 1)
	file.Float("min_p", g.MinP, 0, 1)
	file.Float("repetition_penalty", g.RepetitionPenalty, leastRepeating, mostRepeating)
	if g.MaxNewTokens != nil {
		file.Int("max_new_tokens", int64(*g.MaxNewTokens), 1, maxPositions)
	}
	if g.MaxLength != nil {
		file.Int("max_length", int64(*g.MaxLength), 1, maxPositions)
	}
	file.Int("min_new_tokens", int64(g.MinNewTokens), 0, maxPositions)
	file.Int("min_length", int64(g.MinLength), 0, maxPositions)
	file.Int("no_repeat_ngram_size", int64(g.NoRepeatNgram), 0, maxPositions)
	file.Count("suppress_tokens", len(g.SuppressTokens), 0, maxSuppressed)
	file.Count("begin_suppress_tokens", len(g.BeginSuppress), 0, maxSuppressed)
	file.Count("stop_strings", len(g.StopStrings), 0, maxStopTexts)
	for i, text := range g.StopStrings {
		file.Text(fmt.Sprintf("stop_strings[%d]", i), text, maxStopText)
	}
	if slices.Contains(g.StopStrings, "") {
		file.Fail("stop_strings must not contain an empty string")
	}
	checkIDs(file, g.BOS, g.EOS)
	if err := g.unsupported.check(); err != nil {
		file.Fail("%w", err)
	}
	return file.Err()
}

// idList is one id or an array of ids.
type idList []int

// UnmarshalJSON reads both forms.
func (l *idList) UnmarshalJSON(data []byte) error {
	var one *int
	if err := json.Unmarshal(data, &one); err == nil {
		if one != nil {
			*l = idList{*one}
		}
		return nil
	}
	var several []int
	if err := json.Unmarshal(data, &several); err != nil {
		return errors.New("a token id must be a number or an array of numbers")
	}
	*l = several
	return nil
}

// textList is one string or an array of strings.
type textList []string

// UnmarshalJSON reads both forms.
func (l *textList) UnmarshalJSON(data []byte) error {
	var one *string
	if err := json.Unmarshal(data, &one); err == nil {
		if one != nil {
			*l = textList{*one}
		}
		return nil
	}
	var several []string
	if err := json.Unmarshal(data, &several); err != nil {
		return errors.New("stop_strings must be a string or an array of strings")
	}
	*l = several
	return nil
}
