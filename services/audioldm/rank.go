package audioldm

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/grym-synth/grym-synth/services"
	"github.com/grym-synth/grym-synth/services/tasks"
)

// toRank is the completed fraction of the work when the sounds are there.
const toRank = 0.95

// ranked is work that has several sounds generated and puts them in the order in which they
// fit the prompt, as the authors of AudioLDM do: the task without the ranking, and those of
// the ranker, are run by the server.
type ranked struct {
	*work
	task services.Task
}

// Coordinates implements services.Coordinator.
func (*ranked) Coordinates() {}

// Bytes implements services.Work.
func (*ranked) Bytes(context.Context) (services.Bytes, error) { return 0, nil }

// Plan implements services.Planned.
func (*ranked) Plan() services.Plan { return services.Plan{} }

// ranking reports whether the sounds of a task are to be ranked.
func (p plan) ranking() bool { return p.count > 1 && p.rank }

// Run implements services.Work.
func (r *ranked) Run(ctx context.Context, sink services.Sink) (services.TaskResult, error) {
	task := r.task
	task.Service, task.Model, task.DefaultModel = Name, r.files.Name, ""
	params, err := r.unranked()
	if err != nil {
		return services.TaskResult{}, err
	}
	task.Params = params
	result, err := r.service.execute(ctx, task, &part{Sink: sink, share: toRank})
	if err != nil {
		return result, err
	}
	made, ok := result.Value.(*tasks.Generation)
	if !ok || result.Audio == nil {
		return result, errors.Join(services.Internal(fmt.Errorf("the result is a %T", result.Value), "the sounds could not be ranked"),
			result.Audio.Remove())
	}
	scores, model, err := r.scores(ctx, result.Audio.All(), made.SampleRateHz, sink)
	switch {
	case ctx.Err() != nil:
		return services.TaskResult{Model: result.Model}, errors.Join(err, result.Audio.Remove())
	case err != nil:
		result.Warnings = append(result.Warnings, notRanked(err.Error()))
	default:
		result.Audio = arrange(result.Audio, scores, made)
		made.RankedBy = model
	}
	sink.Progress(1, "done")
	return result, nil
}

// unranked returns the parameters of the task with the seed that was drawn and without the
// ranking.
func (r *ranked) unranked() (json.RawMessage, error) {
	fields := make(map[string]any)
	if err := json.Unmarshal(r.task.Params, &fields); err != nil {
		return nil, services.Internal(err, "the task could not be divided")
	}
	fields["rank"], fields["seed"] = false, r.plan.seed
	params, err := json.Marshal(fields)
	if err != nil {
		return nil, services.Internal(err, "the task could not be divided")
	}
	return params, nil
}

// notRanked returns the warning that sounds are in the order in which they were generated.
func notRanked(because string) services.Warning {
	return services.Warning{
		Code: services.WarnValueIgnored, Field: "rank", Message: "the sounds are not ranked by how well they fit the prompt: " + because,
	}
}

// scores returns the cosine of each sound and the prompt in the space of the ranker, and the
// ranker's name.
func (r *ranked) scores(ctx context.Context, sounds []*services.Artifact, rateHz int, sink services.Sink) (
	scores []float64, model string, err error,
) {
	text, model, err := r.vector(ctx, tasks.EmbedParams{Text: r.plan.prompt}, nil)
	if err != nil {
		return nil, "", err
	}
	for i, sound := range sounds {
		sink.Progress(toRank+(1-toRank)*float64(i+1)/float64(len(sounds)+1), "ranking")
		vector, _, err := r.vector(ctx, tasks.EmbedParams{Space: tasks.SpaceCaption}, r.source(sound, rateHz))
		if err != nil {
			return nil, "", err
		}
		if len(vector) != len(text) {
			return nil, "", errors.New("the ranker's vectors of sounds and texts differ in length")
		}
		score := 0.0
		for d, v := range vector {
			score += float64(v) * float64(text[d])
		}
		scores = append(scores, score)
	}
	return scores, model, nil
}

// vector runs one task of the ranker.
func (r *ranked) vector(ctx context.Context, params tasks.EmbedParams, audio services.AudioSource) ([]float32, string, error) {
	raw, err := json.Marshal(params)
	if err != nil {
		return nil, "", err
	}
	result, err := r.service.execute(ctx, services.Task{
		ID: r.task.ID, Job: r.task.Job, Name: tasks.Embed, Model: r.service.cfg.Ranker, Params: raw, Audio: audio, Caller: r.task.Caller,
		Priority: r.task.Priority, Deadline: r.task.Deadline,
	}, services.DiscardSink{})
	if err != nil {
		return nil, "", err
	}
	embedded, ok := result.Value.(*tasks.Embedding)
	if !ok {
		return nil, "", fmt.Errorf("the ranker's result is a %T", result.Value)
	}
	return embedded.Vector, result.Model, nil
}

// arrange returns the sounds in descending order of their scores, and sets the scores and
// the order in the result.
func arrange(first *services.Artifact, scores []float64, made *tasks.Generation) *services.Artifact {
	sounds := first.All()
	order := make([]int, len(sounds))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(scores[b], scores[a]) })
	made.Order = order
	list := make([]*services.Artifact, len(sounds))
	for i, n := range order {
		list[i] = sounds[n]
		list[i].More = nil
		made.Scores = append(made.Scores, scores[n])
	}
	list[0].More = list[1:]
	return list[0]
}

// part is a Sink for a part of the work.
type part struct {
	services.Sink
	share float64
}

// Progress implements services.Sink.
func (p *part) Progress(fraction float64, stage string) { p.Sink.Progress(p.share*fraction, stage) }

var (
	_ services.Coordinator = (*ranked)(nil)
	_ services.Planned     = (*ranked)(nil)
)
