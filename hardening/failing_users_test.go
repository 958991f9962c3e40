package hardening

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/require"

	"github.com/grym-synth/grym-synth/services"
)

// newUsers returns a unit with a guard of the default settings unless changed, under recovery and health
// checks, or, if unattended, under neither.
func newUsers(t *testing.T, unattended bool, change ...func(*Config)) (*fakeUnit, *Recovery) {
	t.Helper()
	reg, log := prometheus.NewRegistry(), slog.New(slog.DiscardHandler)
	w, cfg, recovery := newFakeUnit(), DefaultConfig(), DefaultRecoveryConfig()
	for _, f := range change {
		f(&cfg)
	}
	recovery.Enabled = !unattended
	r := NewRecovery(recovery, interval, cfg.Breaker.Trials, reg, log)
	w.guard = NewGuard("echo", 1, cfg, r.BreakerChanged, NewGuardMetrics(reg), log)
	m := NewMonitor(MonitorConfig{Enabled: !unattended, CheckInterval: interval, StallTimeout: 2 * time.Minute}, r, nil, reg, log)
	r.Watch(w, w.guard, true)
	m.Watch(w)
	require.NoError(t, m.Start(context.Background()))
	t.Cleanup(func() {
		require.NoError(t, m.Stop(context.Background()))
		require.NoError(t, r.Stop(context.Background()))
	})
	return w, r
}

// use runs a task with an outcome as a registry does, and reports whether it ran.
func (w *fakeUnit) use(outcome error) (ran bool) {
	if w.Isolated() {
		return false
	}
	_ = w.guard.Do(context.Background(), func(context.Context) error { ran = true; return outcome })
	if ran && outcome == nil {
		w.change(func() { w.success = time.Now() })
	}
	return ran
}

// remaining returns for how long the unit was isolated.
func (w *fakeUnit) remaining() (remains time.Duration) {
	w.change(func() { remains = w.remains })
	return remains
}

// status returns the health as an operator sees it.
func (w *fakeUnit) status() services.HealthStatus { return w.guard.Health().Status }

// problem returns the problem of the unit as the probes see it.
func (w *fakeUnit) problem() string {
	_, open := w.guard.Open()
	return ServiceHealth{Name: "echo", Status: w.Status(), BreakerOpen: open, Health: w.guard.Health()}.Problem()
}

// TestAModelWhoseUsersFailIsNotHealthy has users who fail at different intervals, while
// every canary succeeds, and then no users at all.
func TestAModelWhoseUsersFailIsNotHealthy(t *testing.T) {
	t.Parallel()
	for _, spacing := range []time.Duration{time.Second, 7 * time.Second, 9 * time.Second, 31 * time.Second, time.Minute, 2 * time.Minute,
		20 * time.Minute} {
		for _, unattended := range []bool{false, true} {
			synctest.Test(t, func(t *testing.T) {
				w, _ := newUsers(t, unattended)
				time.Sleep(time.Second)
				seen := make(map[services.HealthStatus]time.Duration)
				failed, asked := 0, 0
				for ; asked < 60; asked++ {
					if w.use(errService) {
						failed++
					}
					for range spacing / time.Second {
						synctest.Wait()
						if asked >= 5 {
							seen[w.status()] += time.Second
							if w.status() == services.HealthFailing {
								require.NotEmpty(t, w.problem())
							}
						}
						time.Sleep(time.Second)
					}
				}
				t.Logf("every %s, unattended %t: %d of %d ran and failed, %v", spacing, unattended, failed, asked, seen)
				require.Zero(t, seen[services.HealthHealthy], spacing)
				require.Zero(t, seen[services.HealthDegraded], spacing)
				if spacing <= 2*time.Minute {
					require.Greater(t, seen[services.HealthFailing], seen[services.HealthUnproven], spacing)
				}
				last := time.Now()
				for w.status() != services.HealthUnproven || w.problem() != "" {
					require.Less(t, time.Since(last), 5*time.Minute+2*interval, "%s: it is failing for ever: %s", spacing, w.problem())
					time.Sleep(time.Second)
				}
				time.Sleep(24 * time.Hour)
				require.Equal(t, services.HealthUnproven, w.status(), spacing)
				require.Empty(t, w.problem(), spacing)
				for range 3 {
					require.True(t, w.use(nil), spacing)
				}
				require.Equal(t, services.HealthHealthy, w.status(), spacing)
			})
		}
	}
}

