package patterns

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/grym-synth/grym-synth/services"
	"github.com/grym-synth/grym-synth/services/tasks"
)

// embedder computes vectors with a model, on behalf of a task.
type embedder struct {
	execute services.Executor
	// task whose caller, priority and deadline hold for the parts of its work.
	task services.Task
	// model is the requested one; empty for the default.
	model string
	// captions embeds in the space that sounds share with texts, instead of that of sounds.
	captions bool
}

// text returns the vector of a text, in the space of captions.
func (e *embedder) text(ctx context.Context, text string) (vector, error) {
	value, _, err := e.run(ctx, nil, tasks.EmbedParams{Text: text})
	if err != nil {
		return nil, err
	}
	return unit(value.Vector), nil
}

// embed runs the model on sound.
func (e *embedder) embed(ctx context.Context, s sound, params tasks.EmbedParams) (*tasks.Embedding, string, error) {
	params.Space = tasks.SpaceSound
	if e.captions {
		params.Space = tasks.SpaceCaption
	}
	return e.run(ctx, s.source(), params)
}

// run runs a tasks.Embed and returns the model too.
func (e *embedder) run(ctx context.Context, audio services.AudioSource, params tasks.EmbedParams) (*tasks.Embedding, string, error) {
	raw, err := json.Marshal(params)
	if err != nil {
		return nil, "", services.Internal(err, "the sound could not be embedded")
	}
	result, err := e.execute(services.WithPart(ctx), services.Task{
		ID: e.task.ID, Name: tasks.Embed, Model: e.model, Params: raw, Audio: audio,
		Caller: e.task.Caller, Priority: e.task.Priority, Deadline: e.task.Deadline,
	}, services.DiscardSink{})
	if err != nil {
		return nil, "", err
	}
	value, ok := result.Value.(*tasks.Embedding)
	if !ok {
		return nil, "", services.Internal(fmt.Errorf("the result is a %T", result.Value), "the sound could not be embedded")
	}
	return value, result.Model, nil
}

// clip returns the vector of a whole sound.
func (e *embedder) clip(ctx context.Context, s sound) (vector, error) {
	value, _, err := e.embed(ctx, s, tasks.EmbedParams{})
	if err != nil {
		return nil, err
	}
	return value.Vector, nil
}

// track has the vectors of windows of one length: the i-th covers the seconds from i*hop to
// i*hop+length.
type track struct {
	hop, length float64
	vectors     []vector
}

// windows returns the vectors of the windows of sound, by the number of their length.
func (e *embedder) windows(ctx context.Context, s sound, numbers []int) (map[int]track, error) {
	return e.sparse(ctx, s, numbers, 0)
}

// sparse is windows with steps of at least some seconds.
func (e *embedder) sparse(ctx context.Context, s sound, numbers []int, least float64) (map[int]track, error) {
	tracks := make(map[int]track, len(numbers))
	for _, group := range hops {
		var lengths []float64
		var members []int
		for _, n := range numbers {
			if hopOf(n) == group.hop {
				lengths, members = append(lengths, windowLength(n)), append(members, n)
			}
		}
		if len(members) == 0 {
			continue
		}
		hop := max(group.hop, least)
		value, _, err := e.embed(ctx, s, tasks.EmbedParams{Frames: true, FrameWindows: lengths, FrameHop: &hop})
		if err != nil {
			return nil, err
		}
		if len(value.FrameEmbeddings) != len(members) {
			err := fmt.Errorf("%d lists of windows instead of %d", len(value.FrameEmbeddings), len(members))
			return nil, services.Internal(err, "the sound could not be embedded")
		}
		for i, one := range value.FrameEmbeddings {
			t := track{hop: one.Hop, length: one.Window, vectors: make([]vector, len(one.Embeddings))}
			for j, v := range one.Embeddings {
				t.vectors[j] = v
			}
			if len(t.vectors) == 1 {
				t.length = min(t.length, s.seconds())
			}
			tracks[members[i]] = t
		}
	}
	return tracks, nil
}
