package resources

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/grym-synth/grym-synth/services"
)

// TestModelsStayForTheirKeepAliveTime looks at idle models just before, at and just after
// the end of their time.
func TestModelsStayForTheirKeepAliveTime(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		keepAlive, idle time.Duration
		stays           bool
	}{
		"just before":       {10 * time.Minute, 10*time.Minute - 1, true},
		"at":                {10 * time.Minute, 10 * time.Minute, true},
		"just after":        {10 * time.Minute, 10*time.Minute + 1, false},
		"without a time":    {0, 1000 * time.Hour, true},
		"the shortest time": {1, 2, false},
	} {
		synctest.Test(t, func(t *testing.T) {
			m := newManager()
			m.Limit("echo", ServiceLimit{MaxMemory: 100 * mb, Runs: 2, KeepAlive: c.keepAlive})
			var resident services.Resident
			resident = load(t, m, func(context.Context) error { resident.Release(); return nil })
			time.Sleep(time.Hour)
			resident.Touch()
			time.Sleep(c.idle)
			m.Cleanup()
			require.Equal(t, c.stays, len(m.Inventory()) == 1, name)
		})
	}
}

// TestAModelInSteadyUseStays has uses that are further apart than looks, and closer than
// the keep-alive time.
func TestAModelInSteadyUseStays(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := newManager()
		m.Limit("echo", ServiceLimit{MaxMemory: 100 * mb, Runs: 2, KeepAlive: 10 * time.Minute})
		var evicted atomic.Int64
		var resident services.Resident
		resident = load(t, m, func(context.Context) error { evicted.Add(1); resident.Release(); return nil })
		require.NoError(t, m.Start(t.Context()))
		for range 24 {
			time.Sleep(9 * time.Minute)
			resident.Touch()
			require.Zero(t, evicted.Load())
		}
		time.Sleep(12 * time.Minute)
		require.Equal(t, int64(1), evicted.Load(), "nobody uses it any more")
		require.NoError(t, m.Stop(t.Context()))
	})
}
