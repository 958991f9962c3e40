package hardening

import (
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"github.com/grym-synth/grym-synth/internal/lifecycle"
	"github.com/grym-synth/grym-synth/internal/lifecycle/lifecycletest"
	"github.com/grym-synth/grym-synth/services"
)

// TestAHungRunIsSeenAndStoppedAmongLivelyOnes has the hung run in each place of the list.
func TestAHungRunIsSeenAndStoppedAmongLivelyOnes(t *testing.T) {
	t.Parallel()
	for place := range 3 {
		synctest.Test(t, func(t *testing.T) {
			w, _, m, _ := setup(t, true)
			w.change(func() {
				w.runs = []services.Run{{Task: "a", Progressed: time.Now()}, {Task: "b", Progressed: time.Now()}, {Task: "c", Progressed: time.Now()}}
				w.runs[place].Task = "hung"
			})
			pass := func(d time.Duration) {
				for range d / time.Second {
					time.Sleep(time.Second)
					w.change(func() {
						for i := range w.runs {
							if i != place {
								w.runs[i].Progressed = time.Now()
							}
						}
					})
				}
			}
			pass(interval)
			require.Equal(t, services.StateDegraded, w.State(), "place %d", place)
			check := m.Checks("echo", "")[0]
			require.False(t, check.OK)
			require.Contains(t, check.Detail, "task hung has shown no sign of life")
			pass(2*time.Minute + 5*time.Second - interval)
			for i, run := range w.Runs() {
				require.Equal(t, i == place, run.Stopped, "only the hung run is stopped, and that in place %d", place)
			}
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

// TestAUnitIsIsolatedBeforeItsHungRunIsStopped requires that no task gets in between.
func TestAUnitIsIsolatedBeforeItsHungRunIsStopped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, _, _, _ := setup(t, true)
		w.change(func() { w.runs = []services.Run{{Task: "7", Name: "say", Progressed: time.Now()}} })
		time.Sleep(2*time.Minute + 5*time.Second)
		steps := w.takeSteps()
		isolated, stopped := strings.Index(steps, "recovering: task 7"), strings.Index(steps, "stop 7")
		require.Positive(t, isolated, steps)
		require.Greater(t, stopped, isolated, steps)
	})
}
