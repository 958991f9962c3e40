package wav2vec2

import (
	"strings"

	"github.com/grym-synth/grym-synth/services"
	"github.com/grym-synth/grym-synth/services/tasks"
)

// taskKinds returns the tasks of this service.
func taskKinds() []services.TaskKind {
	return []services.TaskKind{tasks.Kind(tasks.Transcribe), tasks.Kind(tasks.Embed), tasks.Kind(tasks.Classify)}
}

// request has the parameters of a task; those of other tasks are empty.
type request struct {
	transcribe tasks.TranscribeParams
	embed      tasks.EmbedParams
	classify   tasks.ClassifyParams
	// window in seconds; 0 for a single run.
	window float64
	// reading selects the part of the recording.
	reading services.Reading
}

// parseRequest decodes and validates a task's parameters. The fault lists every invalid
// field.
func parseRequest(task services.Task) (request, error) {
	var r request
	var bad services.Complaints
	var window *float64
	var err error
	switch task.Name {
	case tasks.Transcribe:
		err = tasks.DecodeParams(task.Params, &r.transcribe)
		window, r.reading = r.transcribe.WindowSeconds, r.transcribe.Reading
		r.window = tasks.DefaultWindowSeconds
		if r.transcribe.Translate {
			bad.Complain("translate", "must be false: a CTC model writes what was spoken")
		}
		tasks.ComplainOfTranscribe(r.transcribe, &bad)
	case tasks.Embed:
		err = tasks.DecodeParams(task.Params, &r.embed)
		window, r.window, r.reading = r.embed.WindowSeconds, longestRun, r.embed.Reading
		if p := r.embed.Pooling; p != "" && p != tasks.PoolingMean && p != tasks.PoolingNone {
			bad.Complain("pooling", "must be mean or none, got %.40q", p)
		}
		checkEmbed(r.embed, &bad)
	case tasks.Classify:
		err = tasks.DecodeParams(task.Params, &r.classify)
		window, r.window, r.reading = r.classify.WindowSeconds, longestRun, r.classify.Reading
		if len(r.classify.Labels) > 0 || r.classify.Template != "" {
			bad.Complain("labels", "must be left out: models of wav2vec2 have labels of their own; a CLAP model compares a sound with texts")
		}
		if k := r.classify.TopK; k < 0 {
			bad.Complain("top_k", "must be 0 or above, got %d", k)
		}
		if t := r.classify.Threshold; t != nil && !(*t > 0 && *t < 1) {
			bad.Complain("threshold", "must be above 0 and below 1, got %v", *t)
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
			bad.Complain("window_seconds", "must be 0 or from 1 to %d, got %v", longestRun, r.window)
		}
	}
	return r, bad.Err()
}

// checkEmbed complains of the parameters of an embedding that this service cannot serve.
func checkEmbed(params tasks.EmbedParams, bad *services.Complaints) {
	if s := params.Space; s != "" && s != tasks.SpaceSound {
		bad.Complain("space", "must be sound: vectors of wav2vec2 are not comparable with texts, got %.40q", s)
	}
	if params.Text != "" {
		bad.Complain("text", "must be left out: models of wav2vec2 read no texts; a CLAP model does")
	}
	tasks.CheckFrames(params, bad)
}
