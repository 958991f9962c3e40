package tasks

import (
	"slices"
	"strings"

	"github.com/grym-synth/grym-synth/services"
)

// CheckTranscribe returns a fault that names every invalid parameter of a transcription.
func CheckTranscribe(params TranscribeParams) error {
	var bad services.Complaints
	if w := params.WindowSeconds; w != nil && *w != 0 && !(*w >= 1 && *w <= MaxWindowSeconds) {
		bad.Complain("window_seconds", "must be 0 or from 1 to %d, got %v", MaxWindowSeconds, *w)
	}
	ComplainOfTranscribe(params, &bad)
	return bad.Err()
}

// MaxWindowSeconds is the maximum of TranscribeParams.WindowSeconds.
const MaxWindowSeconds = 30

// ComplainOfTranscribe complains of the parameters of a transcription.
func ComplainOfTranscribe(params TranscribeParams, bad *services.Complaints) {
	if d := params.Decoding; d != "" && d != DecodingGreedy && d != DecodingBeam {
		bad.Complain("decoding", "must be greedy or beam, got %.40q", d)
	}
	if params.BeamWidth < 0 || params.BeamWidth > MaxBeamWidth {
		bad.Complain("beam_width", "must be from 1 to %d, got %d", MaxBeamWidth, params.BeamWidth)
	}
	if p := params.Patience; !(p >= 0 && p <= MaxPatience) {
		bad.Complain("patience", "must be above 0 and at most %d, got %v", MaxPatience, p)
	}
	if p := params.LengthPenalty; p != nil && !(*p >= 0 && *p <= 1) {
		bad.Complain("length_penalty", "must be from 0 to 1, got %v", *p)
	}
	if len(params.Prompt) > MaxPromptBytes {
		bad.Complain("prompt", "must be at most %d bytes, got %d", MaxPromptBytes, len(params.Prompt))
	}
	if size := len(strings.Join(params.Keywords, " ")); size > MaxPromptBytes {
		bad.Complain("keywords", "must be at most %d bytes together, got %d", MaxPromptBytes, size)
	}
	for _, part := range params.Include {
		if part != IncludeLogprobs {
			bad.Complain("include", "must be %s, got %.40q", IncludeLogprobs, part)
		}
	}
	if f := params.ResponseFormat; f != "" && !slices.Contains(TranscriptFormats(), f) {
		bad.Complain("response_format", "must be one of %s, got %.40q", strings.Join(TranscriptFormats(), ", "), f)
	}
	for _, g := range params.TimestampGranularities {
		if g != GranularityWord && g != GranularitySegment {
			bad.Complain("timestamp_granularities", "must be word or segment, got %.40q", g)
		}
	}
	if t := params.Temperature; !(t >= 0 && t <= 1) {
		bad.Complain("temperature", "must be from 0 to 1, got %v", t)
	}
}
