package performance

import (
	"errors"
	"log/slog"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/require"

	"github.com/grym-synth/grym-synth/services"
)

// observe runs a performance monitor on a fake clock over scripted figures.
func observe(t *testing.T, cfg Config, usage func() ProcessUsage, body func(t *testing.T, p *Monitor)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		p := New(cfg, Dependencies{Usage: usage, Metrics: prometheus.NewRegistry(), Log: slog.New(slog.DiscardHandler)})
		p.Watch("echo")
		require.NoError(t, p.Start(t.Context()))
		body(t, p)
		require.NoError(t, p.Stop(t.Context()))
	})
}

func TestSamplesHaveTheLastMinuteOfEachService(t *testing.T) {
	t.Parallel()
	cpu := time.Duration(0)
	usage := func() ProcessUsage {
		cpu += 10 * time.Second // in five: two cores
		return ProcessUsage{CPU: cpu, Resident: services.GiB, Budget: 4 * services.GiB, FileDescriptors: 7, Waiting: 3}
	}
	observe(t, DefaultConfig(), usage, func(t *testing.T, p *Monitor) {
		t.Helper()
		for i := range 100 {
			p.TaskEnded(services.TaskEvent{Service: "echo", Queued: time.Millisecond, Ran: time.Duration(i) * time.Millisecond})
		}
		p.TaskEnded(services.TaskEvent{Service: "echo", Err: errors.New("broken"), Ran: time.Hour})
		p.TaskEnded(services.TaskEvent{Service: "made up"})
		time.Sleep(11 * time.Second)
		r := p.Report()
		require.Len(t, r.Samples, 2)
		s := r.Samples[1]
		require.InDelta(t, 2, s.CPU, 1e-9)
		require.Equal(t, services.GiB, s.Resident)
		require.Equal(t, 7, s.FileDescriptors)
		require.Equal(t, 3, s.Waiting)
		require.Positive(t, s.Goroutines)
		require.Positive(t, s.Heap)
		require.Equal(t, []ServiceSample{{
			Name: "echo", Tasks: 101, Failed: 1, PerSecond: 101.0 / 60,
			P50: 50 * time.Millisecond, P95: 95 * time.Millisecond, P99: 99 * time.Millisecond,
		}}, s.Services)
		time.Sleep(time.Minute)
		r = p.Report()
		require.Equal(t, ServiceSample{Name: "echo"}, r.Samples[len(r.Samples)-1].Services[0], "a minute later it is forgotten")
		time.Sleep(time.Hour)
		require.Len(t, p.Report().Samples, 360)
	})
}

func TestAWarningBeginsAfterSomeSamplesAndEndsWithItsCause(t *testing.T) {
	t.Parallel()
	var resident atomic.Int64
	resident.Store(int64(950 * services.MiB))
	usage := func() ProcessUsage {
		return ProcessUsage{Resident: services.Bytes(resident.Load()), Budget: 1000 * services.MiB}
	}
	observe(t, DefaultConfig(), usage, func(t *testing.T, p *Monitor) {
		t.Helper()
		time.Sleep(11 * time.Second)
		require.Empty(t, p.Report().Warnings, "two samples")
		time.Sleep(5 * time.Second)
		warnings := p.Report().Warnings
		require.Len(t, warnings, 1)
		require.Equal(t, "memory", warnings[0].Name)
		require.Equal(t, "950.0 MiB are resident, the threshold is 900.0 MiB", warnings[0].Detail)
		require.InDelta(t, 1, testutil.ToFloat64(p.active.WithLabelValues("memory")), 0)
		resident.Store(int64(10 * services.MiB))
		time.Sleep(5 * time.Second)
		r := p.Report()
		require.Empty(t, r.Warnings)
		require.Len(t, r.Over, 1)
		require.Equal(t, 5*time.Second, r.Over[0].Until.Sub(r.Over[0].Since))
		require.InDelta(t, 0, testutil.ToFloat64(p.active.WithLabelValues("memory")), 0)
		require.InDelta(t, 1, testutil.ToFloat64(p.total.WithLabelValues("memory")), 0)
	})
}

