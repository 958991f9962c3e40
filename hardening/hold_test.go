package hardening

import (
	"context"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/require"

	"github.com/grym-synth/grym-synth/services"
)

// TestOnlyAResetEndsAHold has everything happen to a breaker that an operator holds.
func TestOnlyAResetEndsAHold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, r, _, _ := setup(t, true)
		ctx := context.Background()
		running, let := make(chan struct{}), make(chan struct{})
		ended := make(chan error)
		go func() {
			ended <- w.guard.Do(ctx, func(context.Context) error { close(running); <-let; return nil })
		}()
		<-running
		began := time.Now()
		w.guard.Hold("the disk is being replaced")
		refused := func(when string) {
			t.Helper()
			require.Equal(t, "open", w.guard.State(), when)
			after, open := w.guard.Open()
			require.True(t, open, when)
			err := w.guard.Do(ctx, func(context.Context) error { t.Error("it runs"); return nil })
			for _, err := range []error{err, w.guard.Refusal()} {
				var fault *services.Fault
				require.ErrorAs(t, err, &fault, when)
				require.Equal(t, services.KindUnavailable, fault.Kind, when)
				require.Equal(t, "echo was taken out of service by an operator: the disk is being replaced", fault.Detail(), when)
				require.Equal(t, holdRetryAfter, fault.RetryAfter, when)
				require.Equal(t, after, fault.RetryAfter, when)
			}
			hold, held := w.guard.Held()
			require.True(t, held, when)
			require.Equal(t, services.Hold{Reason: "the disk is being replaced", Since: began}, hold)
		}
		refused("at once")
		require.Empty(t, w.takeSteps(), "nobody recovers it")
		time.Sleep(3 * interval)
		require.Contains(t, w.takeSteps(), "canary", "it is watched as before")
		refused("after canaries")
		close(let)
		require.NoError(t, <-ended)
		refused("after the end of a task")
		r.Trigger("echo", "", "it broke")
		synctest.Wait()
		require.Contains(t, w.takeSteps(), "ready: recovered: it broke")
		refused("after a recovery")
		w.guard.Trip()
		w.guard.HalfOpen()
		refused("half-open")
		w.Degrade("held")
		w.takeSteps()
		time.Sleep(3 * interval)
		require.NotContains(t, w.takeSteps(), "ready", "its health checks pass, and it is held")
		require.Zero(t, w.guard.Health().Failed, "refusals are not failures")

		w.guard.Reset()
		_, held := w.guard.Held()
		require.False(t, held)
		require.Equal(t, "closed", w.guard.State())
		synctest.Wait() // a canary that is due now has the only place
		require.NoError(t, w.guard.Do(ctx, always(nil)))
	})
}

func TestAHoldWithoutAReason(t *testing.T) {
	t.Parallel()
	g := newGuard(1)
	g.Hold("")
	require.EqualError(t, g.Refusal(), "echo was taken out of service by an operator")
	require.Equal(t, "service a was taken out of service by an operator", ServiceHealth{Name: "a", Hold: &services.Hold{}}.Problem())
}

// TestARestartEndsTheHoldOfItsOwnUnit restarts a service with a model that is held too.
func TestARestartEndsTheHoldOfItsOwnUnit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newModelSetup(t)
		h.service.guard.Hold("")
		h.model.guard.Hold("")
		require.NoError(t, h.recovery.Restart(context.Background(), "echo", ""))
		_, held := h.service.guard.Held()
		require.False(t, held)
		_, held = h.model.guard.Held()
		require.True(t, held)
		require.NoError(t, h.recovery.Restart(context.Background(), "echo", "bad"))
		_, held = h.model.guard.Held()
		require.False(t, held)
		h.service.guard.breaker.circuit.Open()
		h.service.guard.notify()
		require.NoError(t, h.recovery.Restart(context.Background(), "echo", ""))
		require.Empty(t, h.service.guard.pending, "the closed breaker was reported")
	})
}

func TestMetricsOfAHoldAndOfHealth(t *testing.T) {
	t.Parallel()
	reg := prometheus.NewRegistry()
	metrics := NewGuardMetrics(reg)
	g := NewGuard("echo", 1, DefaultConfig(), nil, metrics, slog.New(slog.DiscardHandler))
	model := g.ForModel("bad")
	expect := func(held, state int, health services.HealthStatus) {
		t.Helper()
		want := strings.NewReplacer("HELD", string(rune('0'+held)), "STATE", string(rune('0'+state))).Replace(`
# HELP grym_breaker_held 1 while an operator holds a circuit breaker open.
# TYPE grym_breaker_held gauge
grym_breaker_held{model="",service="echo"} 0
grym_breaker_held{model="bad",service="echo"} HELD
# HELP grym_breaker_state State of a circuit breaker, of a model or (empty) of the service: 0 closed, 1 half-open, 2 open.
# TYPE grym_breaker_state gauge
grym_breaker_state{model="",service="echo"} 0
grym_breaker_state{model="bad",service="echo"} STATE
`)
		require.NoError(t, testutil.GatherAndCompare(reg, strings.NewReader(want), "grym_breaker_held", "grym_breaker_state"))
		for _, status := range services.HealthStatuses() {
			is := 0.0
			if status == health {
				is = 1
			}
			require.InDelta(t, is, testutil.ToFloat64(metrics.health.WithLabelValues("echo", "bad", string(status))), 0, status)
		}
		require.InDelta(t, 1, testutil.ToFloat64(metrics.health.WithLabelValues("echo", "", "healthy")), 0)
	}
	expect(0, 0, services.HealthHealthy)
	model.Hold("")
	expect(1, 2, services.HealthHealthy)
	model.HalfOpen()
	expect(1, 2, services.HealthHealthy)
	model.Trip()
	expect(1, 2, services.HealthFailing)
	model.Reset()
	expect(0, 0, services.HealthUnproven)
	model.Trip()
	expect(0, 2, services.HealthFailing)
	model.HalfOpen()
	expect(0, 1, services.HealthFailing)
	metrics.Forget("echo", "bad")
	for _, vec := range []*prometheus.GaugeVec{metrics.health, metrics.hold, metrics.state} {
		require.Zero(t, vec.DeletePartialMatch(prometheus.Labels{"model": "bad"}), "nothing is left")
	}
	model.Hold("")
	require.Zero(t, metrics.hold.DeletePartialMatch(prometheus.Labels{"model": "bad"}), "what comes late does not bring it back")
}
