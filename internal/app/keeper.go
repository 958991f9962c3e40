package app

import (
	"context"

	"github.com/grym-synth/grym-synth/hardening"
	"github.com/grym-synth/grym-synth/orchestrator"
)

// subject fits a service with its default model, or one further model of it, to what
// the monitors ask.
type subject struct {
	*orchestrator.Unit
	system *system
}

// Canary implements hardening.Subject.
func (s subject) Canary(ctx context.Context) error {
	return s.system.orchestrator.Canary(ctx, s.Name(), s.Model())
}

var _ hardening.Subject = subject{}

// keeper gives the further models of one service what the service itself has: a
// guard, recovery, health checks and metrics.
type keeper struct {
	system      *system
	guard       *hardening.Guard
	recoverable bool
}

// Watch implements orchestrator.Keeper.
func (k keeper) Watch(unit *orchestrator.Unit) orchestrator.Guard {
	s, guard := k.system, k.guard.ForModel(unit.Model())
	patient := subject{unit, s}
	s.states.Watch(unit.Name(), unit.Model())
	s.recovery.Watch(patient, guard, k.recoverable)
	s.monitor.Watch(patient)
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
