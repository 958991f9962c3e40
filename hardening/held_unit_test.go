package hardening_test

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/grym-synth/grym-synth/services"
)

// last returns the latest step of the service's life.
func (b *bench) last() services.Transition {
	events := b.entry.Events()
	return events[len(events)-1]
}

// TestAnOperatorsOpenBreakerHolds opens the breakers of a service and of a model of it while
// recovery and health checks are on.
func TestAnOperatorsOpenBreakerHolds(t *testing.T) {
	t.Parallel()
	for _, model := range []string{"", "second"} {
		synctest.Test(t, func(t *testing.T) {
			s := &several{cut: make(map[string]bool)}
			b := newBench(t, s, true)
			require.NoError(t, b.run("first"))
			require.NoError(t, b.run("second"))
			unit, other := b.entry.Unit, "second"
			if model != "" {
				unit, other = b.entry.Units()[0], "first"
			}
			require.NoError(t, b.entry.OpenBreaker(model, "maintenance"))
			held := func(when string) {
				t.Helper()
				require.ErrorContains(t, b.run(model), "taken out of service by an operator: maintenance", when)
				require.Equal(t, services.StateDegraded, unit.State(), when)
				require.Equal(t, "an operator has opened its circuit breaker: maintenance", unit.Status().LastError, when)
				require.NoError(t, b.run(other), when)
			}
			held("at once")
			time.Sleep(3 * interval)
			held("later")
			b.recovery.Trigger("echo", model, "it broke")
			time.Sleep(interval)
			held("after a recovery")
			require.NoError(t, b.entry.Unload(t.Context(), ""))
			require.NoError(t, b.run(other))
			require.ErrorContains(t, b.run(model), "maintenance")

			require.NoError(t, b.entry.ResetBreaker(model))
			require.NoError(t, b.run(model))
			require.Equal(t, services.StateReady, unit.State())
		})
	}
}

// TestAResetEndsARecovery resets the breaker of a service that recovery has given up on,
// and of one that works.
func TestAResetEndsARecovery(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &single{}
		b := newBench(t, s, true)
		require.NoError(t, b.run(""))
		before := len(b.entry.Events())
		require.NoError(t, b.entry.ResetBreaker(""))
		require.Len(t, b.entry.Events(), before, "nothing has changed")

		s.change(func() { s.broken = errCut })
		for range 2 {
			require.Error(t, b.run(""))
		}
		time.Sleep(time.Minute)
		require.Equal(t, services.StateUnavailable, b.entry.State())
		s.change(func() { s.broken = nil })
		require.NoError(t, b.entry.ResetBreaker(""))
		require.Equal(t, "an operator has reset its circuit breaker", b.last().Cause)
		require.NoError(t, b.run(""))
		require.Equal(t, services.HealthUnproven, b.guard.Health().Status)
		starts := s.starts
		time.Sleep(10 * interval)
		require.Equal(t, services.StateReady, b.entry.State())
		require.LessOrEqual(t, s.starts, starts+1, "the recovery has ended")
	})
}

// TestAHeldServiceThatStartsIsNotReady has an operator open the breaker before the start.
func TestAHeldServiceThatStartsIsNotReady(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, &single{}, true)
		require.NoError(t, b.entry.OpenBreaker("", ""))
		require.Equal(t, services.StateRegistered, b.entry.State())
		require.ErrorContains(t, b.run(""), "taken out of service by an operator")
		require.NoError(t, b.entry.Initialize(t.Context()))
		require.Equal(t, services.StateDegraded, b.entry.State())
		require.NoError(t, b.entry.ResetBreaker(""))
		require.Equal(t, services.StateReady, b.entry.State())
	})
}

// TestATaskThatFailsBeforeItRunsCounts has tasks that cannot be prepared, by their own fault
// or by that of the service.
func TestATaskThatFailsBeforeItRunsCounts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &several{}
		b := newBench(t, s, true)
		require.NoError(t, b.run("second"))
		second := b.entry.Units()[0]
		s.change(func() { s.unread = services.Invalidf("file", "is odd") })
		for range 10 {
			require.Error(t, b.run("second"))
		}
		require.Equal(t, services.HealthHealthy, second.Guard.Health().Status)
		s.change(func() { s.unread = services.Internal(errors.New("no file"), "it cannot be read") })
		for range 3 {
			require.Error(t, b.run("second"))
		}
		require.Equal(t, services.HealthDegraded, second.Guard.Health().Status, "3 of 4")
		require.Error(t, b.run("second"))
		require.Equal(t, services.HealthFailing, second.Guard.Health().Status)
		require.Equal(t, services.HealthHealthy, b.guard.Health().Status)
		require.Error(t, b.run(""))
		require.Equal(t, 1, b.guard.Health().Failed)
	})
}
