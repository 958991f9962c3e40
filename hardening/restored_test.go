package hardening

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/grym-synth/grym-synth/services"
)

// TestARecoveryEndsWhereAnOperatorHasRestoredTheService restores it between two attempts,
// and after it was given up.
func TestARecoveryEndsWhereAnOperatorHasRestoredTheService(t *testing.T) {
	t.Parallel()
	for name, wait := range map[string]time.Duration{
		"between two attempts": 500 * time.Millisecond, "after it was given up": 10 * time.Second,
	} {
		synctest.Test(t, func(t *testing.T) {
			w, r, _, _ := setup(t, true)
			w.change(func() { w.loaded, w.reloadErr = false, errors.New("no file") })
			r.Trigger("echo", "", "it broke")
			time.Sleep(wait)
			require.NotEqual(t, services.StateReady, w.State(), name)
			w.takeSteps()
			w.Restore("by an operator")
			time.Sleep(5 * interval)
			require.Equal(t, "ready: by an operator", w.takeSteps(), "%s: nobody reloads it any more", name)

			w.change(func() { w.reloadErr = nil })
			r.Trigger("echo", "", "it broke again")
			synctest.Wait()
			require.Equal(t, services.StateReady, w.State(), name)
			require.Contains(t, w.takeSteps(), "ready: recovered: it broke again", "%s: the next failure is recovered", name)
		})
	}
}
