package tasks

import (
	"github.com/grym-synth/grym-synth/services"
	"github.com/grym-synth/grym-synth/services/analysis"
)

// Analyze measures a recording. Its parameters are AnalyzeParams and its result is
// *Analysis.
const Analyze = "analyze"

// AnalyzeParams are the parameters of Analyze.
type AnalyzeParams struct {
	// Features of the report; empty for analysis.DefaultFeatures.
	Features []analysis.Feature `json:"features,omitempty"`
	// Series are the names of series over time; see analysis.SeriesNames.
	Series []string `json:"series,omitempty"`
	// SilenceDBFS is the level below which sound is silence; nil for -60.
	SilenceDBFS *float64 `json:"silence_dbfs,omitempty"`
	// SilenceSeconds is the shortest silence reported; nil for 0.5.
	SilenceSeconds *float64 `json:"silence_seconds,omitempty"`
	services.Reading
}

// Analysis is the result of Analyze: the format of the recording and what was measured.
type Analysis struct {
	Source SoundFormat `json:"source"`
	analysis.Report
}
