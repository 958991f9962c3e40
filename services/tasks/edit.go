package tasks

import (
	"encoding/json"

	"github.com/grym-synth/grym-synth/services"
	"github.com/grym-synth/grym-synth/services/analysis"
)

// Edit changes a recording by a list of operations. Its parameters are EditParams, its
// result is *Edited, and the sound is TaskResult.Audio, which has one further Artifact for
// each further part where the sound is split.
const Edit = "edit"

// EditParams are the parameters of Edit.
type EditParams struct {
	// Operations in their order; see package editing.
	Operations []json.RawMessage `json:"operations"`
	// Container, SampleRateHz and BitDepth as in ConvertParams.
	Container    string `json:"container,omitempty"`
	SampleRateHz int    `json:"sample_rate,omitempty"`
	BitDepth     string `json:"bit_depth,omitempty"`
	services.Reading
}

// Edited is the result of Edit.
type Edited struct {
	Source SoundFormat `json:"source"`
	// Output has the duration of all parts together.
	Output SoundFormat `json:"output"`
	// Segments are the parts of the sound that was split, in seconds of the sound before
	// that; nil if it was not.
	Segments []analysis.Span `json:"segments,omitempty"`
}
