package hardening

import (
	"math"
	"runtime/metrics"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/grym-synth/grym-synth/services"
)

// TestPercentilesAreOfWhatCameSinceTheLastLook grows a histogram, as the runtime does.
func TestPercentilesAreOfWhatCameSinceTheLastLook(t *testing.T) {
	t.Parallel()
	h := &metrics.Float64Histogram{Counts: []uint64{0, 0, 0}, Buckets: []float64{0, 1, 2, math.Inf(1)}}
	var before []uint64
	require.Zero(t, since(h, &before), "nothing was counted")
	h.Counts[1] = 1000
	require.Equal(t, 2*time.Second, since(h, &before), "the upper end of the bucket")
	require.Zero(t, since(h, &before), "nothing came since")
	h.Counts[0] += 100
	require.Equal(t, time.Second, since(h, &before), "the thousand before do not count")
	h.Counts[0] += 99
	h.Counts[1]++
	require.Equal(t, time.Second, since(h, &before), "one of a hundred is beyond")
	h.Counts[0] += 98
	h.Counts[1] += 2
	require.Equal(t, 2*time.Second, since(h, &before))
	h.Counts[2]++
	require.Equal(t, 2*time.Second, since(h, &before), "the last bucket has no upper end")
}

func TestTheWindowOfAServiceIsBounded(t *testing.T) {
	t.Parallel()
	observe(t, DefaultPerformanceConfig(), func() ProcessUsage { return ProcessUsage{} }, func(t *testing.T, p *Performance) {
		t.Helper()
		for i := range serviceTasks + 10 {
			p.TaskEnded(services.TaskEvent{Service: "echo", Ran: time.Duration(i)})
		}
		time.Sleep(6 * time.Second)
		s := p.Report().Samples[0].Services[0]
		require.Equal(t, serviceTasks, s.Tasks)
		require.Equal(t, time.Duration(10+serviceTasks/2-1), s.P50, "the latest are remembered")
	})
}

func TestAWarningNeedsSamplesInARow(t *testing.T) {
	t.Parallel()
	var resident atomic.Int64
	usage := func() ProcessUsage {
		return ProcessUsage{Resident: services.Bytes(resident.Load()), Budget: 1000 * services.MiB}
	}
	cfg := DefaultPerformanceConfig()
	cfg.Horizon = 0
	observe(t, cfg, usage, func(t *testing.T, p *Performance) {
		t.Helper()
		time.Sleep(time.Millisecond)
		for range 4 {
			resident.Store(int64(950 * services.MiB))
			time.Sleep(10 * time.Second)
			require.Empty(t, p.Report().Warnings, "two samples in a row")
			resident.Store(0)
			time.Sleep(5 * time.Second)
		}
		resident.Store(int64(950 * services.MiB))
		time.Sleep(15 * time.Second)
		require.Len(t, p.Report().Warnings, 1, "three in a row")
	})
}

func TestOtherSettingsForgetNothing(t *testing.T) {
	t.Parallel()
	cfg := DefaultPerformanceConfig()
	observe(t, cfg, func() ProcessUsage { return ProcessUsage{} }, func(t *testing.T, p *Performance) {
		t.Helper()
		p.TaskEnded(services.TaskEvent{Service: "echo"})
		time.Sleep(11 * time.Second)
		cfg.MaxLatency = time.Hour
		p.Configure(cfg)
		require.Len(t, p.Report().Samples, 2)
		time.Sleep(6 * time.Second)
		r := p.Report()
		require.Len(t, r.Samples, 3)
		require.Equal(t, 1, r.Samples[2].Services[0].Tasks)
	})
}

// TestABreakerStaysOpenWhereTheCanaryFails has a canary whose fault says nothing of the
// service, so that the breaker does not count it.
func TestABreakerStaysOpenWhereTheCanaryFails(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w, r, _, _ := clinic(t, true)
		w.change(func() { w.silent = services.Invalidf("file", "is odd") })
		r.Trigger("echo", "", "it broke")
		synctest.Wait()
		require.Equal(t, "open", w.guard.State())
		require.Equal(t, services.StateRecovering, w.State())
		w.change(func() { w.silent = nil })
		time.Sleep(interval)
		require.Equal(t, "closed", w.guard.State())
		require.Equal(t, services.StateReady, w.State())
	})
}

func TestAHalfOpenBreakerRestoresNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w, _, _, _ := clinic(t, false)
		w.guard.Trip()
		require.Equal(t, services.StateDegraded, w.State())
		w.guard.HalfOpen()
		require.Equal(t, services.StateDegraded, w.State(), "its trial calls are still to come")
		w.guard.Reset()
		require.Equal(t, services.StateReady, w.State())
	})
}