// TestAUsersSuccessesMakeAModelHealthyAgain has a fault that ends.
func TestAUsersSuccessesMakeAModelHealthyAgain(t *testing.T) {
	t.Parallel()
	for _, unattended := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			w, _ := newUsers(t, unattended)
			for range 20 {
				w.use(errService)
				time.Sleep(9 * time.Second)
			}
			require.NotEqual(t, services.HealthHealthy, w.status())
			for began := time.Now(); w.status() != services.HealthHealthy; {
				require.Less(t, time.Since(began), 6*time.Minute)
				w.use(nil)
				time.Sleep(9 * time.Second)
			}
			require.Empty(t, w.problem())
			require.Equal(t, services.StateReady, w.State())
			for range 100 {
				require.True(t, w.use(nil))
				time.Sleep(9 * time.Second)
				require.Equal(t, services.HealthHealthy, w.status())
			}
		})
	}
}

// TestWhatIsNotTheModelsFaultIsNotItsHealth has bad requests and callers who leave.
func TestWhatIsNotTheModelsFaultIsNotItsHealth(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, _ := newUsers(t, false)
		for range 100 {
			w.use(services.Invalidf("file", "is odd"))
			gone, leave := context.WithCancel(context.Background())
			_ = w.guard.Do(gone, func(context.Context) error { leave(); return errService })
			late, cancel := context.WithTimeout(context.Background(), time.Second)
			_ = w.guard.Do(late, func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() })
			w.guard.Failed(context.Background(), services.Invalidf("file", "is odd"))
			w.guard.Failed(late, errService)
			w.guard.Failed(services.WithCanary(context.Background()), errService)
			_ = w.guard.Do(context.Background(), func(context.Context) error {
				require.Equal(t, services.KindBusy, services.KindOf(w.guard.Do(context.Background(), always(errService))), "it is full")
				return nil
			})
			cancel()
		}
		health := w.guard.Health()
		require.Equal(t, services.HealthHealthy, health.Status)
		require.Zero(t, health.Failed)
		require.Empty(t, w.problem())
		for range 100 {
			w.guard.Failed(context.Background(), errService) // before it had a slot
		}
		require.Equal(t, services.HealthFailing, w.status())
	})
}

// TestOneTaskIsOneOutcome has a task that succeeds in its second attempt.
func TestOneTaskIsOneOutcome(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, _ := newUsers(t, false)
		attempts := 0
		require.NoError(t, w.guard.Do(context.Background(), func(context.Context) error {
			if attempts++; attempts == 1 {
				return &services.Fault{Kind: services.KindInternal, Transient: true}
			}
			return nil
		}))
		health := w.guard.Health()
		require.Equal(t, services.Health{Status: services.HealthHealthy, Since: health.Since, Tasks: 1}, health)
	})
}

// TestCanariesDoNotOutvoteUsers has a canary before each request that fails.
func TestCanariesDoNotOutvoteUsers(t *testing.T) {
	t.Parallel()
	g := newGuard(1)
	canary := services.WithCanary(context.Background())
	for range 5 {
		require.Equal(t, "closed", g.State())
		require.NoError(t, g.Do(canary, always(nil)))
		require.Error(t, g.Do(context.Background(), always(errService)))
	}
	require.Equal(t, "open", g.State())
	require.Equal(t, 5, g.Health().Tasks)
	for range 10 {
		require.NoError(t, g.Do(canary, always(nil)), "it passes an open breaker")
	}
	require.Equal(t, "open", g.State())
	g.HalfOpen()
	for range 10 {
		require.NoError(t, g.Do(canary, always(nil)))
	}
	require.Equal(t, "half-open", g.State())
	require.Equal(t, services.HealthFailing, g.Health().Status)
	require.Error(t, g.Do(canary, always(errService)))
	require.Equal(t, "open", g.State(), "a canary's failure counts")
	require.Equal(t, 5, g.Health().Tasks)
}

