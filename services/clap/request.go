package clap

import (
	"strings"

	"github.com/grym-synth/grym-synth/services"
	"github.com/grym-synth/grym-synth/services/tasks"
)

// request has the parameters of a task; those of other tasks are empty.
type request struct {
	embed    tasks.EmbedParams
	classify tasks.ClassifyParams
	// window in seconds; 0 for the whole recording, nil for the model's longest.
	seconds *float64
	// strict rejects a recording that is cut short.
	strict bool
}

// parseRequest decodes and validates a task's parameters. The fault lists every invalid
// field.
func parseRequest(task services.Task) (request, error) {
	var r request
	var bad services.Complaints
	var err error
	switch task.Name {
	case tasks.Embed:
		err = tasks.DecodeParams(task.Params, &r.embed)
		r.seconds, r.strict = r.embed.WindowSeconds, r.embed.Strict
		r.checkEmbed(task.Audio != nil, &bad)
	case tasks.Classify:
		err = tasks.DecodeParams(task.Params, &r.classify)
		r.seconds, r.strict = r.classify.WindowSeconds, r.classify.Strict
		r.checkClassify(&bad)
	default:
		return r, services.Faultf(services.KindNotFound, "service %s has no task %q; it has %s, %s", Name, task.Name, tasks.Embed,
			tasks.Classify)
	}
	if err != nil {
		return r, err
	}
	if s := r.seconds; s != nil && *s != 0 && !(*s >= 1 && *s <= maxWindowSeconds) {
		bad.Complain("window_seconds", "must be 0 or from 1 to %d, got %v", maxWindowSeconds, *s)
	}
	if task.Audio == nil && r.embed.Text == "" {
		bad.Complain("file", "is missing; send the audio as form field file")
	}
	return r, bad.Err()
}

func (r request) checkEmbed(audio bool, bad *services.Complaints) {
	p := r.embed
	if p.Pooling != "" && p.Pooling != tasks.PoolingMean {
		bad.Complain("pooling", "must be mean: frames returns the vectors of short windows, got %.40q", p.Pooling)
	}
	if s := p.Space; s != "" && s != tasks.SpaceCaption && s != tasks.SpaceSound {
		bad.Complain("space", "must be %s or %s, got %.40q", tasks.SpaceCaption, tasks.SpaceSound, s)
	}
	tasks.CheckFrames(p, bad)
	if p.Text == "" {
		return
	}
	if len(p.Text) > tasks.MaxEmbedTextBytes {
		bad.Complain("text", "must be at most %d bytes, got %d", tasks.MaxEmbedTextBytes, len(p.Text))
	}
	if audio {
		bad.Complain("text", "must be left out where there is a recording")
	}
	if p.Space == tasks.SpaceSound {
		bad.Complain("space", "must be %s for a text", tasks.SpaceCaption)
	}
	if p.Frames {
		bad.Complain("frames", "must be left out for a text")
	}
}

func (r request) checkClassify(bad *services.Complaints) {
	p := r.classify
	if p.TopK < 0 {
		bad.Complain("top_k", "must be 0 or above, got %d", p.TopK)
	}
	if t := p.Threshold; t != nil && !(*t > 0 && *t < 1) {
		bad.Complain("threshold", "must be above 0 and below 1, got %v", *t)
	}
	if len(p.Labels) > tasks.MaxLabels {
		bad.Complain("labels", "must be at most %d, got %d", tasks.MaxLabels, len(p.Labels))
	}
	for _, label := range p.Labels[:min(len(p.Labels), tasks.MaxLabels)] {
		if strings.TrimSpace(label) == "" || len(label) > tasks.MaxLabelBytes {
			bad.Complain("labels", "must each have 1 to %d bytes, got %.40q", tasks.MaxLabelBytes, label)
			break
		}
	}
	if t := p.Template; t != "" && (!strings.Contains(t, tasks.TemplateMark) || len(t) > tasks.MaxLabelBytes) {
		bad.Complain("template", "must have %s in the place of the label and at most %d bytes, got %.40q", tasks.TemplateMark,
			tasks.MaxLabelBytes, t)
	}
	if p.Template != "" && len(p.Labels) == 0 {
		bad.Complain("template", "has no effect without labels")
	}
}
