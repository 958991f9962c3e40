package tasks

import (
	"encoding/json"

	"github.com/grym-synth/grym-synth/services"
)

// Edit changes a recording by a list of operations. Its parameters are EditParams, its
// result is *Edited, and the sound is TaskResult.Audio.
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
	Output SoundFormat `json:"output"`
}
