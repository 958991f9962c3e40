package hardening

import (
	"context"
	"time"

	"github.com/grym-synth/grym-synth/services"
)

// delay returns how long to wait before the next attempt: not before the first, longer
// before each further one, and at least a whole interval once the unit is unavailable. If
// tasks have failed after the latest attempts, it is then tried once the window of their
// outcomes is empty. The caller holds mu.
func (r *Recovery) delay(m *managed) time.Duration {
	attempt := m.attempts + 1
	switch {
	case attempt == 1:
		return 0
	case attempt <= r.cfg.MaxAttempts:
		return min(r.cfg.Delay<<min(attempt-2, 16), r.cfg.MaxDelay)
	default:
		return r.interval
	}
}

// schedule sets when the next attempt begins. It returns how long it takes until the
// attempt has ended, if that takes as long as the latest one. The caller holds mu.
func (r *Recovery) schedule(m *managed) time.Duration {
	delay := r.delay(m)
	m.due = time.Now().Add(delay)
	return delay + m.took
}

// pause waits until the next attempt begins. It returns false if ctx has ended.
func (r *Recovery) pause(ctx context.Context, m *managed) bool {
	r.mu.Lock()
	wait := time.Until(m.due)
	r.mu.Unlock()
	if wait <= 0 {
		return ctx.Err() == nil
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// healthy reports whether the unit is degraded and neither its breaker nor the outcomes of
// its tasks speak against it.
func (r *Recovery) healthy(unit Unit) bool {
	m := r.managed(unit)
	return m != nil && unit.State() == services.StateDegraded && !m.guard.refusing() && m.guard.Health().Status != services.HealthFailing
}

// review lets the health of a unit follow the time that has passed. works reports whether
// a failing unit may be tried again once its window is empty.
func (r *Recovery) review(unit Unit, works bool) {
	if m := r.managed(unit); m != nil {
		_, refusing := m.guard.breaker.refusing()
		m.guard.health.review(works && !refusing && !unit.Isolated())
	}
}

// idle reports whether no task of the unit has ended for so long.
func (r *Recovery) idle(unit Unit, long time.Duration) bool {
	m := r.managed(unit)
	return m == nil || m.guard.health.idle(long)
}

// managed returns the entry of a unit, or nil.
func (r *Recovery) managed(unit Unit) *managed {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.units[keyOf(unit)]
}
