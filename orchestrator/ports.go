package orchestrator

import (
	"context"
	"time"

	"github.com/grym-synth/grym-synth/services"
)

// Keeper watches the models that have a unit of their own. It must neither block nor
// call the unit's service.
type Keeper interface {
	// Watch adds a new unit and returns its guard.
	Watch(unit *Unit) Guard
	// Forget removes a unit, and its metrics.
	Forget(unit *Unit)
}

// Guard protects the calls of one unit.
type Guard interface {
	// Open reports whether calls are refused now, and when to try again.
	Open() (retryAfter time.Duration, open bool)
	// Refusal returns the fault for a call that Open forbids.
	Refusal() error
	// State returns the state of the breaker: closed, half-open or open.
	State() string
	// Health returns the health by the outcomes of the unit's tasks.
	Health() services.Health
	// Hold refuses every task except canaries until Reset is called.
	Hold(reason string)
	// Held returns the hold and whether there is one.
	Held() (services.Hold, bool)
	// Reset ends a hold and closes the breaker.
	Reset()
	// Failed records the fault of a task that failed before Do.
	Failed(ctx context.Context, err error)
	// Do calls fn under the guard's policies and returns once fn has.
	Do(ctx context.Context, fn func(ctx context.Context) error) error
}

// Admission grants leases.
type Admission interface {
	// Acquire waits for the claim's bytes and a run slot of the service, or refuses
	// with a fault.
	Acquire(ctx context.Context, claim services.Claim) (services.Lease, error)
}

// Observer is called when a task has ended.
type Observer interface {
	// TaskEnded is called once per task.
	TaskEnded(event services.TaskEvent)
}
