package hardening

import (
	"context"
	"fmt"
	"time"

	"github.com/grym-synth/grym-synth/services"
)

// restartCause is why a unit that an operator restarts is isolated.
const restartCause = "restart by an operator"

// Restart unloads and loads a model, closes its breaker and accepts its tasks again,
// whatever its state was. For an empty name it does so with the whole service: all its
// models are unloaded, and the default one is loaded. A recovery under way ends. When
// the restart fails, the unit is recovered; one that is not recoverable is unavailable
// until the next task or restart succeeds. The error is or wraps a fault, or ctx's error.
func (r *Recovery) Restart(ctx context.Context, service, model string) error {
	own, unit := r.find(service, model)
	if own == nil {
		return services.Faultf(services.KindNotFound, "service %q does not exist", service)
	}
	select {
	case own.restarts <- struct{}{}:
		defer func() { <-own.restarts }()
	case <-ctx.Done():
		return fmt.Errorf("wait for another restart of service %s: %w", service, ctx.Err())
	}
	affected := []*managed{unit}
	if model == "" {
		affected = r.of(service)
	}
	activities, err := r.takeOver(unit, affected)
	if err != nil {
		return err
	}
	err = r.restart(ctx, unit, model, activities)
	for m, a := range activities {
		switch {
		case err == nil:
			r.restarted(m, a, m == unit)
		case m == unit:
			r.restartFailed(m, a, err)
		default:
			r.resume(m, a)
		}
	}
	return err
}

// find returns the service's own unit and that of the model; a model without a unit is
// the default one, whose unit is the service's own.
func (r *Recovery) find(service, model string) (own, unit *managed) {
	r.mu.Lock()
	defer r.mu.Unlock()
	own, unit = r.units[key{service: service}], r.units[key{service, model}]
	if unit == nil {
		unit = own
	}
	return own, unit
}

// of returns the units of a service.
func (r *Recovery) of(service string) (units []*managed) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for of, m := range r.units {
		if of.service == service {
			units = append(units, m)
		}
	}
	return units
}

// takeOver replaces the current activities of the units by the restart of the unit.
func (r *Recovery) takeOver(unit *managed, units []*managed) (map[*managed]*activity, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.ctx.Err() != nil {
		return nil, services.Faultf(services.KindUnavailable, "the server is stopping")
	}
	activities := make(map[*managed]*activity, len(units))
	for _, m := range units {
		cause := restartCause
		if m != unit && m.activity != nil {
			cause = m.activity.cause
		}
		activities[m] = r.begin(m, cause)
	}
	return activities, nil
}

// restart isolates and restarts the unit once the recoveries under way have ended.
func (r *Recovery) restart(ctx context.Context, unit *managed, model string, activities map[*managed]*activity) error {
	a := activities[unit]
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(a.ctx, cancel)()
	for m, other := range activities {
		if m != unit {
			close(other.isolated) // if it fails during the restart, its recovery begins
		}
	}
	err := waitForPrevious(ctx, activities)
	if err == nil {
		unit.Isolate(restartCause, r.lasts(unit))
	}
	close(a.isolated)
	if err != nil {
		return fmt.Errorf("wait for the recovery of %s: %w", unit.of, err)
	}
	return unit.Restart(ctx, model)
}

// lasts returns how long the latest attempt to recover the unit took.
func (r *Recovery) lasts(m *managed) time.Duration {
	r.mu.Lock()
	defer r.mu.Unlock()
	return m.took
}

// waitForPrevious waits for the activities that were cancelled, until ctx ends.
func waitForPrevious(ctx context.Context, activities map[*managed]*activity) error {
	for _, a := range activities {
		if a.previous == nil {
			continue
		}
		select {
		case <-a.previous.done:
			a.previous = nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// restarted ends a restart that succeeded. A unit that has failed again is left to its
// recovery. The restart of a unit ends an operator's hold of it; that of its service does
// not.
func (r *Recovery) restarted(m *managed, a *activity, meant bool) {
	defer r.end(m, a)
	r.mu.Lock()
	current := m.activity == a
	if current {
		m.attempts = 0
	}
	r.mu.Unlock()
	if current {
		if meant {
			m.guard.release()
		}
		m.guard.restarted()
		m.Restore("restarted by an operator")
	}
}

// restartFailed starts a recovery, of which the restart counts as the first attempt.
func (r *Recovery) restartFailed(m *managed, a *activity, err error) {
	if m.Isolated() && m.recoverable {
		r.mu.Lock()
		m.attempts = 1
		r.mu.Unlock()
		r.failed(m, restartCause, 1, err)
	} else if m.Isolated() {
		m.Fail("restart failed: " + err.Error())
	}
	r.resume(m, a)
}

// resume starts the recovery of an isolated unit.
func (r *Recovery) resume(m *managed, a *activity) {
	r.mu.Lock()
	if m.recoverable && m.Isolated() && r.ctx.Err() == nil {
		r.work.Go(func() { r.recover(m, a) })
		r.mu.Unlock()
		return
	}
	r.mu.Unlock()
	r.end(m, a)
}
