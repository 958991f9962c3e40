package wav2vec2

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/grym-synth/grym-synth/services"
)

// JSON Schemas of the tasks' parameters.
const (
	windowSchema = `"window_seconds": {"type": "number", "anyOf": [{"enum": [0]}, {"minimum": 1, "maximum": 30}], "default": %d, "description": "Long audio is cut into windows of 1 to 30 s; 0 takes up to 30 s in one run"}`

	transcribeSchema = `{
  "type": "object",
  "additionalProperties": false,
  "properties": {
    "language": {"type": "string", "maxLength": 32, "description": "ISO 639-1 code of the speech, told back in the answer"},
    "prompt": {"type": "string", "maxLength": 4096, "description": "Words that the beam search prefers"},
    "temperature": {"type": "number", "minimum": 0, "maximum": 1, "description": "Has no effect: nothing is drawn by chance"},
    "decoding": {"type": "string", "enum": ["greedy", "beam"], "description": "The best letter of every frame, or a search for the most likely words; beam where a word list stands beside the model or a prompt is given, else greedy"},
    "beam_width": {"type": "integer", "minimum": 1, "maximum": 1000, "default": 100, "description": "How many texts the beam search keeps"},
    "response_format": {"type": "string", "enum": ["json", "text", "srt", "vtt", "verbose_json"], "description": "How a job's result comes where its reader names no other form"},
    "timestamp_granularities": {"type": "array", "items": {"type": "string", "enum": ["word", "segment"]}, "description": "With verbose_json"},
    ` + windowSchema + `,
    "stream": {"type": "boolean", "description": "hand the words over as they come"}
  }
}`
	embedSchema = `{
  "type": "object",
  "additionalProperties": false,
  "properties": {
    "pooling": {"type": "string", "enum": ["mean", "none"], "default": "mean", "description": "One vector, the mean over all frames, or the vector of every frame"},
    ` + windowSchema + `
  }
}`
	classifySchema = `{
  "type": "object",
  "additionalProperties": false,
  "properties": {
    "top_k": {"type": "integer", "minimum": 0, "default": 0, "description": "How many labels are told, the likeliest first; 0 for all"},
    "threshold": {"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1, "default": 0.5, "description": "Probability above which a label is present in a frame"},
    ` + windowSchema + `
  }
}`
)

// taskKinds are the tasks with their schemas.
func taskKinds() []services.TaskKind {
	kind := func(name, schema string, window int) services.TaskKind {
		return services.TaskKind{Name: name, ParamsSchema: json.RawMessage(fmt.Sprintf(schema, window))}
	}
	return []services.TaskKind{
		kind(services.TaskTranscribe, transcribeSchema, services.DefaultWindowSeconds),
		kind(services.TaskEmbed, embedSchema, longestRun),
		kind(services.TaskClassify, classifySchema, longestRun),
	}
}

// request is what a task's parameters say; those of other tasks are empty.
type request struct {
	transcribe services.TranscribeParams
	embed      services.EmbedParams
	classify   services.ClassifyParams
	// window in seconds; 0 for one run.
	window float64
}

// parseRequest reads a task's parameters strictly and names all that are wrong.
func parseRequest(task services.Task) (request, error) {
	var r request
	var bad complaints
	var window *float64
	var err error
	switch task.Name {
	case services.TaskTranscribe:
		err = services.DecodeParams(task.Params, &r.transcribe)
		window = r.transcribe.WindowSeconds
		r.window = services.DefaultWindowSeconds
		bad.transcribe(r.transcribe)
	case services.TaskEmbed:
		err = services.DecodeParams(task.Params, &r.embed)
		window, r.window = r.embed.WindowSeconds, longestRun
		if p := r.embed.Pooling; p != "" && p != services.PoolingMean && p != services.PoolingNone {
			bad.add("pooling", "must be mean or none, got %.40q", p)
		}
	case services.TaskClassify:
		err = services.DecodeParams(task.Params, &r.classify)
		window, r.window = r.classify.WindowSeconds, longestRun
		if k := r.classify.TopK; k < 0 {
			bad.add("top_k", "must be 0 or above, got %d", k)
		}
		if t := r.classify.Threshold; t != nil && !(*t > 0 && *t < 1) {
			bad.add("threshold", "must be above 0 and below 1, got %v", *t)
		}
	default:
		names := make([]string, 0, len(taskHeads))
		for _, kind := range taskKinds() {
			names = append(names, kind.Name)
		}
		return r, services.Faultf(services.KindNotFound, "service %s has no task %q; it has %s", Name, task.Name, strings.Join(names, ", "))
	}
	if err != nil {
		return r, err
	}
	if window != nil {
		if r.window = *window; r.window != 0 && !(r.window >= 1 && r.window <= longestRun) {
			bad.add("window_seconds", "must be 0 or from 1 to %d, got %v", longestRun, r.window)
		}
	}
	return r, bad.fault()
}

// complaints collects what is wrong with a request.
type complaints struct{ fields []services.FieldError }

func (c *complaints) add(field, format string, args ...any) {
	c.fields = append(c.fields, services.FieldError{Field: field, Problem: fmt.Sprintf(format, args...)})
}

func (c *complaints) transcribe(params services.TranscribeParams) {
	if d := params.Decoding; d != "" && d != services.DecodingGreedy && d != services.DecodingBeam {
		c.add("decoding", "must be greedy or beam, got %.40q", d)
	}
	if params.BeamWidth < 0 || params.BeamWidth > services.MaxBeamWidth {
		c.add("beam_width", "must be from 1 to %d, got %d", services.MaxBeamWidth, params.BeamWidth)
	}
	if len(params.Prompt) > services.MaxPromptBytes {
		c.add("prompt", "must be at most %d bytes, got %d", services.MaxPromptBytes, len(params.Prompt))
	}
	if f := params.ResponseFormat; f != "" && !slices.Contains(services.TranscriptFormats(), f) {
		c.add("response_format", "must be one of %s, got %.40q", strings.Join(services.TranscriptFormats(), ", "), f)
	}
	for _, g := range params.TimestampGranularities {
		if g != services.GranularityWord && g != services.GranularitySegment {
			c.add("timestamp_granularities", "must be word or segment, got %.40q", g)
		}
	}
	if t := params.Temperature; !(t >= 0 && t <= 1) {
		c.add("temperature", "must be from 0 to 1, got %v", t)
	}
}

// fault gives all complaints as one, nil where there are none.
func (c *complaints) fault() error {
	if len(c.fields) == 0 {
		return nil
	}
	return &services.Fault{Kind: services.KindInvalid, Fields: c.fields}
}
