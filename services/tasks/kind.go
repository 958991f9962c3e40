package tasks

import (
	_ "embed" // for the schemas
	"encoding/json"

	"github.com/grym-synth/grym-synth/services"
)

// The JSON Schemas of the parameters.
var (
	//go:embed schemas/transcribe.json
	transcribeSchema json.RawMessage
	//go:embed schemas/translate.json
	translateSchema json.RawMessage
	//go:embed schemas/embed.json
	embedSchema json.RawMessage
	//go:embed schemas/classify.json
	classifySchema json.RawMessage
	//go:embed schemas/generate.json
	generateSchema json.RawMessage
	//go:embed schemas/convert.json
	convertSchema json.RawMessage
	//go:embed schemas/analyze.json
	analyzeSchema json.RawMessage
	//go:embed schemas/edit.json
	editSchema json.RawMessage
	//go:embed schemas/draw.json
	drawSchema json.RawMessage
	//go:embed schemas/peaks.json
	peaksSchema json.RawMessage
	//go:embed schemas/ask.json
	askSchema json.RawMessage
	//go:embed schemas/caption.json
	captionSchema json.RawMessage
	//go:embed schemas/pull.json
	pullSchema json.RawMessage
	//go:embed schemas/teach.json
	teachSchema json.RawMessage
	//go:embed schemas/detect.json
	detectSchema json.RawMessage
	//go:embed schemas/search.json
	searchSchema json.RawMessage
	//go:embed schemas/correct.json
	correctSchema json.RawMessage
	//go:embed schemas/reembed.json
	reembedSchema json.RawMessage
	//go:embed schemas/import_patterns.json
	importSchema json.RawMessage
)

// kinds describes each task by its name: the schema of its parameters, and a function
// that returns an empty result.
var kinds = map[string]struct {
	schema    json.RawMessage
	newResult func() any
}{
	Transcribe:   {transcribeSchema, func() any { return new(Transcription) }},
	Translate:    {translateSchema, func() any { return new(Transcription) }},
	Embed:        {embedSchema, func() any { return new(Embedding) }},
	Classify:     {classifySchema, func() any { return new(Classification) }},
	Generate:     {generateSchema, func() any { return new(Generation) }},
	Convert:      {convertSchema, func() any { return new(Conversion) }},
	Analyze:      {analyzeSchema, func() any { return new(Analysis) }},
	Edit:         {editSchema, func() any { return new(Edited) }},
	Draw:         {drawSchema, func() any { return new(Picture) }},
	ComputePeaks: {peaksSchema, func() any { return new(Peaks) }},
	Ask:          {askSchema, func() any { return new(Answer) }},
	Caption:      {captionSchema, func() any { return new(Answer) }},
	Pull:         {pullSchema, func() any { return new(Pulled) }},

	Teach:          {teachSchema, func() any { return new(Pattern) }},
	Detect:         {detectSchema, func() any { return new(Detections) }},
	Search:         {searchSchema, func() any { return new(SearchResult) }},
	Correct:        {correctSchema, func() any { return new(Correction) }},
	Reembed:        {reembedSchema, func() any { return new(Reembedded) }},
	ImportPatterns: {importSchema, func() any { return new(Imported) }},
}

// Kind returns the description of a task of this package, for use in a service's
// Description.
func Kind(name string) services.TaskKind {
	return services.TaskKind{Name: name, ParamsSchema: kinds[name].schema}
}

// NewResult returns an empty result of a task, into which its JSON can be decoded. It
// returns nil for an unknown task.
func NewResult(task string) any {
	if kind, ok := kinds[task]; ok {
		return kind.newResult()
	}
	return nil
}
