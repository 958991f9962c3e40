package orchestrator

import (
	"context"
	"time"

	"github.com/grym-synth/grym-synth/services"
)

// Load starts the service and loads a model of it; an empty name is its
// default, which the start loads.
func (e *Registration) Load(ctx context.Context, model string) error {
	if err := e.admits(); err != nil {
		return err
	}
	if err := e.Initialize(ctx); err != nil || model == "" {
		return err
	}
	host, ok := e.Service.(services.ModelHost)
	if !ok {
		return services.Faultf(services.KindInvalid, "service %s has no models to load", e.description.Name)
	}
	return e.calm(func() error { return host.LoadModel(ctx, model) })
}

// Unload unloads one model, or, for an empty name, the whole service, which then
// starts again with its next task.
func (e *Registration) Unload(ctx context.Context, model string) error {
	if model != "" {
		host, ok := e.Service.(services.ModelHost)
		if !ok {
			return services.Faultf(services.KindInvalid, "service %s has no models to unload", e.description.Name)
		}
		return e.calm(func() error { return host.UnloadModel(ctx, model) })
	}
	e.changing.Lock()
	defer e.changing.Unlock()
	if err := e.calm(func() error { return e.Service.Shutdown(ctx) }); err != nil {
		return &services.Fault{Kind: services.KindBusy, Message: "service " + e.description.Name + " has tasks under way and was not unloaded", RetryAfter: time.Second, Err: err}
	}
	e.transition(services.StateRegistered, "unloaded by an operator", func() { e.isolated = false })
	return nil
}

// Restart shuts the service down, starts it again, closes its breaker and takes
// tasks again, whatever state it was in.
func (e *Registration) Restart(ctx context.Context) error {
	e.Isolate("restart by an operator", time.Second)
	if err := e.Reload(ctx); err != nil {
		return err
	}
	e.Guard.Reset()
	e.Restore("restarted by an operator")
	return nil
}

// Smallest is what the service's smallest task would take now, its model's load
// included; zero where the service names no such task.
func (e *Registration) Smallest(ctx context.Context) (services.Bytes, error) {
	canary, ok := e.Service.(services.Canary)
	if !ok {
		return 0, nil
	}
	return e.estimate(ctx, canary.CanaryTask())
}

// Isolate refuses tasks from now on, telling them when to come back; those under
// way go on.
func (e *Registration) Isolate(cause string, retryAfter time.Duration) {
	e.transition(services.StateRecovering, cause, func() { e.isolated, e.retryAfter = true, retryAfter })
}

// Reload unloads an isolated service and starts it again. It stays isolated. The
// fault tells which of the two failed; ctx bounds both.
func (e *Registration) Reload(ctx context.Context) error {
	e.changing.Lock()
	defer e.changing.Unlock()
	if err := e.calm(func() error { return e.Service.Shutdown(ctx) }); err != nil {
		return services.Internal(err, "service %s could not be unloaded", e.description.Name)
	}
	if e.State() == services.StateStopped {
		return e.admits()
	}
	if err := e.calm(func() error { return e.Service.Initialize(ctx) }); err != nil {
		return services.Internal(err, "service %s could not start", e.description.Name)
	}
	return nil
}

// Restore lets tasks in again.
func (e *Registration) Restore(cause string) {
	e.transition(services.StateReady, cause, func() { e.isolated = false })
}

// GiveUp leaves an isolated service unavailable, until somebody restores it.
func (e *Registration) GiveUp(cause string, retryAfter time.Duration) {
	e.transition(services.StateUnavailable, cause, func() { e.isolated, e.retryAfter = true, retryAfter })
}

// Degrade marks a ready service that has a problem; it goes on taking tasks.
func (e *Registration) Degrade(cause string) {
	if state := e.State(); state == services.StateReady || state == services.StateDegraded {
		e.transition(services.StateDegraded, cause, nil)
	}
}
