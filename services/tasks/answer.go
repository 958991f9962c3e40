package tasks

import "github.com/grym-synth/grym-synth/services"

// Tasks of audio language models: Ask answers a question about a recording,
// Caption describes one. Params AskParams, result *Answer.
const (
	Ask     = "ask"
	Caption = "caption"
)

// AskParams are the parameters of Ask and Caption. Nil fields take what
// the model's generation_config.json says.
type AskParams struct {
	// Question about the recording; Caption has one of its own.
	Question string `json:"question,omitempty"`
	// History is what was asked and answered before.
	History []services.Exchange `json:"history,omitempty"`
	// ContextID of a kept conversation, whose recording and history are used.
	ContextID string `json:"context_id,omitempty"`
	// Truncation is "auto" to drop the oldest exchanges where the prompt is longer
	// than the model allows, "disabled" or empty to refuse it.
	Truncation string `json:"truncation,omitempty"`

	MaxTokens         *int     `json:"max_tokens,omitempty"`
	Temperature       *float64 `json:"temperature,omitempty"`
	TopK              *int     `json:"top_k,omitempty"`
	TopP              *float64 `json:"top_p,omitempty"`
	RepetitionPenalty *float64 `json:"repetition_penalty,omitempty"`
	// Seed of the sampling. Nil draws one.
	Seed *uint64 `json:"seed,omitempty"`
	// Stop ends the answer before any of these texts.
	Stop []string `json:"stop,omitempty"`
	// WindowSeconds into which longer audio is cut; nil for the most the model takes.
	WindowSeconds *float64 `json:"window_seconds,omitempty"`
	// Stream hands the text over as AnswerDelta values as it comes.
	Stream bool `json:"stream,omitempty"`
}

// AnswerDelta is a piece of an answer as it comes: whole characters, and never a
// part of a stop text.
type AnswerDelta struct {
	Text string `json:"text"`
}

// Reasons why an answer ended.
const (
	FinishStop   = "stop"   // the model was done, or a stop text came
	FinishLength = "length" // the most tokens were reached
)

// Answer is the result of Ask and Caption.
type Answer struct {
	// Text of the answer; of long audio, a line for each piece with its times.
	Text         string `json:"text"`
	FinishReason string `json:"finish_reason"`
	ContextID    string `json:"context_id,omitempty"`
	// DurationSeconds of the recording.
	DurationSeconds float64       `json:"duration"`
	Seed            uint64        `json:"seed"`
	Pieces          []AnswerPiece `json:"pieces,omitempty"`
	Usage           AnswerUsage   `json:"usage"`
}

// AnswerPiece is the answer about one piece of a long recording.
type AnswerPiece struct {
	// Start and End in seconds from the beginning of the recording.
	Start float64 `json:"start"`
	End   float64 `json:"end"`
	Text  string  `json:"text"`
}

// AnswerUsage counts tokens. Audio rows count as prompt tokens.
type AnswerUsage struct {
	PromptTokens     int `json:"prompt_tokens"`
	CompletionTokens int `json:"completion_tokens"`
	AudioTokens      int `json:"audio_tokens"`
	// CachedTokens of the prompt were not computed again.
	CachedTokens int `json:"cached_tokens"`
}
