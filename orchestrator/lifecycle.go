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
		return nil, services.Faultf(services.KindInvalid, "service %s has no models", e.Name())
	}
	return host, nil
}

// Load starts the service and loads a model of it; an empty name means the default
// model, which is loaded at the start.
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
	return e.call(func() error { return host.LoadModel(ctx, model) })
}

// Unload unloads one model, or, for an empty name, the whole service, which then
// starts again with its next task.
func (e *Registration) Unload(ctx context.Context, model string) error {
	if model != "" {
		host, err := e.host()
		if err != nil {
			return err
		}
		return e.call(func() error { return host.UnloadModel(ctx, model) })
	}
	e.changing.Lock()
	defer e.changing.Unlock()
	e.halt(true)
	defer e.halt(false)
	if err := e.call(func() error { return e.Service.Shutdown(ctx) }); err != nil {
		return &services.Fault{
			Kind: services.KindBusy, Message: "service " + e.Name() + " has tasks under way and was not unloaded",
			RetryAfter: time.Second, Err: err,
		}
	}
	e.transition(services.StateRegistered, "unloaded by an operator", e.isolate(false, 0))
	for _, unit := range e.Units() {
		unit.Restore("unloaded by an operator")
	}
	return nil
}

// halt refuses tasks of every model while the service unloads and starts as a whole.
func (e *Registration) halt(halted bool) {
	e.lock.Lock()
	defer e.lock.Unlock()
	e.halted = halted
}

// Hold prevents the unit of a model from being removed until release is called. An
// existing model without a unit gets one; for an empty name it is the service's own.
func (e *Registration) Hold(model string) (release func(), err error) {
	_, release, err = e.hold(model)
	return release, err
}

// hold is Hold with the unit.
func (e *Registration) hold(model string) (unit *Unit, release func(), err error) {
	if model != "" {
		if _, err := e.host(); err != nil {
			return nil, nil, err
		}
	}
	return e.enter(model)
}

// OpenBreaker refuses the tasks of a model, or, for an empty name, the service's own,
// which are also the default model's, until ResetBreaker is called. The reason is for
// clients and may be empty.
func (e *Registration) OpenBreaker(model, reason string) error {
	unit, release, err := e.hold(model)
	if err != nil {
		return err
	}
	defer release()
	unit.Guard.Hold(reason)
	unit.degradeIfHeld()
	return nil
}

// ResetBreaker closes the breaker of a model, or, for an empty name, the service's own,
// and ends what OpenBreaker has begun. Tasks are accepted again, also if the model is being
// recovered.
func (e *Registration) ResetBreaker(model string) error {
	unit, release, err := e.hold(model)
	if err != nil {
		return err
	}
	defer release()
	unit.Guard.Reset()
	unit.transition(services.StateReady, "an operator has reset its circuit breaker", func() bool {
		if !unit.isolated && unit.state != services.StateDegraded {
			return false
		}
		unit.isolated = false
		return true
	})
	return nil
}

// degradeIfHeld marks a ready unit as degraded while an operator holds its breaker.
func (u *Unit) degradeIfHeld() {
	hold, held := u.Guard.Held()
	if !held {
		return
	}
	cause := "an operator has opened its circuit breaker"
	if hold.Reason != "" {
		cause += ": " + hold.Reason
	}
	u.Degrade(cause)
}

// Smallest returns how much memory the service's smallest task needs now, including the
// load of its model; zero if the service has no such task.
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

// Isolate refuses tasks from now on; running ones continue. It is expected to last for
// retryAfter.
func (u *Unit) Isolate(cause string, retryAfter time.Duration) {
	u.transition(services.StateRecovering, cause, u.isolate(true, retryAfter))
}

// Reload unloads the isolated unit, and starts its service unless it is started. The
// next task, usually a canary, loads the model again. Other models are not affected;
// only a service without models is restarted. The unit stays isolated. The error is a
// fault; ctx bounds both.
func (u *Unit) Reload(ctx context.Context) error {
	e := u.entry
	e.changing.Lock()
	defer e.changing.Unlock()
	host, ok := e.Service.(services.ModelHost)
	model := cmp.Or(u.model, e.description.DefaultModel)
	if !ok || model == "" {
		return e.again(ctx)
	}
	if err := e.call(func() error { return host.UnloadModel(ctx, model) }); err != nil {
		return services.Internal(err, "%s could not be unloaded", u.title())
	}
	if e.State() == services.StateStopped {
		return e.admits()
	}
	if u.model != "" {
		return nil // a start would load the default model
	}
	return e.startAgain(ctx)
}

// Restart unloads and loads the model of the isolated unit, the default one where the
// unit is the service's own. For an empty name it unloads every model of the service and
// starts it again. The unit stays isolated. ctx bounds it.
func (u *Unit) Restart(ctx context.Context, model string) error {
	e := u.entry
	if model == "" {
		e.changing.Lock()
		defer e.changing.Unlock()
		return e.again(ctx)
	}
	host, err := e.host()
	if err != nil {
		return err
	}
	if err := u.Reload(ctx); err != nil {
		return err
	}
	if err := e.call(func() error { return host.LoadModel(ctx, model) }); err != nil {
		return services.Internal(err, "%s could not be loaded", u.title())
	}
	return nil
}

// again restarts the service. The caller holds changing.
func (e *Registration) again(ctx context.Context) error {
	e.halt(true)
	if err := e.call(func() error { return e.Service.Shutdown(ctx) }); err != nil {
		// It is partly shut down: tasks of every model are refused until it starts
		// again.
		return services.Internal(err, "service %s could not be unloaded", e.Name())
	}
	defer e.halt(false)
	if e.State() == services.StateStopped {
		return e.admits()
	}
	return e.startAgain(ctx)
}

// startAgain starts the service unless it is started. The caller holds changing.
func (e *Registration) startAgain(ctx context.Context) error {
	if err := e.call(func() error { return e.Service.Initialize(ctx) }); err != nil {
		return services.Internal(err, "service %s could not start", e.Name())
	}
	e.halt(false)
	return nil
}

// Restore accepts tasks again.
func (u *Unit) Restore(cause string) {
	u.transition(services.StateReady, cause, u.isolate(false, 0))
	u.degradeIfHeld()
}

// GiveUp marks an isolated unit as unavailable until Restore is called, which is expected
// to be tried after retryAfter.
func (u *Unit) GiveUp(cause string, retryAfter time.Duration) {
	u.transition(services.StateUnavailable, cause, u.isolate(true, retryAfter))
}

// Fail marks the unit as unavailable. Tasks are accepted; the first that succeeds makes
// the unit ready.
func (u *Unit) Fail(cause string) {
	u.transition(services.StateUnavailable, cause, u.isolate(false, 0))
}

// Degrade marks a ready unit as degraded. Tasks are still accepted.
func (u *Unit) Degrade(cause string) {
	u.transition(services.StateDegraded, cause, func() bool {
		return u.state == services.StateReady || u.state == services.StateDegraded
	})
}

// Isolated reports whether tasks are refused until Restore is called.
func (u *Unit) Isolated() bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.isolated && u.state != services.StateStopped
}

// isolate returns a change of the unit, for transition.
func (u *Unit) isolate(isolated bool, retryAfter time.Duration) func() bool {
	return func() bool {
		u.isolated, u.retryAt = isolated, time.Now().Add(retryAfter)
		return true
	}
}
