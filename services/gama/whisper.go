package gama

import (
	"fmt"
	"strings"

	"github.com/grym-synth/grym-synth/services/limits"
	"github.com/grym-synth/grym-synth/services/tokenizer"
)

// prompts are the prompts of models whose folders have them as chat templates only, as far as
// sound, instructions and questions are concerned. config.json overrides each part.
var prompts = map[string]struct {
	template, system, audio string
	// marks are the special tokens of these prompts.
	marks []string
}{
	// Ultravox is made of Llama 3, whose turns these are; the sound follows the question.
	typeUltravox: {
		template: "{system}<|start_header_id|>user<|end_header_id|>\n\n{question} {audio}<|eot_id|>" +
			"<|start_header_id|>assistant<|end_header_id|>\n\n",
		system: "<|start_header_id|>system<|end_header_id|>\n\n{system}<|eot_id|>",
		marks:  []string{"<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"},
	},
	// Voxtral takes no instructions; the sound precedes the question.
	typeVoxtral: {
		template: "[INST]{audio}{question}[/INST]", audio: "[BEGIN_AUDIO]",
		marks: []string{"[INST]", "[/INST]", "[BEGIN_AUDIO]"},
	},
}

// checkMarks returns an error if the prompt has a mark that the tokenizer does not have, as in a
// model that is made of another language model.
func (f *folder) checkMarks(name string, text tokenizer.Text) error {
	n := f.Network
	for _, mark := range prompts[n.ModelType].marks {
		if _, ok := text.ID(mark); !ok && strings.Contains(n.PromptTemplate+n.SystemTemplate+n.AudioBegin, mark) {
			return fmt.Errorf("%s/tokenizer.json: the token %s of the prompt is missing; set prompt_template, system_template and "+
				"audio_begin in config.json to the prompt of this model", name, mark)
		}
	}
	return nil
}

// Limits of Whisper's features.
const (
	maxFFT   = 1 << 14
	maxChunk = 60 // seconds
)

// adoptWhisper sets what follows from the settings of WhisperFeatureExtractor. The sounds of
// Voxtral are padded to a whole window.
func (f *folder) adoptWhisper(name string) error {
	p := &f.Preprocessor
	if !p.isWhisper() {
		return nil
	}
	for _, one := range []struct {
		value       *int
		missing     int
		least, most int64
		name        string
	}{
		{value: &p.FeatureSize, missing: 80, least: 4, most: limits.MelBands, name: "feature_size"},
		{value: &p.FFT, missing: 400, least: 16, most: maxFFT, name: "n_fft"},
		{value: &p.Hop, missing: 160, least: 8, most: maxFFT, name: "hop_length"},
		{value: &p.ChunkLength, missing: 30, least: 1, most: maxChunk, name: "chunk_length"},
		{value: &p.SamplingRate, least: limits.MinSampleRateHz, most: limits.MaxSampleRateHz, name: "sampling_rate"},
	} {
		if *one.value == 0 {
			*one.value = one.missing
		}
		file := limits.Of(name + "/preprocessor_config.json")
		if file.Int(one.name, int64(*one.value), one.least, one.most); file.Err() != nil {
			return file.Err()
		}
	}
	p.MelBins, p.PadToMaxLength = p.FeatureSize, f.Network.ModelType == typeVoxtral
	p.MaxLength = p.ChunkLength * p.SamplingRate / p.Hop
	p.ShiftMS = 1000 * float64(p.Hop) / float64(p.SamplingRate)
	p.LengthMS = 1000 * float64(p.FFT) / float64(p.SamplingRate)
	return nil
}
