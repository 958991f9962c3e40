package orchestrator

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/grym-synth/grym-synth/services"
)

// run is a task that has its lease. It is the sink of the task: each report counts as a
// sign of life.
type run struct {
	sink  services.Sink
	lease services.Lease
	stop  context.CancelCauseFunc

	mu      sync.Mutex
	view    services.Run
	partial bool
}

// begin adds a run to the unit's list.
func (u *Unit) begin(ctx context.Context, task services.Task, sink *active, stop context.CancelCauseFunc) *run {
	now := time.Now()
	r := &run{sink: sink, lease: services.LeaseOf(ctx), stop: stop, view: services.Run{
		ID: sink.view.ID, Task: task.ID, Name: task.Name, Model: task.Model, Started: now, Progressed: now,
	}}
	u.mu.Lock()
	defer u.mu.Unlock()
	u.runs[r] = struct{}{}
	return r
}

// end removes the run from the list.
func (u *Unit) end(r *run) {
	u.mu.Lock()
	defer u.mu.Unlock()
	delete(u.runs, r)
}

// Runs returns the unit's running tasks.
func (u *Unit) Runs() []services.Run {
	u.mu.Lock()
	runs := slices.Collect(maps.Keys(u.runs))
	u.mu.Unlock()
	list := make([]services.Run, 0, len(runs))
	for _, r := range runs {
		list = append(list, r.look())
	}
	return list
}

// look returns a snapshot of the run. Getting the run slot back counts as a sign of
// life.
func (r *run) look() services.Run {
	since, held := r.lease.Slot()
	r.mu.Lock()
	defer r.mu.Unlock()
	view := r.view
	view.Waiting = !held
	if since.After(view.Progressed) {
		view.Progressed = since
	}
	return view
}

// Runs returns the running tasks of all models of the service.
func (e *Registration) Runs() []services.Run {
	list := []services.Run{}
	for _, unit := range e.all() {
		list = append(list, unit.Runs()...)
	}
	return list
}

// StopRun cancels a run of the unit, by the server's id of its task, with the cause. It
// does not wait.
func (u *Unit) StopRun(id string, cause error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	for r := range u.runs {
		r.mu.Lock()
		if r.view.ID == id && !r.view.Stopped {
			r.view.Stopped = true
			r.stop(cause)
		}
		r.mu.Unlock()
	}
}

// sign records a sign of life.
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

// settle prevents a retry once part of the answer has been sent.
func (r *run) settle(err error) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err == nil || !r.partial || !services.IsTransient(err) {
		return err
	}
	return &services.Fault{Kind: services.KindOf(err), Message: "the answer was interrupted", Err: err}
}
