package performance

import (
	"log/slog"
	"maps"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"github.com/grym-synth/grym-synth/services"
)

// TestAThresholdIsPassedAboveIt has samples at each threshold, and just beyond one of
// them.
func TestAThresholdIsPassedAboveIt(t *testing.T) {
	t.Parallel()
	const budget = 1000 * services.MiB
	cfg := Config{
		MaxCPU: 0.5, MaxMemory: 0.75, MaxLatency: time.Second, MaxSchedulingLatency: time.Millisecond, MaxGoroutines: 100, Horizon: time.Minute,
	}
	cores := float64(runtime.NumCPU())
	type state struct {
		Sample
		forecast MemoryForecast
	}
	at := func() state {
		s := state{Sample: Sample{CPU: cores / 2, Resident: 750 * services.MiB, SchedulingP99: time.Millisecond, Goroutines: 100}}
		s.Services = []ServiceSample{{Name: "echo", P95: time.Second, P99: time.Hour}, {Name: "other"}}
		s.forecast = MemoryForecast{Known: true, BytesPerSecond: 1000, FullIn: time.Minute + 1}
		return s
	}
	for name, beyond := range map[string]func(*state){
		"":             func(*state) {},
		"cpu":          func(s *state) { s.CPU += 0.001 },
		"memory":       func(s *state) { s.Resident++ },
		"memoryTrend":  func(s *state) { s.forecast.FullIn = time.Minute },
		"scheduling":   func(s *state) { s.SchedulingP99++ },
		"goroutines":   func(s *state) { s.Goroutines++ },
		"latency/echo": func(s *state) { s.Services[0].P95++ },
	} {
		s := at()
		beyond(&s)
		p := New(cfg, Dependencies{Metrics: prometheus.NewRegistry(), Log: slog.New(slog.DiscardHandler)})
		p.budget, p.memory = budget, s.forecast
		wrong := p.beyondThresholds(s.Sample)
		if name == "" {
			require.Empty(t, wrong, "at its thresholds")
		} else {
			require.Equal(t, []string{name}, slices.Collect(maps.Keys(wrong)))
			require.NotEmpty(t, wrong[name])
		}

		p.cfg = Config{}
		require.Empty(t, p.beyondThresholds(s.Sample), "there are no thresholds")
	}

	p := New(cfg, Dependencies{Metrics: prometheus.NewRegistry(), Log: slog.New(slog.DiscardHandler)})
	p.budget, p.memory = budget, MemoryForecast{FullIn: time.Second}
	require.Empty(t, p.beyondThresholds(Sample{Resident: budget / 2}), "what a start allocates is no trend")
	require.NotEmpty(t, p.beyondThresholds(Sample{Resident: budget/2 + 1}))
	p.memory = MemoryForecast{}
	require.Empty(t, p.beyondThresholds(Sample{Resident: budget/2 + 1}), "it does not grow")
}
