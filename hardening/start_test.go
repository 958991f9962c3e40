package hardening_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/grym-synth/grym-synth/services"
)

// TestAFailureDuringAStartDoesNotBlock makes a starting service unavailable: the
// observer of its steps triggers a recovery from within the step.
func TestAFailureDuringAStartDoesNotBlock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &single{}
		b := newBench(t, s, true)
		require.NoError(t, b.run(""))
		for range 3 {
			b.recovery.Trigger("echo", "", "it flaps")
			time.Sleep(5 * time.Second)
			require.Equal(t, services.StateReady, b.entry.State())
		}
		s.change(func() { s.slow = 10 * time.Second })
		require.NoError(t, b.entry.Unload(t.Context(), ""))
		ended := make(chan error, 1)
		go func() { ended <- b.run("") }()
		synctest.Wait()
		require.Equal(t, services.StateInitializing, b.entry.State())
		b.recovery.Trigger("echo", "", "it flaps")
		require.Equal(t, services.StateUnavailable, b.entry.State())
		require.Equal(t, services.KindUnavailable, services.KindOf(<-ended), "the start does not restore it")
		time.Sleep(2 * interval)
		require.Equal(t, services.StateReady, b.entry.State())
		require.NoError(t, b.run(""))
	})
}
