package tasks

import "github.com/grym-synth/grym-synth/services"

// Embed computes vectors for a recording or a text. Its parameters are EmbedParams and its result
// is *Embedding.
const Embed = "embed"

// Values of EmbedParams.Pooling.
const (
	PoolingMean = "mean"
	PoolingNone = "none"
)

// EmbedParams are the parameters of Embed.
type EmbedParams struct {
	// Text is embedded instead of a recording, in SpaceCaption.
	Text string `json:"text,omitempty"`
	// Pooling is PoolingMean, the default, for one vector, the mean over all frames, or
	// PoolingNone for the vectors of all frames.
	Pooling string `json:"pooling,omitempty"`
	// WindowSeconds is the length of the windows that longer audio is split into, 1 to
	// 30; nil for 30. 0 processes the whole recording, of at most 30 s, at once.
	WindowSeconds *float64 `json:"window_seconds,omitempty"`
	// Space of the vectors: SpaceCaption, SpaceSound, or empty for SpaceCaption if the
	// model has it.
	Space string `json:"space,omitempty"`
	// Frames requests Embedding.FrameEmbeddings as well: one list for each length in
	// FrameWindows, in seconds, whose windows begin every FrameHop seconds. The defaults
	// are DefaultFrameWindow and DefaultFrameHop.
	Frames       bool      `json:"frames,omitempty"`
	FrameWindows []float64 `json:"frame_windows,omitempty"`
	FrameHop     *float64  `json:"frame_hop,omitempty"`
	services.Reading
}

// Values of EmbedParams.Space.
const (
	// SpaceCaption is the space that recordings share with texts.
	SpaceCaption = "caption"
	// SpaceSound is the space for comparing recordings with each other.
	SpaceSound = "sound"
)

// Limits of texts that are compared with sounds.
const (
	// MaxEmbedTextBytes is the maximum length of EmbedParams.Text.
	MaxEmbedTextBytes = 4096
	// MaxLabels is the maximum number of ClassifyParams.Labels, and MaxLabelBytes the
	// maximum length of each, and of Template.
	MaxLabels     = 1000
	MaxLabelBytes = 512
	// TemplateMark stands for the label in ClassifyParams.Template.
	TemplateMark = "{}"
	// DefaultTemplate is that of transformers.
	DefaultTemplate = "This is a sound of {}."
)

// Defaults of windows of frames in seconds.
const (
	DefaultFrameWindow = 1.0
	DefaultFrameHop    = 0.5
)

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
	// Space of the vectors.
	Space string `json:"space,omitempty"`
	// FrameEmbeddings are the vectors of windows, one list for each length requested.
	FrameEmbeddings []FrameEmbeddings `json:"frame_embeddings,omitempty"`
}

// FrameEmbeddings are the vectors of windows of one length: the i-th covers the seconds
// from i*Hop to i*Hop+Window. All windows are within the recording, except that a
// recording that is shorter than one window has a single vector.
type FrameEmbeddings struct {
	// Hop and Window are the requested values, rounded to what the model can resolve.
	Hop        float64     `json:"hop"`
	Window     float64     `json:"window"`
	Embeddings [][]float32 `json:"embeddings"`
}

// Classify labels a recording. Its parameters are ClassifyParams and its result is
// *Classification.
const Classify = "classify"

// ClassifyParams are the parameters of Classify.
type ClassifyParams struct {
	// Labels to choose from, for models that compare a sound with texts. Each is put into
	// Template in the place of TemplateMark; empty for DefaultTemplate.
	Labels   []string `json:"labels,omitempty"`
	Template string   `json:"template,omitempty"`
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
