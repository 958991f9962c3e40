package tasks

import "github.com/grym-synth/grym-synth/services"

// Tasks of audio language models: Ask answers a question about a recording, Caption
// describes one. Their parameters are AskParams and their result is *Answer.
const (
	Ask     = "ask"
	Caption = "caption"
)

// AskParams are the parameters of Ask and Caption. Nil fields default to the model's
// generation_config.json.
type AskParams struct {
	// Question about the recording. Caption has a default.
	Question string `json:"question,omitempty"`
	// System has instructions for the model. A model whose prompt has no place for them
	// ignores them with the warning services.WarnSystemIgnored.
	System string `json:"system,omitempty"`
	// History lists the previous questions and answers.
	History []services.Exchange `json:"history,omitempty"`
	// ContextID of a stored conversation, whose recording and history are used.
	ContextID string `json:"context_id,omitempty"`
	// Truncation is "auto" or empty to drop the oldest exchanges if the prompt exceeds the
	// model's limit, and "disabled" to reject such a prompt.
	Truncation string `json:"truncation,omitempty"`

	MaxTokens         *int     `json:"max_tokens,omitempty"`
	Temperature       *float64 `json:"temperature,omitempty"`
	TopK              *int     `json:"top_k,omitempty"`
	TopP              *float64 `json:"top_p,omitempty"`
	RepetitionPenalty *float64 `json:"repetition_penalty,omitempty"`
	// Seed of the sampling; nil for a random one.
	Seed *uint64 `json:"seed,omitempty"`
	// Stop lists texts that end the answer. The answer does not include them.
	Stop []string `json:"stop,omitempty"`
	// WindowSeconds is the length of the pieces that longer audio is split into; nil
	// for the model's maximum.
	WindowSeconds *float64 `json:"window_seconds,omitempty"`
	services.Reading
	// Stream requests the text as AnswerDelta values while it is generated.
	Stream bool `json:"stream,omitempty"`
}

// AnswerDelta is a piece of an answer: whole characters, and never part of a stop text.
type AnswerDelta struct {
	Text string `json:"text"`
	// ContextID is the conversation; empty if the answer belongs to none.
	ContextID string `json:"context_id,omitempty"`
	// Piece is the part of a long recording that the text is about; nil if it is about the
	// whole recording.
	Piece *AnswerSpan `json:"piece,omitempty"`
}

// AnswerSpan is a part of a recording in seconds from its beginning.
type AnswerSpan struct {
	Start float64 `json:"start"`
	End   float64 `json:"end"`
}

// Values of Answer.FinishReason.
const (
	FinishStop   = "stop"   // the model finished, or a stop text was reached
	FinishLength = "length" // the token limit was reached
)

// Answer is the result of Ask and Caption.
type Answer struct {
	// Text of the answer. For long audio it has one line per piece, with its times.
	Text         string `json:"text"`
	FinishReason string `json:"finish_reason"`
	ContextID    string `json:"context_id,omitempty"`
	// DurationSeconds of the recording.
	DurationSeconds float64       `json:"duration"`
	Seed            uint64        `json:"seed"`
	Pieces          []AnswerPiece `json:"pieces,omitempty"`
	Usage           AnswerUsage   `json:"usage"`
}

// AnswerPiece is the answer for one piece of a long recording.
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
	// CachedTokens is the number of prompt tokens that were not computed again.
	CachedTokens int `json:"cached_tokens"`
}
