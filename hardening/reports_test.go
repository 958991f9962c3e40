package hardening

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/require"

	"github.com/grym-synth/grym-synth/services"
)

// TestProblemsOfAService has one problem after another, the most important first.
func TestProblemsOfAService(t *testing.T) {
	t.Parallel()
	of := func(state services.State, change ...func(*ServiceHealth)) ServiceHealth {
		s := ServiceHealth{Name: "echo", Status: services.ServiceStatus{State: state}}
		for _, f := range change {
			f(&s)
		}
		return s
	}
	failing := func(s *ServiceHealth) { s.Health = services.Health{Status: services.HealthFailing, Reason: "3 of 4"} }
	open := func(s *ServiceHealth) { s.BreakerOpen = true }
	hold := func(s *ServiceHealth) { s.Hold = &services.Hold{} }
	caused := func(s *ServiceHealth) { s.Status.LastError = "it broke" }
	for _, c := range []struct {
		health ServiceHealth
		want   string
	}{
		{of(services.StateReady), ""},
		{of(services.StateReady, caused), ""},
		{of(services.StateRegistered), ""},
		{of(services.StateReady, func(s *ServiceHealth) { s.Health.Status = services.HealthDegraded }), ""},
		{of(services.StateReady, failing), "service echo is failing: 3 of 4"},
		{of(services.StateReady, failing, open), "service echo is cut off by its circuit breaker"},
		{of(services.StateRegistered, open), "service echo is cut off by its circuit breaker"},
		{of(services.StateDegraded, failing, open), "service echo is degraded"},
		{of(services.StateUnavailable, caused), "service echo is unavailable: it broke"},
		{of(services.StateUnavailable, caused, hold), "service echo was taken out of service by an operator"},
	} {
		require.Equal(t, c.want, c.health.Problem())
	}
}

// TestReasonsWhyTheProcessIsNotReady has phases, required services, and reasons of others.
func TestReasonsWhyTheProcessIsNotReady(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		list := []ServiceHealth{
			{Name: "up", Status: services.ServiceStatus{State: services.StateReady}},
			{Name: "down", Status: services.ServiceStatus{State: services.StateUnavailable}},
			{Name: "drained", Status: services.ServiceStatus{State: services.StateReady}, Drained: "service drained is drained"},
			{Name: "waiting", Status: services.ServiceStatus{State: services.StateRegistered}},
		}
		h := NewHealth([]string{"up"}, func() []ServiceHealth { return list })
		require.Equal(t, Report{
			Phase: PhaseStarting, Since: time.Now(), Services: list, Reasons: []string{"the server is starting"},
		}, h.Report())
		time.Sleep(time.Second)
		h.SetPhase(PhaseServing)
		require.Equal(t, Report{Phase: PhaseServing, Since: time.Now(), Services: list}, h.Report())
		h.Require([]string{"waiting", "drained", "none", "down", "up"})
		want := []string{"service waiting has not started", "service drained is drained", "service none does not exist",
			"service down is unavailable"}
		require.Equal(t, want, h.Report().Reasons)
		h.Require(nil)
		require.Empty(t, h.Report().Reasons)
		h.AlsoAsk(func() []string { return []string{"the store is away"} })
		h.SetPhase(PhaseDraining)
		require.Equal(t, []string{"the server is draining", "the store is away"}, h.Report().Reasons)
	})
}

// TestTaskMetricsCountEachTaskOnce compares the metrics with what the format says.
func TestTaskMetricsCountEachTaskOnce(t *testing.T) {
	t.Parallel()
	reg := prometheus.NewRegistry()
	m := NewTaskMetrics(reg)
	m.Watch(services.Description{Name: "echo", DefaultModel: "tiny"})
	count := func(name string) int {
		t.Helper()
		n, err := testutil.GatherAndCount(reg, name)
		require.NoError(t, err)
		return n
	}
	require.Equal(t, len(services.Outcomes()), count("grym_inference_requests_total"), "they exist before the first task")
	require.Equal(t, len(services.Stages()), count("grym_inference_compute_seconds"))
	for _, name := range []string{"grym_inference_queue_seconds", "grym_inference_executions_total", "grym_inference_inputs_total"} {
		require.Equal(t, 1, count(name), name)
	}
	stages := []services.StageTime{{Stage: services.Stages()[0], Duration: time.Second}}
	m.TaskEnded(services.TaskEvent{
		Service: "echo", Model: "tiny", Started: true, Queued: 3 * time.Second, Executions: 2, Inputs: 5, Stages: stages, TraceID: "feed",
	})
	m.TaskEnded(services.TaskEvent{Service: "echo", Model: "tiny", Started: true, Queued: time.Second, Stages: stages})
	m.TaskEnded(services.TaskEvent{Service: "echo", Model: "good", Err: errors.New("broken"), Queued: time.Hour})
	require.Equal(t, len(services.Outcomes())+1, count("grym_inference_requests_total"))
	require.NoError(t, testutil.GatherAndCompare(reg, strings.NewReader(`
# HELP grym_inference_executions_total Runs of the inference engine for tasks; a batch is one.
# TYPE grym_inference_executions_total counter
grym_inference_executions_total{model="tiny",service="echo"} 2
# HELP grym_inference_inputs_total Inputs that the inference engine computed for tasks; each of a batch counts.
# TYPE grym_inference_inputs_total counter
grym_inference_inputs_total{model="tiny",service="echo"} 5
`), "grym_inference_executions_total", "grym_inference_inputs_total"))
	require.InDelta(t, 2, testutil.ToFloat64(m.requests.WithLabelValues("echo", "tiny", string(services.OutcomeSuccess))), 0)
	require.InDelta(t, 1, testutil.ToFloat64(m.requests.WithLabelValues("echo", "good", string(services.KindInternal))), 0)

	families, err := reg.Gather()
	require.NoError(t, err)
	sums := make(map[string]float64)
	traces := 0
	for _, family := range families {
		for _, one := range family.GetMetric() {
			if histogram := one.GetHistogram(); histogram != nil {
				sums[family.GetName()] += histogram.GetSampleSum()
				for _, bucket := range histogram.GetBucket() {
					if bucket.GetExemplar() != nil {
						traces++
					}
				}
			}
		}
	}
	require.Equal(t, map[string]float64{"grym_inference_queue_seconds": 4, "grym_inference_compute_seconds": 2}, sums,
		"what did not start did not wait")
	require.Equal(t, 2, traces, "of the traced task")
	m.Forget("echo", "tiny")
	require.Equal(t, 1, count("grym_inference_requests_total"))
	require.Zero(t, count("grym_inference_executions_total"))
	require.Zero(t, count("grym_inference_inputs_total"))
}
