package wav2vec2

import (
	"fmt"
	"slices"
	"strings"

	"github.com/grym-synth/grym-synth/services"
	"github.com/grym-synth/grym-synth/services/tasks"
)

// taskKinds are the tasks with their schemas.
func taskKinds() []services.TaskKind {
	return []services.TaskKind{tasks.Kind(tasks.Transcribe), tasks.Kind(tasks.Embed), tasks.Kind(tasks.Classify)}
}

// request is what a task's parameters say; those of other tasks are empty.
type request struct {
	transcribe tasks.TranscribeParams
	embed      tasks.EmbedParams
	classify   tasks.ClassifyParams
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
	case tasks.Transcribe:
		err = tasks.DecodeParams(task.Params, &r.transcribe)
		window = r.transcribe.WindowSeconds
		r.window = tasks.DefaultWindowSeconds
		bad.transcribe(r.transcribe)
	case tasks.Embed:
		err = tasks.DecodeParams(task.Params, &r.embed)
		window, r.window = r.embed.WindowSeconds, longestRun
		if p := r.embed.Pooling; p != "" && p != tasks.PoolingMean && p != tasks.PoolingNone {
			bad.add("pooling", "must be mean or none, got %.40q", p)
		}
	case tasks.Classify:
		err = tasks.DecodeParams(task.Params, &r.classify)
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

func (c *complaints) transcribe(params tasks.TranscribeParams) {
	if d := params.Decoding; d != "" && d != tasks.DecodingGreedy && d != tasks.DecodingBeam {
		c.add("decoding", "must be greedy or beam, got %.40q", d)
	}
	if params.BeamWidth < 0 || params.BeamWidth > tasks.MaxBeamWidth {
		c.add("beam_width", "must be from 1 to %d, got %d", tasks.MaxBeamWidth, params.BeamWidth)
	}
	if len(params.Prompt) > tasks.MaxPromptBytes {
		c.add("prompt", "must be at most %d bytes, got %d", tasks.MaxPromptBytes, len(params.Prompt))
	}
	if f := params.ResponseFormat; f != "" && !slices.Contains(tasks.TranscriptFormats(), f) {
		c.add("response_format", "must be one of %s, got %.40q", strings.Join(tasks.TranscriptFormats(), ", "), f)
	}
	for _, g := range params.TimestampGranularities {
		if g != tasks.GranularityWord && g != tasks.GranularitySegment {
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
