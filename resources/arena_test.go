package resources

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/grym-synth/grym-synth/services"
)

func onModel(bytes services.Bytes) services.Claim {
	return services.Claim{Service: "echo", Model: "tiny", Bytes: bytes}
}

// load makes the model resident with a first run of 50 MiB, 20 of them weights.
func load(t *testing.T, m *Manager, evict func(context.Context) error) services.Resident {
	t.Helper()
	lease := acquire(t, m, onModel(50*mb))
	resident := m.Hold(services.WithLease(t.Context(), lease), "echo", "tiny", 20*mb, evict)
	lease.Release()
	return resident
}

func TestWhatARunLeavesBehindIsUsedByTheNext(t *testing.T) {
	t.Parallel()
	m := newManager()
	resident := load(t, m, nil)
	// 50 less the weights, less the half of them that only the load needed.
	require.Equal(t, Usage{Budget: 100 * mb, Resident: 20 * mb, Retained: 20 * mb}, totals(m))
	small := acquire(t, m, onModel(5*mb))
	require.Equal(t, Usage{Budget: 100 * mb, Leased: 5 * mb, Resident: 20 * mb, Retained: 15 * mb, Running: 1}, totals(m))
	large := acquire(t, m, onModel(60*mb))
	require.Equal(t, Usage{Budget: 100 * mb, Leased: 65 * mb, Resident: 20 * mb, Running: 2}, totals(m))
	small.Release()
	large.Release()
	require.Equal(t, 65*mb, totals(m).Retained, "the most that ran at once")
	resident.Release()
	require.Equal(t, Usage{Budget: 100 * mb}, totals(m), "unloading gives it back")
}

func TestATaskNeedsItsLoadedModelToo(t *testing.T) {
	t.Parallel()
	m := newManager()
	load(t, m, func(context.Context) error { return errors.New("must not be asked") })
	_, err := m.Acquire(t.Context(), onModel(90*mb))
	require.Equal(t, services.KindTooLarge, services.KindOf(err))
	require.ErrorContains(t, err, "110.0 MiB")
	acquire(t, m, onModel(80*mb)).Release()
}

func TestMemoryThatIsLeftBehindCanBeEvicted(t *testing.T) {
	t.Parallel()
	m := newManager()
	var resident services.Resident
	resident = load(t, m, func(context.Context) error { resident.Release(); return nil })
	lease := acquire(t, m, services.Claim{Service: "small", Model: "other", Bytes: 40 * mb})
	require.Equal(t, 40*mb, totals(m).Leased)
	other := acquire(t, m, services.Claim{Service: "echo", Model: "third", Bytes: 60 * mb})
	require.Zero(t, totals(m).Resident, "20 of weights and 20 left behind made room")
	lease.Release()
	other.Release()
	require.NoError(t, m.Stop(context.Background()))
}

func TestAFailedUnloadThatGaveItsMemoryBackIsAnEviction(t *testing.T) {
	t.Parallel()
	m := newManager()
	var first services.Resident
	first = m.Hold(t.Context(), "echo", "broken", 30*mb, func(context.Context) error { first.Release(); return errors.New("close failed") })
	second := m.Hold(t.Context(), "echo", "fine", 30*mb, func(context.Context) error { return errors.New("must not be asked") })
	acquire(t, m, request(60*mb)).Release()
	require.NoError(t, m.Stop(context.Background()))
	require.Equal(t, 30*mb, totals(m).Resident)
	second.Release()
}

func TestIdleModelsEndWithTheirKeepAliveTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newManager()
		m.Limit("echo", ServiceLimit{MaxMemory: 100 * mb, Runs: 2, KeepAlive: 10 * time.Minute})
		var resident services.Resident
		resident = load(t, m, func(context.Context) error { resident.Release(); return nil })
		require.NoError(t, m.Start(t.Context()))
		time.Sleep(9 * time.Minute)
		resident.Touch()
		time.Sleep(9 * time.Minute)
		require.Equal(t, 20*mb, totals(m).Resident)
		lease := acquire(t, m, onModel(mb))
		time.Sleep(5 * time.Minute)
		require.Equal(t, []Resource{{
			ID: "echo/tiny", Type: "model", Service: "echo", Name: "tiny", Bytes: 20 * mb, Retained: 20 * mb,
			Status: StatusBusy, Created: m.residents[0].created, LastUsed: m.residents[0].lastUsed,
		}}, m.Inventory(), "in use beyond its time")
		lease.Release()
		time.Sleep(2 * time.Minute)
		require.Empty(t, m.Inventory())
		done := m.Usage().Cleanups
		require.Equal(t, uint64(1), done.Models)
		require.Equal(t, 40*mb, done.Bytes)
		require.GreaterOrEqual(t, done.Runs, uint64(24))
		require.NoError(t, m.Stop(t.Context()))
	})
}

func TestALeaseThatEndsWhileItWaitsForItsSlotKeepsNone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newManager()
		lease := acquire(t, m, services.Claim{Service: "small", Bytes: mb})
		order := make(chan string, 1)
		queued(t, m, order, "first", services.Claim{Service: "small", Bytes: mb, Priority: services.PriorityHigh})
		yielded := make(chan error)
		go func() { yielded <- lease.Yield(t.Context()) }()
		synctest.Wait()
		lease.Release()
		require.NoError(t, <-yielded)
		synctest.Wait()
		require.Zero(t, m.Usage().Running)
	})
}

func TestWhoYieldedGetsItsSlotBackFromAClosingManager(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newManager()
		lease := acquire(t, m, services.Claim{Service: "small", Bytes: mb})
		go func() {
			other, err := m.Acquire(context.Background(), services.Claim{Service: "small", Bytes: mb, Priority: services.PriorityHigh})
			if err == nil {
				time.Sleep(time.Second)
				other.Release()
			}
		}()
		synctest.Wait()
		yielded := make(chan error)
		go func() { yielded <- lease.Yield(context.Background()) }()
		synctest.Wait()
		_, held := lease.Slot()
		require.False(t, held, "its slot is another's")
		time.Sleep(time.Millisecond)
		require.NoError(t, m.Stop(context.Background()))
		require.NoError(t, <-yielded)
		granted, held := lease.Slot()
		require.True(t, held)
		require.Equal(t, time.Now(), granted, "since it came back")
		lease.Release()
		time.Sleep(time.Second)
		synctest.Wait()
		require.Zero(t, m.Usage().Running)
	})
}
