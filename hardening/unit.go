package hardening

import (
	"context"
	"time"

	"github.com/grym-synth/grym-synth/services"
)

// Unit is what fails and recovers by itself: a service with its default model, or one
// further model of a service. State and Isolated take no lock but the unit's own.
type Unit interface {
	// Name returns the name of the service.
	Name() string
	// Model returns the name of the model; it is empty for the service's own unit.
	Model() string
	// State returns the unit's state.
	State() services.State
	// Isolated reports whether tasks are refused until Restore is called.
	Isolated() bool
	// Status returns the service's view of the unit's model with the state of the unit.
	Status() services.ServiceStatus
	// Runs returns the tasks at work.
	Runs() []services.Run
	// StopRun ends a run, by its ID, with the cause. It does not wait.
	StopRun(id string, cause error)
	// Isolate refuses tasks, as it seems for retryAfter. The unit is recovering.
	Isolate(cause string, retryAfter time.Duration)
	// Reload unloads the model and starts its service unless that is started.
	Reload(ctx context.Context) error
	// Restart unloads and loads the model, or, for an empty name, the whole service.
	Restart(ctx context.Context, model string) error
	// Restore accepts tasks again.
	Restore(cause string)
	// GiveUp marks an isolated unit as unavailable; tasks are still refused, as it seems for
	// retryAfter.
	GiveUp(cause string, retryAfter time.Duration)
	// Fail marks the unit as unavailable; the next task tries it.
	Fail(cause string)
	// Degrade marks the unit as degraded. Tasks are still accepted.
	Degrade(cause string)
	// Canary runs the smallest task of the unit's model like any other task.
	Canary(ctx context.Context) error
}
