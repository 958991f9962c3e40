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

func TestALeaseThatIsReleasedTwiceEndsOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := newManager()
		first, second := acquire(t, m, request(60*mb)), acquire(t, m, request(30*mb))
		time.Sleep(time.Second)
		for range 3 {
			first.Release()
			require.Equal(t, Usage{Budget: 100 * mb, Leased: 30 * mb, Running: 1}, totals(m))
			require.Equal(t, uint64(1), m.Patterns()["echo"].Leases)
		}
		second.Release()
		require.Equal(t, Usage{Budget: 100 * mb}, totals(m))
	})
}

// TestMemoryThatAServiceGivesBackIsSharedOut has a task that waits for the memory of a
// model in use.
func TestMemoryThatAServiceGivesBackIsSharedOut(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := newManager()
		resident := m.Hold(t.Context(), "small", "busy", 20*mb, func(context.Context) error { return services.ErrInUse })
		order := make(chan string, 1)
		queued(t, m, order, "large", request(90*mb))
		require.Empty(t, order)
		resident.Release()
		synctest.Wait()
		require.Len(t, order, 1)
		require.Equal(t, "large", <-order)
	})
}

// TestOneEvictionRunsAtATime asks for memory again and again while a model is unloaded.
func TestOneEvictionRunsAtATime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := newManager()
		var evictions atomic.Int64
		var resident services.Resident
		resident = m.Hold(t.Context(), "small", "idle", 20*mb, func(context.Context) error {
			evictions.Add(1)
			time.Sleep(time.Minute)
			resident.Release()
			return nil
		})
		order := make(chan string, 2)
		queued(t, m, order, "first", request(90*mb))
		queued(t, m, order, "second", request(90*mb))
		time.Sleep(time.Second)
		require.Equal(t, int64(1), evictions.Load())
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		require.Equal(t, int64(1), evictions.Load())
		require.Equal(t, "first", <-order)
		require.Equal(t, "second", <-order)
		require.NoError(t, m.Stop(context.Background()))
	})
}

func TestWithoutALimitNothingIsOverdrawn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := managerOf(DefaultConfig(), Dependencies{Probe: &holder{held: 80 * mb}})
		time.Sleep(time.Second)
		lease := acquire(t, m, request(90*mb))
		require.Equal(t, 90*mb, lease.Bytes())
		lease.Release()
	})
}