// TestARunThatStallsWithoutMonitoringAndRecoveryLocksNothing has one run that is stopped.
func TestARunThatStallsWithoutMonitoringAndRecoveryLocksNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, _ := newUsers(t, true)
		w.change(func() { w.runs = []services.Run{{Task: "7", Name: "say", Progressed: time.Now()}} })
		time.Sleep(2*time.Minute + 5*time.Second)
		synctest.Wait()
		require.True(t, w.Runs()[0].Stopped)
		time.Sleep(time.Hour)
		require.Equal(t, services.StateDegraded, w.State(), "it has not ended")
		require.Contains(t, w.problem(), "degraded")
		w.change(func() { w.runs = nil })
		time.Sleep(6 * time.Second)
		require.Equal(t, services.StateReady, w.State())
		require.Empty(t, w.problem())
	})
}

// TestRetryAfterIsTheTimeUntilTheNextAttempt has recoveries that fail, each after ten seconds.
func TestRetryAfterIsTheTimeUntilTheNextAttempt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, r := newUsers(t, false)
		w.change(func() { w.reloadErr, w.reload = errors.New("no file"), func() { time.Sleep(10 * time.Second) } })
		r.Trigger("echo", "", "it broke")
		require.Equal(t, time.Duration(0), w.remaining(), "nothing is known of attempts")
		time.Sleep(10*time.Second + 1)
		require.Equal(t, 11*time.Second, w.remaining(), "a second's delay, and an attempt")
		time.Sleep(11 * time.Second)
		require.Equal(t, 12*time.Second, w.remaining())
		time.Sleep(12 * time.Second)
		require.Equal(t, interval+10*time.Second, w.remaining())
		w.change(func() { w.reloadErr = nil })
		time.Sleep(interval + 10*time.Second)
		synctest.Wait()
		require.False(t, w.Isolated(), "the time was right")
	})
}

// TestTheWayBackDoesNotWaitForTheWindow has users who fail after each recovery, until the fault
// has ended. Health checks go on meanwhile, and every canary succeeds.
func TestTheWayBackDoesNotWaitForTheWindow(t *testing.T) {
	for name, silence := range map[string]time.Duration{"with users": 0, "without users": 5 * time.Minute} {
		synctest.Test(t, func(t *testing.T) {
			w, r := newUsers(t, false)
			for w.State() != services.StateUnavailable {
				w.use(errService)
				time.Sleep(9 * time.Second)
			}
			require.InDelta(t, 3, testutil.ToFloat64(r.total.WithLabelValues("echo", "", "refuted")), 0)
			for range 20 { // the failure was nine seconds ago
				require.Equal(t, interval, w.remaining())
				time.Sleep(interval - 9*time.Second - 1)
				require.False(t, w.use(errService), name)
				time.Sleep(2)
				synctest.Wait()
				require.Equal(t, services.StateReady, w.State(), "%s: Retry-After was right", name)
				require.Equal(t, "closed", w.guard.State(), name)
				require.Equal(t, services.HealthFailing, w.status(), "%s: canaries do not outvote users", name)
				require.Contains(t, w.problem(), "tasks have failed after its recoveries", name)
				require.True(t, w.use(errService), "%s: a trial", name)
				synctest.Wait()
				require.Equal(t, services.StateUnavailable, w.State(), "%s: the first that fails", name)
				time.Sleep(9 * time.Second)
			}
			time.Sleep(interval)
			if silence > 0 {
				require.Equal(t, services.HealthFailing, w.status(), name)
				time.Sleep(silence)
				require.Equal(t, services.HealthUnproven, w.status(), "%s: the window is empty", name)
				require.Empty(t, w.problem(), name)
			}
			for range 3 {
				require.NotEqual(t, services.HealthHealthy, w.status(), name)
				require.True(t, w.use(nil), name)
			}
			require.Equal(t, services.HealthHealthy, w.status(), name)
			require.Equal(t, 3, w.guard.Health().Tasks, "%s: the failures before count no more", name)
			time.Sleep(interval + 1)
			require.NotEqual(t, services.StateUnavailable, w.State(), name)
			for range 5 {
				w.use(errService)
			}
			synctest.Wait()
			require.Equal(t, services.HealthUnproven, w.status(), "%s: its count of attempts starts again", name)
		})
	}
}
