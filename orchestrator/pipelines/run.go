package pipelines

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/grym-synth/grym-synth/services"
)

// run is one run of a pipeline by this process.
type run struct {
	*Service
	plan  *Plan
	task  services.Task
	input map[string]any
	sink  services.Sink
	// used are the recordings that the input names.
	used []string
	// stop ends the steps that are under way.
	stop context.CancelCauseFunc

	mu sync.Mutex
	// steps by id; failed is why the run fails, warnings are those of its steps.
	steps    map[string]*step
	failed   error
	warnings []services.Warning
}

// step is the state of a step in a run. The run's mu guards it.
type step struct {
	node *node
	// ended is closed when the step has ended.
	ended  chan struct{}
	status string
	// result, audio and sounds are what expressions see.
	result, audio, sounds any
	// total is the number of items, done that of the ended ones; fractions are those of
	// the running ones.
	total, done   int
	fractions     map[int]float64
	began, closed time.Time
	err           string
	// waits is why it waits, as a fault said.
	waits string
}

// idOf is implemented by recordings that are stored.
type idOf interface{ ID() string }

func newRun(w *work, sink services.Sink) *run {
	r := &run{
		Service: w.service, plan: w.plan, task: w.task, input: w.input, sink: sink, used: recordings(w.input),
		steps: make(map[string]*step),
	}
	for _, n := range w.plan.steps {
		r.steps[n.ID] = &step{node: n, ended: make(chan struct{}), status: StepWaiting, fractions: make(map[int]float64)}
	}
	if stored, ok := w.task.Audio.(idOf); ok {
		r.input["audio"] = stored.ID()
	} else if r.plan.Definition.audio() != AudioNone {
		r.input["audio"] = nil
	}
	return r
}

// all runs the steps, each as soon as those that it depends on have ended, and returns the
// output.
func (r *run) all(ctx context.Context) (services.TaskResult, error) {
	ctx, stop := context.WithCancelCause(ctx)
	r.stop = stop
	defer stop(nil)
	r.report()
	var group sync.WaitGroup
	for _, n := range r.plan.steps {
		group.Go(func() { r.follow(ctx, n) })
	}
	group.Wait()
	if r.failed != nil {
		return services.TaskResult{}, r.failed
	}
	if err := ctx.Err(); err != nil {
		return services.TaskResult{}, context.Cause(ctx)
	}
	output, err := r.plan.output.eval(r.scope(nil))
	if err != nil {
		return services.TaskResult{}, &services.Fault{Kind: services.KindInvalid, Message: "output: " + err.Error(), Final: true}
	}
	return services.TaskResult{Value: output, Warnings: r.warnings}, nil
}

// errFailed is the cause that ends the other steps of a run when one has failed.
var errFailed error = services.Faultf(services.KindCancelled, "another step of the pipeline failed")

// follow waits for the steps that a step depends on, and runs it.
func (r *run) follow(ctx context.Context, n *node) {
	for id := range n.needs {
		select {
		case <-r.steps[id].ended:
		case <-ctx.Done():
			return
		}
	}
	if ctx.Err() != nil {
		return
	}
	status, err := r.one(ctx, n)
	if ctx.Err() != nil && status == "" {
		return // it runs again, or never
	}
	s := r.steps[n.ID]
	r.mu.Lock()
	if err != nil {
		s.err = services.ClipDetail(detail(err))
		switch n.onError() {
		case OnErrorFail:
			if r.failed == nil {
				r.failed = &services.Fault{Kind: services.KindOf(err), Message: "step " + n.ID + ": " + s.err, Err: err, Final: true}
			}
		case OnErrorSkip:
			status = StepSkipped
		}
	}
	s.status, s.closed = status, time.Now().UTC()
	r.mu.Unlock()
	close(s.ended)
	if err != nil && n.onError() == OnErrorFail {
		r.stop(errFailed)
	}
	r.report()
}

