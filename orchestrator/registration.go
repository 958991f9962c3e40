package orchestrator

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"sync"

	"github.com/grym-synth/grym-synth/services"
	"github.com/grym-synth/grym-synth/services/schema"
)

// Registration is one service in the registry: its own unit, with the default model,
// and the units of its further models. Safe for concurrent use.
type Registration struct {
	Service services.ModelService
	// Unit is the service's own: the default model, and every task whose model has
	// no unit.
	*Unit

	description services.Description
	// schemas of the parameters, by the names of the tasks.
	schemas map[string]*schema.Schema
	log     *slog.Logger
	observe func(services.Transition)
	keeper  Keeper // if nil, models have no units
	// gates stop the tasks of models that are replaced with a gap.
	gates gates
	// drains and ledger are the registry's.
	drains *drains
	ledger *ledger
	// ctx ends with the registry; starts under way end with it.
	ctx context.Context
	// changing is held while the service starts, stops or restarts.
	changing sync.Mutex

	lock  sync.Mutex
	start *start
	// units are those of the further models, by name.
	units map[string]*Unit
	// halted is set while the service unloads and starts as a whole.
	halted bool
}

// start is a running start, shared by all callers that wait for it.
type start struct {
	done chan struct{}
	err  error
}

// Describe returns the service's description.
func (e *Registration) Describe() services.Description { return e.description }

// Models lists the models that the service can use, with the state of unavailable ones;
// nil for a service without models. It reads the models' files, so probes must not call
// it. It removes the units of models that are gone.
func (e *Registration) Models() []services.ModelStatus {
	host, ok := e.Service.(services.ModelHost)
	if !ok {
		return nil
	}
	list := host.Models()
	e.prune(list)
	for i := range list {
		if unit := e.find(list[i].Name); unit != nil {
			unit.mark(&list[i])
		}
	}
	return list
}

// Prune removes the units of models that are gone.
func (e *Registration) Prune() {
	if host, ok := e.Service.(services.ModelHost); ok && len(e.Units()) > 0 {
		e.prune(host.Models())
	}
}

// Events returns the latest steps in the life of the service and of its models, the
// oldest first.
func (e *Registration) Events() []services.Transition {
	var models []services.Transition
	byTime := func(a, b services.Transition) int { return a.At.Compare(b.At) }
	for _, unit := range e.Units() {
		models = append(models, unit.steps()...)
	}
	slices.SortStableFunc(models, byTime)
	// Steps of models must not displace the service's own.
	models = models[max(len(models)-maxTransitions, 0):]
	all := append(e.steps(), models...)
	slices.SortStableFunc(all, byTime)
	return all
}

// Initialize starts the service unless it is started. Concurrent callers share one
// start, which continues when they leave.
func (e *Registration) Initialize(ctx context.Context) error {
	if e.Service.Initialized() {
		return nil
	}
	e.lock.Lock()
	if e.State() == services.StateStopped {
		e.lock.Unlock()
		return e.admits()
	}
	s := e.start
	if s == nil {
		s = &start{done: make(chan struct{})}
		e.start = s
		go e.run(s)
	}
	e.lock.Unlock()
	select {
	case <-s.done:
		return s.err
	case <-ctx.Done():
		return fmt.Errorf("wait for the start of %s: %w", e.description.Name, ctx.Err())
	}
}

// run performs one start. Shutdown waits for it by taking changing.
func (e *Registration) run(s *start) {
	e.changing.Lock()
	defer e.changing.Unlock()
	defer func() {
		e.lock.Lock()
		e.start = nil
		e.lock.Unlock()
		close(s.done)
	}()
	if s.err = e.admits(); s.err != nil || e.Service.Initialized() {
		return
	}
	s.err = e.initialize(e.ctx)
}

// initialize starts the service. A unit that is isolated meanwhile stays so, since it is
// recovery that restores it. The caller holds changing.
func (e *Registration) initialize(ctx context.Context) error {
	admitted := func() bool { return !e.isolated }
	e.transition(services.StateInitializing, "start", admitted)
	if err := e.call(func() error { return e.Service.Initialize(ctx) }); err != nil {
		e.transition(services.StateUnavailable, "start failed: "+err.Error(), admitted)
		return &services.Fault{Kind: services.KindUnavailable, Message: "service " + e.description.Name + " could not start", Err: err}
	}
	e.halt(false)
	e.transition(services.StateReady, "initialized", admitted)
	e.degradeIfHeld()
	return nil
}

// stop shuts the service down for good.
func (e *Registration) stop(ctx context.Context) error {
	e.transition(services.StateStopped, "shutdown", nil)
	e.changing.Lock()
	defer e.changing.Unlock()
	if err := e.call(func() error { return e.Service.Shutdown(ctx) }); err != nil {
		return fmt.Errorf("shut down %s: %w", e.description.Name, err)
	}
	return nil
}

// call calls into the service and turns a panic into a fault. The guard does so for
// tasks; starts, stops and estimates bypass it.
func (e *Registration) call(fn func() error) error {
	return services.CatchPanic(e.log.With("service", e.Name()), e.Name(), fn)
}
