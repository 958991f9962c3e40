package hardening

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/grym-synth/grym-synth/services"
)

// TestABreakerStaysOpenWhereTheCanaryFails has a canary whose fault says nothing of the
// service, so that the breaker does not count it.
func TestABreakerStaysOpenWhereTheCanaryFails(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w, r, _, _ := setup(t, true)
		w.change(func() { w.canaryErr = services.Invalidf("file", "is odd") })
		r.Trigger("echo", "", "it broke")
		synctest.Wait()
		require.Equal(t, "open", w.guard.State())
		require.Equal(t, services.StateRecovering, w.State())
		w.change(func() { w.canaryErr = nil })
		time.Sleep(interval)
		require.Equal(t, "closed", w.guard.State())
		require.Equal(t, services.StateReady, w.State())
	})
}

func TestAHalfOpenBreakerRestoresNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w, _, _, _ := setup(t, false)
		w.guard.Trip()
		require.Equal(t, services.StateDegraded, w.State())
		w.guard.HalfOpen()
		require.Equal(t, services.StateDegraded, w.State(), "its trial calls are still to come")
		w.guard.Reset()
		require.Equal(t, services.StateReady, w.State())
	})
}