func TestSlowTasksGiveAWarning(t *testing.T) {
	t.Parallel()
	cfg := DefaultConfig()
	cfg.MaxLatency, cfg.Sustain = time.Second, 1
	observe(t, cfg, func() ProcessUsage { return ProcessUsage{} }, func(t *testing.T, p *Monitor) {
		t.Helper()
		p.TaskEnded(services.TaskEvent{Service: "echo", Queued: 2 * time.Second})
		time.Sleep(6 * time.Second)
		require.Equal(t, "latency/echo", p.Report().Warnings[0].Name)
	})
}

func TestGrowthIsForecastAndTheForecastIsMeasured(t *testing.T) {
	t.Parallel()
	var resident atomic.Int64
	resident.Store(int64(600 * services.MiB))
	usage := func() ProcessUsage {
		grown := resident.Add(int64(services.MiB)) // every five seconds: 12 MiB a minute
		return ProcessUsage{Resident: services.Bytes(grown), Budget: 700 * services.MiB}
	}
	cfg := DefaultConfig()
	cfg.MaxMemory = 0
	observe(t, cfg, usage, func(t *testing.T, p *Monitor) {
		t.Helper()
		time.Sleep(121 * time.Second)
		r := p.Report()
		require.True(t, r.Memory.Known)
		require.InEpsilon(t, float64(services.MiB)/5, r.Memory.BytesPerSecond, 1e-4)
		require.InEpsilon(t, float64(resident.Load()+int64(12*services.MiB)), r.Memory.Bytes, 1e-4)
		require.InEpsilon(t, (76 * 5 * time.Second).Seconds(), r.Memory.FullIn.Seconds(), 1e-4)
		require.Equal(t, "memoryTrend", r.Warnings[0].Name)
		require.Positive(t, r.Memory.Compared)
		require.InDelta(t, 0, r.Memory.MeanError, float64(services.MiB)/10, "a straight line is forecast almost exactly")
	})
}

func TestTheMonitorIsSwitchedLive(t *testing.T) {
	t.Parallel()
	cfg := DefaultConfig()
	cfg.Enabled = false
	observe(t, cfg, func() ProcessUsage { return ProcessUsage{} }, func(t *testing.T, p *Monitor) {
		t.Helper()
		time.Sleep(time.Minute)
		require.Empty(t, p.Report().Samples, "off")
		cfg.Enabled, cfg.CheckInterval = true, time.Second
		p.Configure(cfg)
		time.Sleep(10*time.Second + time.Millisecond)
		require.Len(t, p.Report().Samples, 10)
		cfg.Enabled = false
		p.Configure(cfg)
		time.Sleep(time.Minute)
		require.Empty(t, p.Report().Samples)
	})
}

func TestEachSampleIsPassedOnWithWhatIsExpected(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		cfg := DefaultConfig()
		cfg.CheckInterval = time.Second
		var passed []services.Bytes
		var p *Monitor
		p = New(cfg, Dependencies{
			Usage: func() ProcessUsage { return ProcessUsage{Resident: services.Bytes(len(passed) + 1)} },
			Sampled: func(latest Sample, expected []Forecast) {
				passed = append(passed, latest.Resident)
				require.Len(t, p.Report().Samples, len(passed), "no lock is held")
				require.Equal(t, SeriesMemory, expected[0].Series)
			},
			Metrics: prometheus.NewRegistry(), Log: slog.New(slog.DiscardHandler),
		})
		require.NoError(t, p.Start(t.Context()))
		time.Sleep(3*time.Second + time.Millisecond)
		cfg.Enabled = false
		p.Configure(cfg)
		time.Sleep(time.Minute)
		require.NoError(t, p.Stop(t.Context()))
		require.Equal(t, []services.Bytes{1, 2, 3}, passed)
	})
}
