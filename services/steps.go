package services

import (
	"context"
	"time"
)

// StepProgress is the state of one step of a task that has steps.
type StepProgress struct {
	ID string `json:"id"`
	// Status is waiting, running, succeeded, failed or skipped.
	Status string `json:"status"`
	// Progress of the step, 0 to 1.
	Progress float64 `json:"progress"`
	// Done of Total items have ended, of a step that runs for each item of a list.
	Done    int       `json:"done,omitempty"`
	Total   int       `json:"total,omitempty"`
	Started time.Time `json:"started,omitzero"`
	Ended   time.Time `json:"ended,omitzero"`
	// Error is why it failed.
	Error string `json:"error,omitempty"`
}

type stepsKey struct{}

// WithSteps returns a context in which a task with steps hands over a function that returns
// their states. It may be called at any time, also after the task has ended.
func WithSteps(ctx context.Context, observe func(states func() []StepProgress)) context.Context {
	return context.WithValue(ctx, stepsKey{}, observe)
}

// ObserveSteps hands over the function of a task with steps, if the context has a place for
// it.
func ObserveSteps(ctx context.Context, states func() []StepProgress) {
	if observe, ok := ctx.Value(stepsKey{}).(func(func() []StepProgress)); ok {
		observe(states)
	}
}

// Pinner is a service whose tasks depend on what may change before they run.
type Pinner interface {
	// Pin returns the parameters of a task, of which Prepare has approved, with everything
	// that they name as it is now.
	Pin(ctx context.Context, task Task) (params []byte, err error)
}

// Restarter is a service whose jobs record what they have done.
type Restarter interface {
	// Restart is called before an ended job is queued again: what has failed is forgotten,
	// and what was done by a step, if one is named, and by those that depend on it.
	Restart(ctx context.Context, task Task, step string) error
}
