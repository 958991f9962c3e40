package tasks

import "github.com/grym-synth/grym-synth/services"

// Translate converts speech to English text. Its parameters are TranslateParams and its
// result is *Transcription.
const Translate = "translate"

// TranslateParams are the parameters of Translate: those of a transcription by a model that
// writes text.
type TranslateParams struct {
	Language               string   `json:"language,omitempty"`
	Prompt                 string   `json:"prompt,omitempty"`
	Keywords               []string `json:"keywords,omitempty"`
	Temperature            float64  `json:"temperature,omitempty"`
	ResponseFormat         string   `json:"response_format,omitempty"`
	TimestampGranularities []string `json:"timestamp_granularities,omitempty"`
	Include                []string `json:"include,omitempty"`
	services.Reading
	Stream        bool     `json:"stream,omitempty"`
	Decoding      string   `json:"decoding,omitempty"`
	BeamWidth     int      `json:"beam_width,omitempty"`
	Patience      float64  `json:"patience,omitempty"`
	LengthPenalty *float64 `json:"length_penalty,omitempty"`
}

// Transcribe returns the same task as parameters of Transcribe.
func (p TranslateParams) Transcribe() TranscribeParams {
	return TranscribeParams{
		Translate: true, Language: p.Language, Prompt: p.Prompt, Keywords: p.Keywords, Temperature: p.Temperature,
		ResponseFormat: p.ResponseFormat, TimestampGranularities: p.TimestampGranularities, Include: p.Include,
		Reading: p.Reading, Stream: p.Stream, Decoding: p.Decoding, BeamWidth: p.BeamWidth, Patience: p.Patience,
		LengthPenalty: p.LengthPenalty,
	}
}
