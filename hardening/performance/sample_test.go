package performance

import (
	"log/slog"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"github.com/grym-synth/grym-synth/internal/lifecycle"
	"github.com/grym-synth/grym-synth/internal/lifecycle/lifecycletest"
)

// TestPercentilesOfShuffledLatencies has latencies whose nearest ranks are known:
// the n-th of a hundred is n milliseconds.
func TestPercentilesOfShuffledLatencies(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(1, 2))
	for _, c := range []struct{ tasks, p50, p95, p99 int }{
		{1, 1, 1, 1}, {2, 1, 2, 2}, {3, 2, 3, 3}, {20, 10, 19, 20},
		{21, 11, 20, 21}, {100, 50, 95, 99}, {101, 51, 96, 100}, {1000, 500, 950, 990},
	} {
		for range 5 {
			window := []ended{{took: time.Hour, failed: true}}
			for _, i := range random.Perm(c.tasks) {
				window = append(window, ended{took: time.Duration(i+1) * time.Millisecond})
			}
			s := sampleService("echo", slices.Values(window), time.Time{})
			require.Equal(t, c.tasks+1, s.Tasks)
			require.Equal(t, 1, s.Failed)
			for name, q := range map[string][2]time.Duration{
				"P50": {time.Duration(c.p50), s.P50}, "P95": {time.Duration(c.p95), s.P95}, "P99": {time.Duration(c.p99), s.P99},
			} {
				require.Equal(t, q[0]*time.Millisecond, q[1], "%s of %d", name, c.tasks)
			}
		}
	}
	require.Equal(t, ServiceSample{Name: "echo", Tasks: 1, Failed: 1, PerSecond: 1.0 / 60},
		sampleService("echo", slices.Values([]ended{{took: time.Hour, failed: true}}), time.Time{}))
}

func TestTheMonitorStartsOnceAndStops(t *testing.T) {
	t.Parallel()
	lifecycletest.Stress(t, 20, func(*testing.T) lifecycle.Part {
		return New(DefaultConfig(), Dependencies{
			Usage: func() ProcessUsage { return ProcessUsage{} }, Metrics: prometheus.NewRegistry(), Log: slog.New(slog.DiscardHandler),
		})
	})
}
