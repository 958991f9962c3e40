package hardening

import (
	"context"
	"errors"
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

// modelSetup is a service with one further model, under a recovery manager and a monitor.
type modelSetup struct {
	service, model *fakeUnit
	recovery       *Recovery
	monitor        *Monitor
	guards         *GuardMetrics
	states         *StateMetrics
	reg            *prometheus.Registry
}

// newModelSetup makes a recoverable service whose breakers open after two failures.
func newModelSetup(t *testing.T) *modelSetup {
	t.Helper()
	log := slog.New(slog.DiscardHandler)
	cfg := DefaultConfig()
	cfg.Breaker.Failures = 2
	h := &modelSetup{service: newFakeUnit(), model: newFakeUnit(), reg: prometheus.NewRegistry()}
	h.guards, h.states = NewGuardMetrics(h.reg), NewStateMetrics(h.reg)
	h.recovery = NewRecovery(DefaultRecoveryConfig(), interval, cfg.Breaker.Trials, h.reg, log)
	own := NewGuard("echo", 1, cfg, h.recovery.BreakerChanged, h.guards, log)
	h.model.model = "bad"
	h.service.guard, h.model.guard = own, own.ForModel("bad")
	h.states.Watch("echo", "bad")
	h.monitor = NewMonitor(MonitorConfig{Enabled: true, CheckInterval: interval, StallTimeout: 2 * time.Minute}, h.recovery, nil, h.reg, log)
	for _, w := range []*fakeUnit{h.service, h.model} {
		w.success = time.Now().Add(time.Hour) // not idle: no canaries of the monitor
		h.recovery.Watch(w, w.guard, true)
		h.monitor.Watch(w)
	}
	require.NoError(t, h.monitor.Start(context.Background()))
	t.Cleanup(func() {
		require.NoError(t, h.monitor.Stop(context.Background()))
		require.NoError(t, h.recovery.Stop(context.Background()))
	})
	return h
}

// fail makes the model's breaker open.
func (h *modelSetup) fail(t *testing.T) {
	t.Helper()
	for range 2 {
		require.Error(t, h.model.guard.Do(context.Background(), always(errService)))
	}
	synctest.Wait()
}

// series counts the lines of metrics that have the model as a label.
func (h *modelSetup) series(t *testing.T) int {
	t.Helper()
	count := 0
	families, err := h.reg.Gather()
	require.NoError(t, err)
	for _, family := range families {
		for _, metric := range family.GetMetric() {
			for _, label := range metric.GetLabel() {
				if label.GetName() == "model" && label.GetValue() == "bad" {
					count++
				}
			}
		}
	}
	return count
}

func TestAModelThatFailsIsRecoveredAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newModelSetup(t)
		h.model.change(func() { h.model.reloadErr = errors.New("no file") })
		h.fail(t)
		require.Contains(t, h.model.takeSteps(), "recovering: its circuit breaker opened; reload")
		time.Sleep(5 * time.Second)
		require.Equal(t, services.StateUnavailable, h.model.State())
		require.ErrorContains(t, h.model.guard.Do(t.Context(), always(nil)), "model bad of echo is temporarily unavailable")

		require.NoError(t, h.service.guard.Do(t.Context(), always(nil)))
		require.Equal(t, "closed", h.service.guard.State())
		require.Equal(t, services.StateReady, h.service.State())
		require.Empty(t, h.service.takeSteps(), "nothing happens to the service")
		require.NoError(t, testutil.GatherAndCompare(h.reg, strings.NewReader(`
# HELP grym_recoveries_total Attempts to bring a failed service, or a model of it, back, by outcome; refuted is a success after which tasks failed.
# TYPE grym_recoveries_total counter
grym_recoveries_total{model="",outcome="failure",service="echo"} 0
grym_recoveries_total{model="",outcome="refuted",service="echo"} 0
grym_recoveries_total{model="",outcome="success",service="echo"} 0
grym_recoveries_total{model="bad",outcome="failure",service="echo"} 3
grym_recoveries_total{model="bad",outcome="refuted",service="echo"} 0
grym_recoveries_total{model="bad",outcome="success",service="echo"} 0
`), "grym_recoveries_total"))

		h.model.change(func() { h.model.reloadErr = nil })
		h.model.takeSteps()
		time.Sleep(interval)
		require.Equal(t, "reload; canary; canary; ready: recovered: its circuit breaker opened", h.model.takeSteps())
		require.NoError(t, h.model.guard.Do(t.Context(), always(nil)))
	})
}

