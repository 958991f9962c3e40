package orchestrator

import (
	"context"
	"time"

	"github.com/grym-synth/grym-synth/services"
)

// noLease is the lease of a task that only runs others. It never holds a run slot, so the
// watchdog regards the task as waiting.
type noLease struct{}

// Yield implements services.Lease.
func (noLease) Yield(ctx context.Context) error { return ctx.Err() }

// Slot implements services.Lease.
func (noLease) Slot() (since time.Time, held bool) { return time.Time{}, false }

// Release implements services.Lease.
func (noLease) Release() {}

// coordinate runs a task that only runs others, visible among the tasks under way.
func (u *Unit) coordinate(ctx context.Context, task services.Task, work services.Work, sink *active) (services.TaskResult, error) {
	ctx, stop := context.WithCancelCause(services.WithLease(ctx, noLease{}))
	defer stop(nil)
	r := u.begin(ctx, task, sink, stop)
	defer u.end(r)
	var result services.TaskResult
	err := services.CatchPanic(u.entry.log, u.title(), func() (err error) {
		result, err = u.attempt(ctx, work, r, 1)
		return err
	})
	if err == nil {
		u.succeeded(services.IsCanary(ctx))
	}
	return result, err
}

// coordinate runs the task of a visit that only runs others.
func (o *Orchestrator) coordinate(ctx context.Context, task services.Task, work services.Work, v *visit) (services.TaskResult, error) {
	if err := v.active.began(noLease{}, 0); err != nil {
		return services.TaskResult{}, err
	}
	v.event.Started, v.event.Queued = true, time.Since(v.arrived)
	started := time.Now()
	defer func() { v.event.Ran = time.Since(started) }()
	return v.unit.coordinate(ctx, task, work, v.active)
}
