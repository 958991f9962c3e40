package orchestrator

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/grym-synth/grym-synth/services"
)

// maxTransitions is how many of its latest state changes a unit remembers.
const maxTransitions = 64

// Unit is a service with its default model, or one further model of a service, with a
// guard, a state and runs of its own. Units fail and recover independently. Safe for
// concurrent use.
type Unit struct {
	Guard Guard

	entry *Registration
	// model is empty for the service's own unit.
	model string

	mu    sync.Mutex
	state services.State
	since time.Time
	cause string
	// isolated is set while tasks are refused, probably until retryAt.
	isolated    bool
	retryAt     time.Time
	transitions []services.Transition
	runs        map[*run]struct{}
	lastSuccess time.Time

	// users and used are guarded by entry.lock: how many tasks and operators use the
	// unit, and when it was last used.
	users int
	used  time.Time
}

// newUnit returns a unit of the service, without a guard.
func newUnit(entry *Registration, model string, state services.State) *Unit {
	return &Unit{entry: entry, model: model, state: state, since: time.Now(), runs: make(map[*run]struct{})}
}

// Name returns the name of the service.
func (u *Unit) Name() string { return u.entry.description.Name }

// Model returns the name of the model; it is empty for the service's own unit.
func (u *Unit) Model() string { return u.model }

// title returns the unit's name for texts.
func (u *Unit) title() string {
	if u.model == "" {
		return "service " + u.Name()
	}
	return "model " + u.model + " of service " + u.Name()
}

// State returns the unit's state.
func (u *Unit) State() services.State {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.state
}

// Status returns the service's view of the unit's model with the state of the unit. Only
// the unit's own model counts as loaded, where the service has models.
func (u *Unit) Status() services.ServiceStatus {
	status := u.entry.Service.Status()
	if presence, ok := u.entry.Service.(services.ModelPresence); ok {
		status.ModelsLoaded = 0
		if presence.ModelLoaded(cmp.Or(u.model, u.entry.description.DefaultModel)) {
			status.ModelsLoaded = 1
		}
	}
	if u.model != "" {
		status.LastError = ""
	}
	u.place(&status)
	u.mu.Lock()
	defer u.mu.Unlock()
	status.LastSuccess = u.lastSuccess
	return status
}

// place sets the state of the unit in a status.
func (u *Unit) place(status *services.ServiceStatus) {
	u.mu.Lock()
	defer u.mu.Unlock()
	status.State, status.Since = u.state, u.since
	if u.state != services.StateReady && u.state != services.StateRegistered &&
		(status.LastError == "" || u.state != services.StateInitializing) {
		status.LastError = u.cause
	}
}

// mark sets the state of an unavailable unit in the status of its model.
func (u *Unit) mark(model *services.ModelStatus) {
	model.Breaker, model.Health = u.Guard.State(), u.Guard.Health().Status
	u.mu.Lock()
	defer u.mu.Unlock()
	if !u.isolated {
		return
	}
	// The cause is in the service's events and in health, and not for every client.
	model.State, model.Problem = u.state, cmp.Or(model.Problem, "has failed and is being recovered")
}

// transition changes the state of the unit unless it is stopped, and calls the
// observers. change, if not nil, runs under the lock; if it returns false, nothing
// changes.
func (u *Unit) transition(to services.State, cause string, change func() bool) {
	u.mu.Lock()
	if u.state == services.StateStopped || change != nil && !change() {
		u.mu.Unlock()
		return
	}
	step := services.Transition{Service: u.Name(), Model: u.model, From: u.state, To: to, Cause: cause, At: time.Now()}
	u.cause = cause
	moved := step.From != to
	if moved {
		u.state, u.since = to, step.At
		if len(u.transitions) == maxTransitions {
			u.transitions = slices.Delete(u.transitions, 0, 1)
		}
		u.transitions = append(u.transitions, step)
	}
	u.mu.Unlock()
	if moved {
		log := u.entry.log.With("service", step.Service)
		if u.model != "" {
			log = log.With("model", u.model)
		}
		log.Info("service changed state", "from", string(step.From), "to", string(to), "cause", cause)
		u.entry.observe(step)
	}
}

// steps returns the latest state changes of the unit, the oldest first.
func (u *Unit) steps() []services.Transition {
	u.mu.Lock()
	defer u.mu.Unlock()
	return slices.Clone(u.transitions)
}

// admits returns a fault while the unit is isolated or its service stopped.
func (u *Unit) admits() error {
	if u.model != "" {
		if err := u.entry.up(); err != nil {
			return err
		}
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.state != services.StateStopped && !u.isolated {
		return nil
	}
	// The cause is for the log and for health, not for every client.
	return &services.Fault{
		Kind: services.KindUnavailable, Message: fmt.Sprintf("%s is %s", u.title(), u.state),
		RetryAfter: max(time.Until(u.retryAt), time.Second), Err: errors.New(u.cause),
	}
}

// refuses returns a fault if the unit's state or breaker does not allow a task now.
func (u *Unit) refuses() error {
	if err := u.admits(); err != nil {
		return err
	}
	if _, open := u.Guard.Open(); open {
		return u.Guard.Refusal()
	}
	return nil
}

// execute runs a task whose context has its lease, under the guard and visible to the
// watchdog.
func (u *Unit) execute(ctx context.Context, task services.Task, work services.Work, sink *active) (services.TaskResult, error) {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	r := u.begin(ctx, task, sink, stop)
	defer u.end(r)
	var result services.TaskResult
	attempts := 0
	err := u.Guard.Do(ctx, func(ctx context.Context) (err error) {
		attempts++
		result, err = u.attempt(ctx, work, r, attempts)
		return err
	})
	if err == nil {
		u.succeeded(services.IsCanary(ctx))
	}
	return result, err
}

// succeeded records that a task or a canary succeeded, which makes a unit ready whose
// restart failed.
func (u *Unit) succeeded(canary bool) {
	u.mu.Lock()
	if !canary {
		u.lastSuccess = time.Now()
	}
	failed := u.state == services.StateUnavailable
	u.mu.Unlock()
	if failed {
		u.transition(services.StateReady, "a task succeeded", func() bool {
			return u.state == services.StateUnavailable && !u.isolated
		})
	}
}

// errPanicked is the error in the trace of an attempt that panicked; the guard returns
// the panic as a fault.
var errPanicked = errors.New("panicked")

// attempt runs the task once.
func (u *Unit) attempt(ctx context.Context, work services.Work, r *run, number int) (result services.TaskResult, err error) {
	ctx, span := services.BeginSpan(ctx, "attempt", slog.Int("number", number))
	err = errPanicked
	defer func() { span.End(err) }()
	r.sign(func(*services.Run) {})
	result, err = work.Run(ctx, r)
	err = r.settle(err)
	return result, err
}
