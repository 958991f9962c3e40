package tasks

import "github.com/grym-synth/grym-synth/services"

// Embed computes vectors for a recording. Its parameters are EmbedParams and its result
// is *Embedding.
const Embed = "embed"

// Values of EmbedParams.Pooling.
const (
	PoolingMean = "mean"
	PoolingNone = "none"
)

// EmbedParams are the parameters of Embed.
type EmbedParams struct {
	// Pooling is PoolingMean, the default, for one vector, the mean over all frames, or
	// PoolingNone for the vectors of all frames.
	Pooling string `json:"pooling,omitempty"`
	// WindowSeconds is the length of the windows that longer audio is split into, 1 to
	// 30; nil for 30. 0 processes the whole recording, of at most 30 s, at once.
	WindowSeconds *float64 `json:"window_seconds,omitempty"`
	services.Reading
}

// Embedding is the result of Embed.
type Embedding struct {
	// Dimensions of each vector.
	Dimensions int `json:"dimensions"`
	// DurationSeconds of the recording.
	DurationSeconds float64 `json:"duration"`
	// Vector is the mean over all frames; set for PoolingMean.
	Vector []float32 `json:"embedding,omitempty"`
	// Frames are the vectors of the frames, set for PoolingNone. FrameSeconds is the
	// time between two frames.
	Frames       [][]float32 `json:"frames,omitempty"`
	FrameSeconds float64     `json:"frame_seconds"`
}

// Classify labels a recording. Its parameters are ClassifyParams and its result is
// *Classification.
const Classify = "classify"

// ClassifyParams are the parameters of Classify.
type ClassifyParams struct {
	// TopK is the number of labels returned, the most likely first; 0 for all.
	TopK int `json:"top_k,omitempty"`
	// Threshold is the probability above which a label is present in a frame, for
	// models that classify frames. It is between 0 and 1, exclusive; nil for 0.5.
	Threshold *float64 `json:"threshold,omitempty"`
	// WindowSeconds as in EmbedParams.
	WindowSeconds *float64 `json:"window_seconds,omitempty"`
	services.Reading
}

// Classification is the result of Classify.
type Classification struct {
	// DurationSeconds of the recording.
	DurationSeconds float64 `json:"duration"`
	// Labels with their probabilities, the most likely first. For a model that
	// classifies frames they are means over all frames.
	Labels []LabelScore `json:"labels"`
	// Segments in which a label is present, ordered by start, for models that classify
	// frames; otherwise nil.
	Segments []LabelSegment `json:"segments,omitzero"`
}

// LabelScore is a label with its probability.
type LabelScore struct {
	Label string  `json:"label"`
	Score float64 `json:"score"`
}

// LabelSegment is a time span in which a label is present.
type LabelSegment struct {
	Label string `json:"label"`
	// Start and End in seconds from the beginning of the recording.
	Start float64 `json:"start"`
	End   float64 `json:"end"`
	// Score is the mean probability over the frames.
	Score float64 `json:"score"`
}
