package orchestrator

import (
	"cmp"
	"context"
	"time"

	"github.com/grym-synth/grym-synth/services"
)

// host returns the service as one that has models by name.
func (e *Registration) host() (services.ModelHost, error) {
	host, ok := e.Service.(services.ModelHost)
	if !ok {
		return nil, services.Faultf(services.KindInvalid, "service %s has no models to name", e.Name())
	}
	return host, nil
}

// Load starts the service and loads a model of it; an empty name is its
// default, which the start loads.
func (e *Registration) Load(ctx context.Context, model string) error {
	if model == "" {
		if err := e.admits(); err != nil {
			return err
		}
		return e.Initialize(ctx)
	}
	host, err := e.host()
	if err != nil {
		return err
	}
	if unit := e.find(model); unit != nil {
		if err := unit.admits(); err != nil {
			return err
		}
	}
	if model == e.description.DefaultModel {
		err = e.Initialize(ctx)
	} else {
		err = e.begun(ctx)
	}
	if err != nil {
		return err
	}
	return e.calm(func() error { return host.LoadModel(ctx, model) })
}

// Unload unloads one model, or, for an empty name, the whole service, which then
// starts again with its next task.
func (e *Registration) Unload(ctx context.Context, model string) error {
	if model != "" {
		host, err := e.host()
		if err != nil {
			return err
		}
		return e.calm(func() error { return host.UnloadModel(ctx, model) })
	}
	e.changing.Lock()
	defer e.changing.Unlock()
	defer e.halt()()
	if err := e.calm(func() error { return e.Service.Shutdown(ctx) }); err != nil {
		return &services.Fault{Kind: services.KindBusy, Message: "service " + e.Name() + " has tasks under way and was not unloaded", RetryAfter: time.Second, Err: err}
	}
	e.transition(services.StateRegistered, "unloaded by an operator", func() { e.isolated = false })
	for _, unit := range e.Units() {
		unit.Restore("unloaded by an operator")
	}
	return nil
}

// halt refuses tasks of every model until the function that it returns is called.
func (e *Registration) halt() (resume func()) {
	set := func(halted bool) {
		e.lock.Lock()
		defer e.lock.Unlock()
		e.halted = halted
	}
	set(true)
	return func() { set(false) }
}

// Restart unloads and loads a model, closes its breaker and takes tasks again,
// whatever state it was in. For an empty name it does so with the whole service.
func (e *Registration) Restart(ctx context.Context, model string) error {
	const cause = "restart by an operator"
	if model != "" {
		return e.restartModel(ctx, model, cause)
	}
	e.Isolate(cause, time.Second)
	if err := e.restartAll(ctx); err != nil {
		return err
	}
	for _, unit := range e.all() {
		unit.Guard.Reset()
		unit.Restore("restarted by an operator")
	}
	return nil
}

// restartModel is Restart for one model; the others go on.
func (e *Registration) restartModel(ctx context.Context, model, cause string) error {
	host, err := e.host()
	if err != nil {
		return err
	}
	unit, leave, err := e.enter(model)
	if err != nil {
		return err
	}
	defer leave()
	before := unit.admits()
	unit.Isolate(cause, time.Second)
	if err := unit.Reload(ctx); err != nil {
		return err
	}
	if err := e.calm(func() error { return host.LoadModel(ctx, model) }); err != nil {
		if before == nil {
			// Nobody recovers it: its guard judges the next tasks.
			unit.Restore("restart failed: " + err.Error())
		}
		return services.Internal(err, "%s could not be loaded", unit.title())
	}
	unit.Guard.Reset()
	unit.Restore("restarted by an operator")
	return nil
}

// ChangeBreaker opens or closes the breaker of a model, or, for an empty name, the
// service's own, which is also the default model's.
func (e *Registration) ChangeBreaker(model string, open bool) error {
	if model != "" {
		if _, err := e.host(); err != nil {
			return err
		}
	}
	unit, leave, err := e.enter(model)
	if err != nil {
		return err
	}
	defer leave()
	if open {
		unit.Guard.Trip()
	} else {
		unit.Guard.Reset()
	}
	return nil
}

// Smallest is what the service's smallest task would take now, its model's load
// included; zero where the service names no such task.
func (e *Registration) Smallest(ctx context.Context) (services.Bytes, error) {
	task, ok := e.canary("")
	if !ok {
		return 0, nil
	}
	work, err := e.prepare(ctx, task)
	if err != nil {
		return 0, err
	}
	return e.bytes(ctx, work)
}

// Isolate refuses tasks from now on, telling them when to come back; those under
// way go on.
func (u *Unit) Isolate(cause string, retryAfter time.Duration) {
	u.transition(services.StateRecovering, cause, func() { u.isolated, u.retryAfter = true, retryAfter })
}

// Reload unloads the isolated unit, and starts its service unless that is started.
// The model is loaded again by the next task, a canary's as a rule, which has room for
// it. Other models stay as they are; only a service without models is restarted. The
// unit stays isolated. The fault says which of the two failed; ctx bounds both.
func (u *Unit) Reload(ctx context.Context) error {
	e := u.entry
	e.changing.Lock()
	defer e.changing.Unlock()
	host, ok := e.Service.(services.ModelHost)
	model := cmp.Or(u.model, e.description.DefaultModel)
	if !ok || model == "" {
		return e.again(ctx)
	}
	if err := e.calm(func() error { return host.UnloadModel(ctx, model) }); err != nil {
		return services.Internal(err, "%s could not be unloaded", u.title())
	}
	if e.State() == services.StateStopped {
		return e.admits()
	}
	if u.model != "" {
		return nil // a start would be the default model's
	}
	return e.startAgain(ctx)
}

// restartAll unloads every model and starts the service again.
func (e *Registration) restartAll(ctx context.Context) error {
	e.changing.Lock()
	defer e.changing.Unlock()
	return e.again(ctx)
}

// again shuts the service down and starts it. The caller holds changing.
func (e *Registration) again(ctx context.Context) error {
	resume := e.halt()
	if err := e.calm(func() error { return e.Service.Shutdown(ctx) }); err != nil {
		// It is half shut down: no model can be had until it starts again.
		return services.Internal(err, "service %s could not be unloaded", e.Name())
	}
	defer resume()
	if e.State() == services.StateStopped {
		return e.admits()
	}
	return e.startAgain(ctx)
}

// startAgain starts the service unless it is started. The caller holds changing.
func (e *Registration) startAgain(ctx context.Context) error {
	if err := e.calm(func() error { return e.Service.Initialize(ctx) }); err != nil {
		return services.Internal(err, "service %s could not start", e.Name())
	}
	return nil
}

// Restore lets tasks in again.
func (u *Unit) Restore(cause string) {
	u.transition(services.StateReady, cause, func() { u.isolated = false })
}

// GiveUp leaves an isolated unit unavailable, until somebody restores it.
func (u *Unit) GiveUp(cause string, retryAfter time.Duration) {
	u.transition(services.StateUnavailable, cause, func() { u.isolated, u.retryAfter = true, retryAfter })
}

// Degrade marks a ready unit that has a problem; it goes on taking tasks.
func (u *Unit) Degrade(cause string) {
	if state := u.State(); state == services.StateReady || state == services.StateDegraded {
		u.transition(services.StateDegraded, cause, nil)
	}
}
