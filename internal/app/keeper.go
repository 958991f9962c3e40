package app

import (
	"context"

	"github.com/grym-synth/grym-synth/hardening"
	"github.com/grym-synth/grym-synth/orchestrator"
)

// unit adds a canary to a unit of the orchestrator.
type unit struct {
	*orchestrator.Unit
	system *system
}

// Canary implements hardening.Unit.
func (u unit) Canary(ctx context.Context) error {
	return u.system.orchestrator.Canary(ctx, u.Name(), u.Model())
}

var _ hardening.Unit = unit{}

// restart restarts a service, or one model of it if model is not empty. It is done by
// recovery, which owns all restarts.
func (s *system) restart(ctx context.Context, service, model string) error {
	entry, err := s.registry.Lookup(service)
	if err != nil {
		return err
	}
	release, err := entry.Hold(model)
	if err != nil {
		return err
	}
	defer release()
	return s.recovery.Restart(ctx, service, model)
}

// keeper adds a guard, recovery, health checks and metrics to the models of a service other
// than the default.
type keeper struct {
	system      *system
	guard       *hardening.Guard
	recoverable bool
}

// Watch implements orchestrator.Keeper.
func (k keeper) Watch(model *orchestrator.Unit) orchestrator.Guard {
	s, guard := k.system, k.guard.ForModel(model.Model())
	s.states.Watch(model.Name(), model.Model())
	s.recovery.Watch(unit{model, s}, guard, k.recoverable)
	s.monitor.Watch(unit{model, s})
	return guard
}

// Forget implements orchestrator.Keeper.
func (k keeper) Forget(unit *orchestrator.Unit) {
	s, service, model := k.system, unit.Name(), unit.Model()
	s.monitor.Forget(service, model)
	s.recovery.Forget(service, model)
	s.guards.Forget(service, model)
	s.states.Forget(service, model)
	s.tasks.Forget(service, model)
}

var _ orchestrator.Keeper = keeper{}