func TestTheWidthIsTheServices(t *testing.T) {
	t.Parallel()
	own := newGuard(1)
	model := own.ForModel("other")
	err := own.Do(t.Context(), func(context.Context) error {
		require.Equal(t, services.KindBusy, services.KindOf(model.Do(t.Context(), always(nil))))
		return nil
	})
	require.NoError(t, err)
	require.NoError(t, model.Do(t.Context(), always(nil)))
}

func TestAModelThatHasGoneLeavesNothingBehind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newModelSetup(t)
		h.model.change(func() { h.model.reloadErr = errors.New("no file") })
		h.fail(t)
		h.states.Transition(services.Transition{Service: "echo", Model: "bad", From: services.StateReady, To: services.StateRecovering})
		time.Sleep(2 * interval)
		require.Positive(t, h.series(t))
		require.NotEmpty(t, h.monitor.Checks("echo", "bad"))

		h.monitor.Forget("echo", "bad")
		h.recovery.Forget("echo", "bad")
		h.guards.Forget("echo", "bad")
		h.states.Forget("echo", "bad")
		synctest.Wait()
		h.model.takeSteps()
		require.Zero(t, h.series(t))
		require.Empty(t, h.monitor.Checks("echo", "bad"))

		// What comes late does not bring it back.
		h.model.guard.Reset()
		h.recovery.Trigger("echo", "bad", "late")
		h.states.Transition(services.Transition{Service: "echo", Model: "bad", From: services.StateRecovering, To: services.StateReady})
		time.Sleep(5 * interval)
		require.Zero(t, h.series(t))
		require.Empty(t, h.model.takeSteps(), "nobody tries to recover it")
		require.NotEmpty(t, h.monitor.Checks("echo", ""), "the service is watched as before")
	})
}

func TestAModelForgottenInTheMiddleOfItsRecoveryIsNotCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newModelSetup(t)
		reloading, let := make(chan struct{}), make(chan struct{})
		h.model.change(func() { h.model.reload = func() { close(reloading); <-let } })
		h.fail(t)
		<-reloading
		h.recovery.Forget("echo", "bad")
		h.monitor.Forget("echo", "bad")
		h.guards.Forget("echo", "bad")
		h.states.Forget("echo", "bad")
		close(let)
		synctest.Wait()
		require.Zero(t, h.series(t))
	})
}

func TestAHungRunOfAModelIsThatModels(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newModelSetup(t)
		h.model.change(func() { h.model.runs = []services.Run{{Task: "7", Name: "say", Model: "bad", Progressed: time.Now()}} })
		time.Sleep(interval)
		require.Equal(t, services.StateDegraded, h.model.State())
		require.False(t, h.monitor.Checks("echo", "bad")[0].OK)
		time.Sleep(2 * time.Minute)
		require.True(t, h.model.Runs()[0].Stopped)
		require.Contains(t, h.model.takeSteps(), "recovering: task 7 (say) showed no sign of life")
		require.Equal(t, services.StateReady, h.service.State())
		require.True(t, h.monitor.Checks("echo", "")[0].OK)
		require.InDelta(t, 1, testutil.ToFloat64(h.monitor.stalls.WithLabelValues("echo", "bad")), 0)
		require.InDelta(t, 0, testutil.ToFloat64(h.monitor.stalls.WithLabelValues("echo", "")), 0)
	})
}

func TestAModelsFailureIsNoReasonNotToBeReady(t *testing.T) {
	t.Parallel()
	service := ServiceHealth{
		Name: "a", Status: services.ServiceStatus{State: services.StateReady},
		Models: []ModelHealth{{Name: "bad", Status: services.ServiceStatus{State: services.StateUnavailable}, BreakerOpen: true}},
	}
	h := NewHealth([]string{"a"}, func() []ServiceHealth { return []ServiceHealth{service} })
	h.SetPhase(PhaseServing)
	require.Empty(t, h.Report().Reasons)
	require.Empty(t, service.Problem())
}
