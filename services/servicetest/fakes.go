package servicetest

import (
	"context"
	"time"

	"github.com/grym-synth/grym-synth/services"
)

// Work is a services.Work for fake services.
type Work struct {
	// On is the name of the model, Needs the memory of the task.
	On    string
	Needs services.Bytes
	// Do runs the task.
	Do func(ctx context.Context, sink services.Sink) (services.TaskResult, error)
}

// Model implements services.Work.
func (w Work) Model() string { return w.On }

// Bytes implements services.Work.
func (w Work) Bytes(context.Context) (services.Bytes, error) { return w.Needs, nil }

// Run implements services.Work.
func (w Work) Run(ctx context.Context, sink services.Sink) (services.TaskResult, error) {
	return w.Do(ctx, sink)
}

// Lease is a services.Lease for tests, given by its Yield method.
type Lease func(ctx context.Context) error

// Yield implements services.Lease.
func (l Lease) Yield(ctx context.Context) error { return l(ctx) }

// Slot implements services.Lease.
func (Lease) Slot() (since time.Time, held bool) { return time.Time{}, true }

// Release implements services.Lease.
func (Lease) Release() {}

// HangUp returns a context that is cancelled when its task calls services.Yield for the
// nth time.
func HangUp(ctx context.Context, nth int) context.Context {
	ctx, end := context.WithCancel(ctx)
	return services.WithLease(ctx, Lease(func(ctx context.Context) error {
		if nth--; nth <= 0 {
			end()
		}
		return ctx.Err()
	}))
}

// Bytes prepares a task and returns the memory that it requires.
func Bytes(ctx context.Context, service services.ModelService, task services.Task) (services.Bytes, error) {
	work, err := service.Prepare(ctx, task)
	if err != nil {
		return 0, err
	}
	return work.Bytes(ctx)
}
