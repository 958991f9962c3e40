package performance

import (
	"math"
	"runtime/metrics"
	"sync/atomic"
	"testing"
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
	observe(t, DefaultConfig(), func() ProcessUsage { return ProcessUsage{} }, func(t *testing.T, p *Monitor) {
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
	cfg := DefaultConfig()
	cfg.Horizon = 0
	observe(t, cfg, usage, func(t *testing.T, p *Monitor) {
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
	cfg := DefaultConfig()
	observe(t, cfg, func() ProcessUsage { return ProcessUsage{} }, func(t *testing.T, p *Monitor) {
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
