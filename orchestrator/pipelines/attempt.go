package pipelines

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"time"

	"github.com/grym-synth/grym-synth/orchestrator/library"
	"github.com/grym-synth/grym-synth/orchestrator/records"
	"github.com/grym-synth/grym-synth/services"
	"github.com/grym-synth/grym-synth/services/tasks"
)

const (
	// longestDelay bounds the delay between two attempts of a step.
	longestDelay = time.Minute
	// leastPause is the shortest delay after a refusal.
	leastPause = 50 * time.Millisecond
)

// settle returns the outcome of a step, or of one item of it: that on record, or a new one.
// The error means that ctx has ended or that the store does not work.
func (r *run) settle(ctx context.Context, n *node, index *int, item any) (Outcome, error) {
	o, found, err := r.recorded(ctx, r.task.Job, n.ID, index)
	if err != nil {
		if ctx.Err() == nil {
			err = r.broken(err)
		}
		return o, err
	}
	if found {
		return o, nil
	}
	vars := r.scope(n)
	if index != nil {
		vars.vars[varItem], vars.vars[varIndex] = item, int64(*index)
	}
	o = Outcome{Run: r.task.Job, Step: n.ID, Index: index, Owner: r.task.Caller.Key}
	made, err := r.attempts(ctx, n, vars, &o)
	defer func() {
		if err := made.Audio.Remove(); err != nil {
			r.Log.Error("a step's sound could not be removed", "job", o.Run, "step", n.ID, "error", err)
		}
	}()
	// A step that ended although the run was cancelled is recorded; one that was cancelled
	// with it is not.
	if err != nil && ctx.Err() != nil {
		return o, context.Cause(ctx)
	}
	o, err = r.conclude(ctx, n, o, made, err)
	if err != nil && ctx.Err() == nil {
		err = r.broken(err)
	}
	return o, err
}

// conclude records the end of a step.
func (r *run) conclude(ctx context.Context, n *node, o Outcome, made services.TaskResult, failed error) (Outcome, error) {
	var result []byte
	if failed == nil {
		o.Status, o.Model, o.Warnings = StepSucceeded, made.Model, made.Warnings
		if result, failed = encode(made.Value); failed == nil && made.Audio != nil {
			release, err := r.keep(ctx, made.Audio, &o)
			defer release() // the record names the sounds by then
			switch services.KindOf(err) {
			case services.KindUnavailable, services.KindCancelled, services.KindTimeout:
				return o, err
			}
			failed = err
		}
	}
	if failed != nil {
		o.Status, o.Sounds, result = StepFailed, nil, nil
		o.Failure = &Failure{Kind: services.KindOf(failed), Message: services.ClipDetail(detail(failed))}
		r.Log.Warn("a step failed", "job", o.Run, "step", n.ID, "error", failed)
	}
	o.Ended = time.Now().UTC()
	return r.record(ctx, o, result)
}

// keep stores the sounds of a step. They are not deleted until release is called, which must
// be, also after an error.
func (r *run) keep(ctx context.Context, audio *services.Artifact, o *Outcome) (release func(), err error) {
	var releases []func()
	release = func() {
		for _, one := range releases {
			one()
		}
	}
	ctx = context.WithoutCancel(ctx)
	for _, sound := range audio.All() {
		stored, held, err := r.Library.Import(ctx, sound, library.About{Owner: o.Owner, ContentType: sound.ContentType})
		if err != nil {
			return release, err
		}
		releases = append(releases, held)
		o.Sounds = append(o.Sounds, stored.ID)
	}
	return release, nil
}

// attempts runs the task of a step until it succeeds or has failed for good. A refusal
// because of load, or of a service that is down, does not count as an attempt.
func (r *run) attempts(ctx context.Context, n *node, vars scope, o *Outcome) (services.TaskResult, error) {
	most, delay := n.attempts()
	refused := leastPause
	for {
		o.Attempts++
		o.Started = time.Now().UTC()
		made, err := r.attempt(ctx, n, vars, o)
		if err == nil || ctx.Err() != nil {
			return made, err
		}
		if removeErr := made.Audio.Remove(); removeErr != nil {
			r.Log.Error("a step's sound could not be removed", "job", o.Run, "step", n.ID, "error", removeErr)
		}
		wait := delay
		var fault *services.Fault
		errors.As(err, &fault)
		switch services.KindOf(err) {
		case services.KindBusy, services.KindUnavailable:
			o.Attempts--
			wait = refused
			if refused = min(2*refused, time.Second); fault != nil && fault.RetryAfter > 0 {
				wait = min(fault.RetryAfter, longestDelay)
			}
			r.waits(n, detail(err))
		case services.KindTimeout, services.KindInternal, services.KindFull:
			if o.Attempts >= most {
				return services.TaskResult{}, err
			}
			delay = min(2*delay, longestDelay)
		default:
			return services.TaskResult{}, err
		}
		records.Pause(ctx, wait)
		r.waits(n, "")
		if ctx.Err() != nil {
			return services.TaskResult{}, context.Cause(ctx)
		}
	}
}

// waits sets why a step waits.
func (r *run) waits(n *node, why string) {
	r.mu.Lock()
	r.steps[n.ID].waits = why
	r.mu.Unlock()
	r.report()
}

