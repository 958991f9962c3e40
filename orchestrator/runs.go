package orchestrator

import (
	"context"
	"sync"
	"time"

	"github.com/grym-synth/grym-synth/services"
)

// run is a task between its lease and its end. It is the sink that the service
// talks to: every word is a sign of life.
type run struct {
	sink  services.Sink
	lease Lease
	stop  context.CancelCauseFunc

	mu      sync.Mutex
	view    services.Run
	partial bool
}

// begin enters a run into the service's list.
func (e *Registration) begin(task services.Task, sink services.Sink, lease Lease, stop context.CancelCauseFunc) *run {
	now := time.Now()
	r := &run{sink: sink, lease: lease, stop: stop, view: services.Run{
		Task: task.ID, Name: task.Name, Model: task.Model, Started: now, Progressed: now,
	}}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.runs[r] = struct{}{}
	return r
}

// end takes the run off the list.
func (e *Registration) end(r *run) {
	e.mu.Lock()
	defer e.mu.Unlock()
	delete(e.runs, r)
}

// Runs are the service's tasks at work.
func (e *Registration) Runs() []services.Run {
	e.mu.Lock()
	defer e.mu.Unlock()
	list := make([]services.Run, 0, len(e.runs))
	for r := range e.runs {
		r.mu.Lock()
		list = append(list, r.view)
		r.mu.Unlock()
	}
	return list
}

// StopRun tells a task at work to end with the cause. It does not wait.
func (e *Registration) StopRun(task string, cause error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for r := range e.runs {
		r.mu.Lock()
		if r.view.Task == task && !r.view.Stopped {
			r.view.Stopped = true
			r.stop(cause)
		}
		r.mu.Unlock()
	}
}

// sign notes a sign of life.
func (r *run) sign(change func(*services.Run)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.view.Progressed = time.Now()
	change(&r.view)
}

// Progress implements services.Sink.
func (r *run) Progress(fraction float64, stage string) {
	r.sign(func(view *services.Run) { view.Fraction, view.Stage = fraction, stage })
	r.sink.Progress(fraction, stage)
}

// Partial implements services.Sink.
func (r *run) Partial(value any) {
	r.sign(func(*services.Run) { r.partial = true })
	r.sink.Partial(value)
}

// Yield implements services.Sink.
func (r *run) Yield(ctx context.Context) error {
	r.sign(func(view *services.Run) { view.Waiting = true })
	defer r.sign(func(view *services.Run) { view.Waiting = false })
	return r.lease.Yield(ctx)
}

// settle keeps an attempt from being retried once part of its answer is out.
func (r *run) settle(err error) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err == nil || !r.partial || !services.IsTransient(err) {
		return err
	}
	return &services.Fault{Kind: services.KindOf(err), Message: "the answer broke off", Err: err}
}
