package tasks

// Embed turns a recording into vectors: params EmbedParams, result *Embedding.
const Embed = "embed"

// Values of EmbedParams.Pooling.
const (
	PoolingMean = "mean"
	PoolingNone = "none"
)

// EmbedParams are the parameters of Embed.
type EmbedParams struct {
	// Pooling is PoolingMean for one vector, the mean over all frames, or
	// PoolingNone for every frame's; empty for the mean.
	Pooling string `json:"pooling,omitempty"`
	// WindowSeconds into which longer audio is cut, from 1 to 30, which is the
	// default; 0 takes the whole in one run, of at most 30 s.
	WindowSeconds *float64 `json:"window_seconds,omitempty"`
}

// Embedding is the result of Embed.
type Embedding struct {
	// Dimensions of each vector.
	Dimensions int `json:"dimensions"`
	// DurationSeconds of the recording.
	DurationSeconds float64 `json:"duration"`
	// Vector is the mean, with PoolingMean.
	Vector []float32 `json:"embedding,omitempty"`
	// Frames are the vectors of the frames, with PoolingNone; FrameSeconds is the
	// time from one to the next.
	Frames       [][]float32 `json:"frames,omitempty"`
	FrameSeconds float64     `json:"frame_seconds"`
}

// Classify names what a recording is: params ClassifyParams, result
// *Classification.
const Classify = "classify"

// ClassifyParams are the parameters of Classify.
type ClassifyParams struct {
	// TopK is how many labels are told, the likeliest first; 0 for all.
	TopK int `json:"top_k,omitempty"`
	// Threshold from which on a label counts as present in a frame, for models that
	// classify frames; above 0 and below 1, nil for 0.5.
	Threshold *float64 `json:"threshold,omitempty"`
	// WindowSeconds as in EmbedParams.
	WindowSeconds *float64 `json:"window_seconds,omitempty"`
}

// Classification is the result of Classify.
type Classification struct {
	// DurationSeconds of the recording.
	DurationSeconds float64 `json:"duration"`
	// Labels with their probabilities, the likeliest first. For a model that
	// classifies frames, the mean over all frames.
	Labels []LabelScore `json:"labels"`
	// Segments in which a label is present, in order of their start, for models that
	// classify frames; else nil.
	Segments []LabelSegment `json:"segments,omitzero"`
}

// LabelScore is a label with its probability.
type LabelScore struct {
	Label string  `json:"label"`
	Score float64 `json:"score"`
}

// LabelSegment is a time in which a label is present.
type LabelSegment struct {
	Label string `json:"label"`
	// Start and End in seconds from the beginning of the recording.
	Start float64 `json:"start"`
	End   float64 `json:"end"`
	// Score is the mean probability over the frames.
	Score float64 `json:"score"`
}
