package orchestrator

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/grym-synth/grym-synth/services"
)

// keptTransitions is how many steps of its life a service remembers.
const keptTransitions = 64

// Registration is one service in the registry, with its guard and its place in
// life. Safe for concurrent use.
type Registration struct {
	Service services.ModelService
	Guard   Guard

	description services.Description
	log         *slog.Logger
	observe     func(services.Transition)
	// ctx ends with the registry; starts under way end with it.
	ctx context.Context
	// changing is held while the service starts, stops or restarts.
	changing sync.Mutex

	mu    sync.Mutex
	state services.State
	since time.Time
	cause string
	// isolated refuses tasks; retryAfter is what they are told.
	isolated    bool
	retryAfter  time.Duration
	transitions []services.Transition
	start       *start
	runs        map[*run]struct{}
}

// start is a start under way, shared by all who wait for it.
type start struct {
	done chan struct{}
	err  error
}

// Describe gives the service's description.
func (e *Registration) Describe() services.Description { return e.description }

// Name of the service.
func (e *Registration) Name() string { return e.description.Name }

// State of the service in its life.
func (e *Registration) State() services.State {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.state
}

// Status joins the service's own view with its place in its life.
func (e *Registration) Status() services.ServiceStatus {
	status := e.Service.Status()
	e.mu.Lock()
	defer e.mu.Unlock()
	status.State, status.Since = e.state, e.since
	if e.state != services.StateReady && e.state != services.StateRegistered && (status.LastError == "" || e.state != services.StateInitializing) {
		status.LastError = e.cause
	}
	return status
}

// Models lists the models that the service can use; nil for a service without any.
// It looks at the models' files, so it is not for probes.
func (e *Registration) Models() []services.ModelStatus {
	host, ok := e.Service.(services.ModelHost)
	if !ok {
		return nil
	}
	return host.Models()
}

// Events gives the latest steps of the service's life, the oldest first.
func (e *Registration) Events() []services.Transition {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.Clone(e.transitions)
}

// transition moves the service on, unless it is stopped for good, and tells
// who wants to know. change, if any, runs under the lock.
func (e *Registration) transition(to services.State, cause string, change func()) {
	e.mu.Lock()
	if e.state == services.StateStopped {
		e.mu.Unlock()
		return
	}
	if change != nil {
		change()
	}
	step := services.Transition{Service: e.description.Name, From: e.state, To: to, Cause: cause, At: time.Now()}
	e.cause = cause
	moved := step.From != to
	if moved {
		e.state, e.since = to, step.At
		if len(e.transitions) == keptTransitions {
			e.transitions = slices.Delete(e.transitions, 0, 1)
		}
		e.transitions = append(e.transitions, step)
	}
	e.mu.Unlock()
	if moved {
		e.log.Info("service changed state", "service", step.Service, "from", string(step.From), "to", string(to), "cause", cause)
		e.observe(step)
	}
}

// admits refuses a task while the service is isolated or stopped.
func (e *Registration) admits() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.state != services.StateStopped && !e.isolated {
		return nil
	}
	// Why is for the log and for health, not for every client.
	return &services.Fault{
		Kind: services.KindUnavailable, Message: fmt.Sprintf("service %s is %s", e.description.Name, e.state),
		RetryAfter: e.retryAfter, Err: errors.New(e.cause),
	}
}

// Initialize starts the service unless it is started. Callers at the same time
// share one start, which goes on when they leave.
func (e *Registration) Initialize(ctx context.Context) error {
	if e.Service.Initialized() {
		return nil
	}
	e.mu.Lock()
	if e.state == services.StateStopped {
		e.mu.Unlock()
		return e.admits()
	}
	s := e.start
	if s == nil {
		s = &start{done: make(chan struct{})}
		e.start = s
		go e.run(s)
	}
	e.mu.Unlock()
	select {
	case <-s.done:
		return s.err
	case <-ctx.Done():
		return fmt.Errorf("wait for the start of %s: %w", e.description.Name, ctx.Err())
	}
}

// run does one start. Shutdown waits for it by way of changing.
func (e *Registration) run(s *start) {
	e.changing.Lock()
	defer e.changing.Unlock()
	defer func() {
		e.mu.Lock()
		e.start = nil
		e.mu.Unlock()
		close(s.done)
	}()
	if e.State() == services.StateStopped {
		s.err = e.admits()
		return
	}
	if e.Service.Initialized() {
		return
	}
	s.err = e.initialize(e.ctx, services.StateReady)
}

// initialize starts the service, which is then in the state given. The caller
// holds changing.
func (e *Registration) initialize(ctx context.Context, then services.State) error {
	e.transition(services.StateInitializing, "start", nil)
	if err := e.calm(func() error { return e.Service.Initialize(ctx) }); err != nil {
		e.transition(services.StateUnavailable, "start failed: "+err.Error(), nil)
		return &services.Fault{Kind: services.KindUnavailable, Message: "service " + e.description.Name + " could not start", Err: err}
	}
	e.transition(then, "initialized", nil)
	return nil
}

// stop shuts the service down for good.
func (e *Registration) stop(ctx context.Context) error {
	e.transition(services.StateStopped, "shutdown", nil)
	e.changing.Lock()
	defer e.changing.Unlock()
	if err := e.calm(func() error { return e.Service.Shutdown(ctx) }); err != nil {
		return fmt.Errorf("shut down %s: %w", e.description.Name, err)
	}
	return nil
}