// one runs a step whose dependencies have ended. The error is that of a failed step; an empty
// status means that ctx ended first.
func (r *run) one(ctx context.Context, n *node) (status string, err error) {
	for id, looks := range n.needs {
		if !looks && r.status(id) == StepSkipped {
			return StepSkipped, nil
		}
	}
	s := r.steps[n.ID]
	r.mu.Lock()
	s.status, s.began, s.total = StepRunning, time.Now().UTC(), 1
	r.mu.Unlock()
	r.report()
	if n.cond != nil {
		holds, err := n.cond.eval(r.scope(n))
		if err != nil {
			return StepFailed, invalid("if", err)
		}
		if yes, ok := holds.(bool); !ok || !yes {
			return StepSkipped, nil
		}
	}
	if n.items != nil {
		return r.each(ctx, n, s)
	}
	o, err := r.settle(ctx, n, nil, nil)
	if err != nil {
		return "", err
	}
	if o.Status == StepFailed {
		return StepFailed, o.fault()
	}
	result, sound, sounds, err := r.values(ctx, n, o)
	if err != nil {
		return "", r.broken(err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	s.result, s.audio, s.sounds, s.done = result, sound, sounds, 1
	return StepSucceeded, nil
}

// broken ends the run because the store does not work. The run is tried again, as the kind
// says.
func (r *run) broken(err error) error {
	r.mu.Lock()
	if r.failed == nil {
		r.failed = err
	}
	r.mu.Unlock()
	r.stop(errFailed)
	return err
}

// fault returns the failure of an outcome.
func (o Outcome) fault() error {
	if o.Failure == nil {
		return services.Faultf(services.KindInternal, "it failed")
	}
	return services.Faultf(o.Failure.Kind, "%s", o.Failure.Message)
}

// invalid returns the fault of an expression.
func invalid(field string, err error) error {
	return &services.Fault{Kind: services.KindInvalid, Message: field + ": " + err.Error()}
}

// each runs a step for each item of a list.
func (r *run) each(ctx context.Context, n *node, s *step) (string, error) {
	of, err := n.items.eval(r.scope(n))
	if err != nil {
		return StepFailed, invalid("foreach", err)
	}
	items, ok := of.([]any)
	if !ok && of != nil || len(items) > MaxItems {
		return StepFailed, services.Faultf(services.KindInvalid, "foreach must be a list of at most %d items", MaxItems)
	}
	r.mu.Lock()
	s.total = len(items)
	r.mu.Unlock()
	outcomes := make([]*Outcome, len(items))
	next := make(chan int)
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	var workers sync.WaitGroup
	for range min(n.parallel(), len(items)) {
		workers.Go(func() {
			for i := range next {
				o, err := r.settle(ctx, n, &i, items[i])
				if err != nil {
					stop()
					continue
				}
				outcomes[i] = &o
				if o.Status == StepFailed && n.onError() == OnErrorFail {
					stop()
				}
				r.mu.Lock()
				s.done++
				delete(s.fractions, i)
				r.mu.Unlock()
				r.report()
			}
		})
	}
	for i := range items {
		select {
		case next <- i:
			continue
		case <-ctx.Done():
		}
		break
	}
	close(next)
	workers.Wait()
	return r.gather(ctx, n, s, outcomes)
}

// gather makes the lists of a step's results from those of its items.
func (r *run) gather(ctx context.Context, n *node, s *step, outcomes []*Outcome) (string, error) {
	results, audio, all := []any{}, []any{}, []any{}
	for i, o := range outcomes {
		switch {
		case o != nil && o.Status == StepFailed && n.onError() == OnErrorFail:
			return StepFailed, services.Faultf(o.Failure.Kind, "item %d: %s", i, o.Failure.Message)
		case o == nil || o.Status != StepFailed || n.onError() == OnErrorSkip:
			continue
		}
		r.mu.Lock()
		s.err = fmt.Sprintf("item %d: %s", i, o.Failure.Message)
		r.mu.Unlock()
	}
	for _, o := range outcomes {
		switch {
		case o == nil:
			return "", nil // ctx has ended
		case o.Status == StepFailed && n.onError() == OnErrorSkip:
			continue
		case o.Status == StepFailed:
			results, audio, all = append(results, nil), append(audio, nil), append(all, []any{})
			continue
		}
		result, sound, sounds, err := r.values(context.WithoutCancel(ctx), n, *o)
		if err != nil {
			return "", r.broken(err)
		}
		results, audio, all = append(results, result), append(audio, sound), append(all, sounds)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	s.result, s.audio, s.sounds = results, audio, all
	return StepSucceeded, nil
}

// values returns what expressions see of an outcome.
func (r *run) values(ctx context.Context, n *node, o Outcome) (result, sound any, sounds []any, err error) {
	raw, err := r.ResultOf(ctx, o)
	if err != nil {
		return nil, nil, nil, err
	}
	if len(raw) > 0 {
		decoded, err := decode(raw)
		if err != nil {
			return nil, nil, nil, services.Internal(err, "the result of step %s cannot be read", n.ID)
		}
		result = n.each.convert(decoded)
	}
	sounds = []any{}
	for _, id := range o.Sounds {
		sounds = append(sounds, id)
	}
	if len(sounds) > 0 {
		sound = sounds[0]
	}
	r.mu.Lock()
	for _, warning := range o.Warnings {
		r.warnings = services.AddWarning(r.warnings, warning)
	}
	r.mu.Unlock()
	return result, sound, sounds, nil
}

func (r *run) status(id string) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.steps[id].status
}

// scope returns the variables of the expressions of a step, or with nil of the output.
func (r *run) scope(n *node) scope {
	r.mu.Lock()
	defer r.mu.Unlock()
	steps, skipped := make(map[string]any), make(map[string]bool)
	for id, s := range r.steps {
		if n != nil {
			if _, needed := n.needs[id]; !needed {
				continue
			}
		}
		steps[id] = map[string]any{"result": s.result, "audio": s.audio, "sounds": s.sounds, "status": s.status}
		skipped[id] = s.status == StepSkipped
	}
	return scope{vars: map[string]any{varInput: r.input, varSteps: steps}, skipped: skipped}
}

// detail returns the text of an error for the client.
func detail(err error) string {
	var fault *services.Fault
	if errors.As(err, &fault) {
		return fault.Detail()
	}
	switch services.KindOf(err) {
	case services.KindCancelled:
		return "cancelled"
	case services.KindTimeout:
		return "took longer than allowed"
	}
	return "failed unexpectedly"
}

// encode returns the JSON of a task's result.
func encode(v any) ([]byte, error) {
	if v == nil {
		return nil, nil
	}
	raw, err := json.Marshal(v)
	if err != nil {
		return nil, services.Internal(err, "the result could not be encoded")
	}
	return raw, nil
}
