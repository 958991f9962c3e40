package tasks

import "github.com/grym-synth/grym-synth/services"

// Transcribe converts speech to text. Its parameters are TranscribeParams and its
// result is *Transcription.
const Transcribe = "transcribe"

// TranscribeParams are the parameters of Transcribe.
type TranscribeParams struct {
	// Language of the speech. A CTC model only supports the language that it was trained
	// on, and repeats this one in the result. A model of several languages finds it out if
	// it is empty.
	Language string `json:"language,omitempty"`
	// WindowSeconds is the length of the windows that longer audio is split into, 1 to
	// 30; nil for DefaultWindowSeconds. 0 processes the whole recording, of at most 30
	// s, at once.
	WindowSeconds *float64 `json:"window_seconds,omitempty"`
	// Decoding is DecodingGreedy or DecodingBeam. Empty selects the beam search if the
	// model has a word list or a prompt is set, and greedy decoding otherwise.
	Decoding string `json:"decoding,omitempty"`
	// BeamWidth is the number of hypotheses that the beam search keeps, 1 to
	// MaxBeamWidth; 0 for 100, and for 5 of a model that writes text, which takes at most 16
	// and searches if it is above 1.
	BeamWidth int `json:"beam_width,omitempty"`
	// Patience is the number of ended texts, as a multiple of BeamWidth, at which the search
	// of a model that writes text stops, above 0 to MaxPatience; 0 for 1.
	Patience float64 `json:"patience,omitempty"`
	// LengthPenalty, 0 to 1, is the exponent of the length by which the search of a model that
	// writes text divides the logarithm of a text's probability; nil divides it by the length.
	LengthPenalty *float64 `json:"length_penalty,omitempty"`
	// Translate asks for a translation into English.
	Translate bool `json:"translate,omitempty"`
	// Prompt has words that the beam search prefers, or the text that a model reads before
	// the recording, at most MaxPromptBytes long.
	Prompt string `json:"prompt,omitempty"`
	// Keywords are further words that the beam search prefers, at most MaxKeywords and
	// MaxPromptBytes long together.
	Keywords []string `json:"keywords,omitempty"`
	// Temperature, 0 to 1, at which a model that writes text begins. It has no effect on a
	// CTC model.
	Temperature float64 `json:"temperature,omitempty"`
	// ResponseFormat is one of TranscriptFormats, and TimestampGranularities selects
	// the times in FormatVerbose. They affect only the encoding of the result, and are
	// the default for a job's result.
	ResponseFormat         string   `json:"response_format,omitempty"`
	TimestampGranularities []string `json:"timestamp_granularities,omitempty"`
	// Include lists IncludeLogprobs, for the scores of the tokens in the result.
	Include []string `json:"include,omitempty"`
	services.Reading
	// Stream requests each word as a TranscriptDelta as soon as it is complete.
	Stream bool `json:"stream,omitempty"`
}

// Values of TranscribeParams.Decoding.
const (
	DecodingGreedy = "greedy"
	DecodingBeam   = "beam"
)

// Limits of TranscribeParams.
const (
	MaxBeamWidth   = 1000
	MaxPatience    = 10
	MaxPromptBytes = 4096
	MaxKeywords    = 1024
)

// IncludeLogprobs is the value of TranscribeParams.Include.
const IncludeLogprobs = "logprobs"

// DefaultWindowSeconds is the default length of a window of longer audio.
const DefaultWindowSeconds = 10

// Window returns WindowSeconds or its default.
func (p TranscribeParams) Window() float64 {
	if p.WindowSeconds == nil {
		return DefaultWindowSeconds
	}
	return *p.WindowSeconds
}

// TranscriptDelta is a piece of a transcription in progress.
type TranscriptDelta struct {
	// Words that have become complete since the previous delta.
	Words []Word `json:"words"`
}

// Transcription is the result of Transcribe and Translate.
type Transcription struct {
	// Text of the whole recording.
	Text string `json:"text"`
	// Language as in the parameters.
	Language string `json:"language,omitempty"`
	// DurationSeconds of the recording.
	DurationSeconds float64 `json:"duration"`
	// Words in order, with their times.
	Words []Word `json:"words"`
	// Cuts are the segments that the model has found, if it finds any itself.
	Cuts []Cut `json:"cuts,omitempty"`
	// Translated reports whether the text is a translation into English.
	Translated bool `json:"translated,omitempty"`
}

// Word is one spoken word.
type Word struct {
	Text string `json:"word"`
	// Start and End in seconds from the beginning of the recording.
	Start float64 `json:"start"`
	End   float64 `json:"end"`
	// Confidence is the probability that the word is right, 0 to 1; nil in a
	// TranscriptDelta.
	Confidence *float64 `json:"confidence,omitempty"`
	// Tokens spell the word, with the delimiter from the word before it; set if the
	// parameters request scores.
	Tokens []Token `json:"tokens,omitempty"`
	// NoSpeech is the logarithm of the probability that no letter was spoken from Start to
	// End; set with Tokens.
	NoSpeech float64 `json:"no_speech_logprob,omitempty"`
}

// Token is a token of a word.
type Token struct {
	// ID in the model's vocabulary.
	ID   int    `json:"id"`
	Text string `json:"token"`
	// LogProb is the mean logarithm of its probability over its frames.
	LogProb float64 `json:"logprob"`
}
