package manage

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"github.com/grym-synth/grym-synth/api/gen"
	"github.com/grym-synth/grym-synth/api/problem"
	"github.com/grym-synth/grym-synth/hardening"
	"github.com/grym-synth/grym-synth/hardening/performance"
	"github.com/grym-synth/grym-synth/orchestrator"
	"github.com/grym-synth/grym-synth/resources"
	"github.com/grym-synth/grym-synth/services"
)

// state returns a State of real parts, without running tasks.
func state(t *testing.T) *State {
	t.Helper()
	log, reg := slog.New(slog.DiscardHandler), prometheus.NewRegistry()
	memory := resources.NewManager(resources.DefaultConfig(), resources.Budget{Bytes: services.GiB, Bound: "test"},
		resources.Dependencies{Metrics: reg, Log: log})
	t.Cleanup(func() { require.NoError(t, memory.Stop(context.Background())) })
	recovery := hardening.NewRecovery(hardening.DefaultRecoveryConfig(), time.Hour, 1, reg, log)
	health := hardening.MonitorConfig{Enabled: true, CheckInterval: time.Hour, StallTimeout: time.Minute}
	monitor := hardening.NewMonitor(health, recovery, nil, reg, log)
	usage := func() performance.ProcessUsage { return performance.ProcessUsage{} }
	monitored := performance.New(performance.DefaultConfig(), performance.Dependencies{Usage: usage, Metrics: reg, Log: log})
	probes := hardening.NewHealth([]string{"ears"}, func() []hardening.ServiceHealth {
		return []hardening.ServiceHealth{{
			Name: "ears", Status: services.ServiceStatus{State: services.StateUnavailable, LastError: "no model"},
			Models: []hardening.ModelHealth{{Name: "left", Status: services.ServiceStatus{State: services.StateReady}, BreakerOpen: true}},
		}}
	})
	return &State{
		Services: orchestrator.NewRegistry(log), Memory: memory, Health: probes, Monitor: monitor, Performance: monitored,
		Resident: func() services.Bytes { return 7 * services.MiB }, Engine: "1.2.3", Started: time.Now().Add(-time.Minute),
		HealthMonitoring: health,
		Unreadable: func() []services.ModelStatus {
			return []services.ModelStatus{{Name: "broken", State: services.StateUnavailable, Problem: "config.json is no file"}}
		},
	}
}

func TestTheViewsShowTheParts(t *testing.T) {
	t.Parallel()
	s := state(t)
	s.Checks = []func() hardening.Check{func() hardening.Check {
		return hardening.Check{Name: "jobs", OK: false,
			Detail: "the store is down"}
	}}
	s.Health.SetPhase(hardening.PhaseServing)

	view := s.HealthView()
	require.Equal(t, string(hardening.PhaseServing), view.Phase)
	require.Len(t, view.Reasons, 1)
	require.EqualValues(t, services.GiB, view.Memory.BudgetBytes)
	require.EqualValues(t, 7*services.MiB, *view.Memory.ResidentBytes)
	require.Contains(t, view.Problems["ears"], "no model")
	require.Equal(t, []string{"left"}, []string{view.Models["ears"][0].Name})
	require.True(t, view.Models["ears"][0].BreakerOpen)
	require.Len(t, view.Checks, 1)
	require.Equal(t, "the store is down", *view.Checks[0].Detail)
	require.False(t, view.Checks[0].Ok)

	system := s.SystemView(t.Context())
	require.False(t, system.Ready)
	require.InDelta(t, 60, system.UptimeSeconds, 30)
	parts := make(map[string]gen.SystemPart)
	for _, part := range system.Parts {
		parts[part.Name] = part
	}
	require.Equal(t, "1.2.3", *parts["onnxruntime"].Detail)
	require.Equal(t, "off", parts["errorRecovery"].State, "its settings are empty here")
	require.Equal(t, "every 1h0m0s", *parts["healthMonitoring"].Detail)
	require.Equal(t, "config.json is no file", *parts["broken"].Detail)

	require.EqualValues(t, services.GiB, s.ResourcesView().BudgetBytes)
	require.Equal(t, "test", s.ResourcesView().Bound)
	require.Empty(t, s.PerformanceView(10).Samples)
	require.Empty(t, s.ForecastView().Series)
	for _, shown := range []any{system, s.ResourcesView(), s.PerformanceView(1), s.ForecastView()} {
		text, err := json.Marshal(shown)
		require.NoError(t, err)
		require.NotContains(t, string(text), ":null", "lists are empty, not missing")
	}
}

