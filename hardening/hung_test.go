package hardening

import (
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"github.com/grym-synth/grym-synth/internal/lifecycle"
	"github.com/grym-synth/grym-synth/internal/lifecycle/lifecycletest"
	"github.com/grym-synth/grym-synth/services"
)

// TestAHungRunIsSeenAmongLivelyOnes has the hung run in each place of the list.
func TestAHungRunIsSeenAmongLivelyOnes(t *testing.T) {
	t.Parallel()
	for place := range 3 {
		synctest.Test(t, func(t *testing.T) {
			w, _, m, _ := setup(t, true)
			at := time.Now()
			for range interval / time.Second {
				w.change(func() {
					w.runs = make([]services.Run, 3)
					for i := range w.runs {
						w.runs[i] = services.Run{Task: string(rune('a' + i)), Progressed: time.Now()}
					}
					w.runs[place].Task, w.runs[place].Progressed = "hung", at
				})
				time.Sleep(time.Second)
			}
			require.Equal(t, services.StateDegraded, w.State(), "place %d", place)
			check := m.Checks("echo", "")[0]
			require.False(t, check.OK)
			require.Contains(t, check.Detail, "task hung has shown no sign of life")
		})
	}
}

func TestTheMonitorStartsOnceAndStops(t *testing.T) {
	t.Parallel()
	lifecycletest.Stress(t, 20, func(*testing.T) lifecycle.Part {
		reg, log := prometheus.NewRegistry(), slog.New(slog.DiscardHandler)
		r := NewRecovery(DefaultRecoveryConfig(), interval, 2, reg, log)
		return NewMonitor(MonitorConfig{Enabled: true, CheckInterval: interval, StallTimeout: time.Minute}, r, nil, reg, log)
	})
}
