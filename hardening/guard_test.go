package hardening

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/grym-synth/grym-synth/services"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func newGuard(runs int, change ...func(*Config)) *Guard {
	cfg := DefaultConfig()
	for _, f := range change {
		f(&cfg)
	}
	return NewGuard("echo", runs, cfg, nil, NewGuardMetrics(prometheus.NewRegistry()), slog.New(slog.DiscardHandler))
}

func always(err error) func(context.Context) error {
	return func(context.Context) error { return err }
}

var errService = services.Internal(errors.New("cause"), "it failed")

func TestAPanicIsOneFailedTaskAndLeaksNoPermit(t *testing.T) {
	t.Parallel()
	g := newGuard(1, func(c *Config) { c.Breaker.Failures = 100 })
	for range 5 {
		err := g.Do(t.Context(), func(context.Context) error { panic("boom") })
		require.Equal(t, services.KindInternal, services.KindOf(err))
		var panicked *services.PanicError
		require.ErrorAs(t, err, &panicked)
		require.Equal(t, "boom", panicked.Value)
		require.NotEmpty(t, panicked.Stack)
	}
	require.NoError(t, g.Do(t.Context(), always(nil)))
}

func TestOnlyWhatMayPassIsRetried(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		passing := &services.Fault{Kind: services.KindInternal, Message: "short of memory", Transient: true}
		for name, c := range map[string]struct {
			err      error
			attempts int
		}{"transient": {passing, 3}, "for good": {errService, 1}, "bad input": {services.Invalidf("x", "is bad"), 1}} {
			attempts := 0
			err := newGuard(1).Do(t.Context(), func(context.Context) error { attempts++; return c.err })
			require.Equal(t, c.attempts, attempts, name)
			require.ErrorIs(t, err, c.err, name)
		}
		attempts := 0
		require.NoError(t, newGuard(1).Do(t.Context(), func(context.Context) error {
			if attempts++; attempts < 3 {
				return passing
			}
			return nil
		}))
	})
}

func TestTheBreakerOpensTriesAndCloses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGuard(1, func(c *Config) {
			c.Breaker = BreakerConfig{Failures: 3, FailureRate: 1, MinCalls: 100, Period: time.Minute, Delay: 10 * time.Second, Trials: 2}
		})
		for range 3 {
			_, open := g.Open()
			require.False(t, open)
			require.Error(t, g.Do(t.Context(), always(errService)))
		}
		after, open := g.Open()
		require.True(t, open)
		require.Equal(t, 10*time.Second, after)
		called := false
		err := g.Do(t.Context(), func(context.Context) error { called = true; return nil })
		require.False(t, called)
		var fault *services.Fault
		require.ErrorAs(t, err, &fault)
		require.Equal(t, services.KindUnavailable, fault.Kind)
		require.Equal(t, 10*time.Second, fault.RetryAfter)

		time.Sleep(10 * time.Second)
		_, open = g.Open()
		require.False(t, open, "a trial is let through once the delay is over")
		require.NoError(t, g.Do(t.Context(), always(nil)))
		require.NoError(t, g.Do(t.Context(), always(nil)))
		for range 2 {
			require.Error(t, g.Do(t.Context(), always(errService)), "closed again: two failures do not open it")
		}
		_, open = g.Open()
		require.False(t, open)
	})
}

func TestWhatIsNotTheServicesFaultDoesNotOpenTheBreaker(t *testing.T) {
	t.Parallel()
	g := newGuard(1, func(c *Config) { c.Breaker.Failures = 1 })
	require.Error(t, g.Do(t.Context(), always(services.Invalidf("x", "is bad"))))
	gone, leave := context.WithCancel(t.Context())
	err := g.Do(gone, func(ctx context.Context) error { leave(); return ctx.Err() })
	require.Equal(t, services.KindCancelled, services.KindOf(err))
	// The caller's own deadline, which a service reports as a failure.
	late, cancel := context.WithDeadline(t.Context(), time.Now())
	defer cancel()
	require.Error(t, g.Do(late, always(errService)))
	_, open := g.Open()
	require.False(t, open)
	require.Error(t, g.Do(t.Context(), always(errService)))
	_, open = g.Open()
	require.True(t, open, "a service fault does")
}

func TestATimeoutStopsTheAttemptAndWaitsForIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGuard(1, func(c *Config) { c.Timeout = time.Second })
		returned := false
		started := time.Now()
		err := g.Do(t.Context(), func(ctx context.Context) error {
			<-ctx.Done()
			time.Sleep(5 * time.Second) // a native call that takes its time to stop
			returned = true
			return ctx.Err()
		})
		require.True(t, returned)
		require.Equal(t, 6*time.Second, time.Since(started))
		require.Equal(t, services.KindTimeout, services.KindOf(err))
		require.ErrorContains(t, err, "1s allowed")
	})
}

func TestAFullBulkheadRefusesAtOnceAndCountsForNothing(t *testing.T) {
	t.Parallel()
	g := newGuard(1, func(c *Config) { c.Breaker.Failures = 1 })
	err := g.Do(t.Context(), func(context.Context) error {
		inner := g.Do(t.Context(), always(nil))
		require.Equal(t, services.KindBusy, services.KindOf(inner))
		return nil
	})
	require.NoError(t, err)
	_, open := g.Open()
	require.False(t, open)
}

func TestReasonsWhyTheServerIsNotReady(t *testing.T) {
	t.Parallel()
	list := []ServiceHealth{{Name: "a", Status: services.ServiceStatus{State: services.StateReady}}}
	h := NewHealth([]string{"a", "b"}, func() []ServiceHealth { return list })
	require.Equal(t, []string{"the server is starting", "service b does not exist"}, h.Report().Reasons)
	h.SetPhase(PhaseServing)
	list = append(list, ServiceHealth{Name: "b", Status: services.ServiceStatus{State: services.StateUnavailable, LastError: "no model"}})
	require.Equal(t, []string{"service b is unavailable: no model"}, h.Report().Reasons)
	list[1] = ServiceHealth{Name: "b", Status: services.ServiceStatus{State: services.StateReady}, BreakerOpen: true}
	require.Equal(t, []string{"service b is cut off by its circuit breaker"}, h.Report().Reasons)
	list[1].BreakerOpen = false
	require.Empty(t, h.Report().Reasons)
	for _, status := range []services.HealthStatus{services.HealthHealthy, services.HealthDegraded, services.HealthUnproven} {
		list[1].Health = services.Health{Status: status, Reason: "why"}
		require.Empty(t, h.Report().Reasons, status)
	}
	list[1].Health = services.Health{Status: services.HealthFailing, Reason: "5 of 6 have failed"}
	require.Equal(t, []string{"service b is failing: 5 of 6 have failed"}, h.Report().Reasons)
	list[1].Hold = &services.Hold{Reason: "maintenance"}
	require.Equal(t, []string{"service b was taken out of service by an operator: maintenance"}, h.Report().Reasons)
}