// TestALockedServerIsNotChanged has a server that is reachable by others and requires no
// key.
func TestALockedServerIsNotChanged(t *testing.T) {
	t.Parallel()
	log := slog.New(slog.DiscardHandler)
	h := &Handlers{Services: orchestrator.NewRegistry(log), Locked: true, Log: log}
	patch := gen.ChangeConfigJSONRequestBody{}
	for name, change := range map[string]func(context.Context) error{
		"settings": func(ctx context.Context) error {
			_, err := h.ChangeConfig(ctx, gen.ChangeConfigRequestObject{JSONBody: &patch})
			return err
		},
		"losses": func(ctx context.Context) error {
			_, err := h.AcknowledgeLosses(ctx, gen.AcknowledgeLossesRequestObject{})
			return err
		},
		"log level": func(ctx context.Context) error {
			_, err := h.SetLogLevel(ctx, gen.SetLogLevelRequestObject{})
			return err
		},
		"new key": func(ctx context.Context) error {
			_, err := h.CreateKey(ctx, gen.CreateKeyRequestObject{})
			return err
		},
		"revoked key": func(ctx context.Context) error {
			_, err := h.RevokeKey(ctx, gen.RevokeKeyRequestObject{})
			return err
		},
		"service": func(ctx context.Context) error {
			_, err := h.ChangeService(ctx, gen.ChangeServiceRequestObject{})
			return err
		},
		"breaker": func(ctx context.Context) error {
			_, err := h.ChangeBreaker(ctx, gen.ChangeBreakerRequestObject{})
			return err
		},
	} {
		var refused *problem.HTTPError
		require.ErrorAs(t, change(t.Context()), &refused, name)
		require.Equal(t, http.StatusForbidden, refused.Status, name)
		require.Equal(t, "loopback_only", refused.Slug, name)
	}
}

// TestTheStatusOfTheServerIsTheWorst has services of every health, checks and problems.
func TestTheStatusOfTheServerIsTheWorst(t *testing.T) {
	t.Parallel()
	of := func(list ...gen.HealthOfTasks) HealthView {
		view := HealthView{Services: map[string]ServiceView{"new": {}}}
		for i, status := range list {
			view.Services[string(rune('a'+i))] = ServiceView{Health: &gen.TaskHealth{Status: status}}
		}
		return view
	}
	const healthy, degraded = gen.HealthOfTasksHealthy, gen.HealthOfTasksDegraded
	const unproven, failing = gen.HealthOfTasksUnproven, gen.HealthOfTasksFailing
	require.Equal(t, gen.HealthStatusHealthy, of().Status())
	require.Equal(t, gen.HealthStatusHealthy, of(healthy, healthy).Status())
	for range 20 { // in any order
		require.Equal(t, gen.HealthStatusDegraded, of(healthy, degraded, healthy).Status())
		require.Equal(t, gen.HealthStatusUnproven, of(degraded, unproven, degraded, healthy).Status())
		require.Equal(t, gen.HealthStatusUnhealthy, of(degraded, failing, unproven).Status())
	}
	view := of(healthy)
	view.Checks = []gen.HealthCheck{{Ok: true}}
	require.Equal(t, gen.HealthStatusHealthy, view.Status())
	view.Checks = append(view.Checks, gen.HealthCheck{Ok: false})
	require.Equal(t, gen.HealthStatusUnhealthy, view.Status())
	view = of(degraded)
	view.Reasons = []string{"the server is starting"}
	require.Equal(t, gen.HealthStatusUnhealthy, view.Status())
	view = of(unproven)
	view.Problems = map[string]string{"a": "it is degraded"}
	require.Equal(t, gen.HealthStatusUnhealthy, view.Status())
}

func TestTheViewsOfHealthAndHold(t *testing.T) {
	t.Parallel()
	since := time.Now()
	require.Nil(t, taskHealth(services.Health{}))
	require.Nil(t, breakerHold(nil))
	reason := "why"
	require.Equal(t, &gen.TaskHealth{Status: gen.HealthOfTasksDegraded, Since: since, Reason: &reason, Tasks: 7, Failed: 2},
		taskHealth(services.Health{Status: services.HealthDegraded, Since: since, Reason: reason, Tasks: 7, Failed: 2}))
	require.Nil(t, taskHealth(services.Health{Status: services.HealthHealthy}).Reason)
	require.Equal(t, &gen.BreakerHold{Since: since, Reason: &reason}, breakerHold(&services.Hold{Since: since, Reason: reason}))
	require.Nil(t, breakerHold(&services.Hold{}).Reason)
}