// attempt runs the task of a step once.
func (r *run) attempt(ctx context.Context, n *node, vars scope, o *Outcome) (made services.TaskResult, err error) {
	if n.Timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, time.Duration(n.Timeout))
		defer cancel()
	}
	task, err := r.taskOf(n, vars, o)
	if err != nil {
		return made, err
	}
	audio, err := n.audioOf(vars)
	if err != nil {
		return made, err
	}
	source, done, err := r.open(ctx, task, audio)
	if err != nil {
		return made, err
	}
	defer done()
	if source != nil {
		task.Audio = source
	}
	made, err = r.World.Execute(ctx, task, &itemSink{run: r, step: r.steps[n.ID], index: indexOf(o)})
	// A decoder may have mistaken a fault of the store for a damaged file or its end.
	if stored, ok := source.(*library.Source); ok && stored.Err() != nil {
		return made, stored.Err()
	}
	return made, err
}

func indexOf(o *Outcome) int {
	if o.Index == nil {
		return 0
	}
	return *o.Index
}

// taskOf returns the task of a step.
func (r *run) taskOf(n *node, vars scope, o *Outcome) (services.Task, error) {
	key := fmt.Sprintf("%s/%s/%d/%d", o.Run, n.ID, indexOf(o), o.Attempts)
	task := services.Task{
		ID: key, Job: o.Run, Service: n.Service, Name: n.Task, Caller: r.task.Caller, Priority: r.task.Priority, Deadline: r.task.Deadline,
	}
	model, err := n.model.eval(vars)
	if err != nil {
		return task, invalid("model", err)
	}
	if name, ok := model.(string); ok {
		task.Model = name
	} else if model != nil {
		return task, services.Faultf(services.KindInvalid, "model: must be a string, got %v", model)
	}
	if n.params == nil {
		return task, nil
	}
	params, err := n.params.eval(vars)
	if err != nil {
		return task, invalid("params", err)
	}
	if object, ok := params.(map[string]any); ok {
		maps.DeleteFunc(object, func(_ string, v any) bool { return v == nil })
	}
	if task.Params, err = json.Marshal(params); err != nil {
		return task, invalid("params", err)
	}
	return task, nil
}

// clip is a recording, or a part of one.
type clip struct {
	id         string
	start, end *float64
}

// audioOf returns the recording of a step; its id is empty if it has none.
func (n *node) audioOf(vars scope) (c clip, err error) {
	if n.audio == nil {
		return c, nil
	}
	of, err := n.audio.eval(vars)
	if err != nil {
		return c, invalid("audio", err)
	}
	switch v := of.(type) {
	case nil:
	case string:
		c.id = v
	case map[string]any:
		c.id, _ = v[spanFields[0]].(string)
		c.start, c.end = number(v[spanFields[1]]), number(v[spanFields[2]])
	default:
		return c, services.Faultf(services.KindInvalid, "audio: must be the id of a recording, got %v", of)
	}
	return c, nil
}

func number(v any) *float64 {
	switch v := v.(type) {
	case float64:
		return &v
	case int64:
		f := float64(v)
		return &f
	case json.Number:
		if f, err := v.Float64(); err == nil {
			return &f
		}
	}
	return nil
}

// open returns the recording of a step as the input of its task; nil if it has none. done
// must be called when the task has ended.
func (r *run) open(ctx context.Context, task services.Task, c clip) (_ services.AudioSource, done func(), _ error) {
	done = func() {}
	if c.id == "" {
		return nil, done, nil
	}
	var source services.AudioSource
	if own, ok := r.task.Audio.(idOf); ok && own.ID() == c.id {
		source = r.task.Audio
	} else {
		done = r.Library.Hold(r.task.Caller.Key, c.id)
		_, stored, err := r.Library.SourceFor(ctx, r.task.Caller, c.id)
		if err != nil {
			done()
			return nil, func() {}, err
		}
		source = stored
	}
	if c.start == nil && c.end == nil {
		return source, done, nil
	}
	cut, err := r.cut(ctx, task, source, c)
	done()
	if err != nil {
		return nil, func() {}, err
	}
	return cut, func() {
		if err := cut.Remove(); err != nil {
			r.Log.Error("a part of a recording could not be removed", "job", task.Job, "error", err)
		}
	}, nil
}

// cut returns a part of a recording, which a task of the server makes.
func (r *run) cut(ctx context.Context, task services.Task, source services.AudioSource, c clip) (*services.Artifact, error) {
	trim := map[string]any{"op": "trim"}
	if c.start != nil {
		trim["start"] = *c.start
	}
	if c.end != nil {
		trim["end"] = *c.end
	}
	params, err := json.Marshal(map[string]any{"operations": []any{trim}, "bit_depth": "float"})
	if err != nil {
		return nil, invalid("audio", err)
	}
	made, err := r.World.Execute(ctx, services.Task{
		ID: task.ID + "/cut", Job: task.Job, Name: tasks.Edit, Params: params, Audio: source,
		Caller: task.Caller, Priority: task.Priority, Deadline: task.Deadline,
	}, services.DiscardSink{})
	if err == nil && made.Audio == nil {
		err = services.Faultf(services.KindInternal, "a part of the recording could not be cut")
	}
	if err != nil {
		return nil, err
	}
	return made.Audio, nil
}

// itemSink receives the progress of one task of a step.
type itemSink struct {
	run   *run
	step  *step
	index int
}

// Progress implements services.Sink.
func (s *itemSink) Progress(fraction float64, _ string) {
	s.run.mu.Lock()
	if s.step.status == StepRunning {
		s.step.fractions[s.index] = fraction
	}
	s.run.mu.Unlock()
	s.run.report()
}

// Partial implements services.Sink. A step has no partial results.
func (s *itemSink) Partial(any) {}
