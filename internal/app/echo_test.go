package app

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/stretchr/testify/require"

	"github.com/grym-synth/grym-synth/api"
	"github.com/grym-synth/grym-synth/hardening"
	"github.com/grym-synth/grym-synth/hardening/performance"
	"github.com/grym-synth/grym-synth/internal/config"
	"github.com/grym-synth/grym-synth/internal/modules"
	"github.com/grym-synth/grym-synth/services"
	"github.com/grym-synth/grym-synth/services/module"
	"github.com/grym-synth/grym-synth/services/servicetest"
)

// echo is a whole service in one file: it returns its input.
type echo struct {
	recorder services.Recorder
	started  atomic.Bool
	// prepared counts the tasks that were prepared.
	prepared atomic.Int64
}

func (e *echo) Describe() services.Description {
	return services.Description{
		Name: "echo", Summary: "Says what it is told.", DefaultModel: "parrot",
		Tasks: []services.TaskKind{{Name: "say", ParamsSchema: json.RawMessage(`{"type":"object"}`)}},
	}
}

func (e *echo) Initialize(context.Context) error { e.started.Store(true); return nil }
func (e *echo) Initialized() bool                { return e.started.Load() }
func (e *echo) Shutdown(context.Context) error   { e.started.Store(false); return nil }

func (e *echo) Status() services.ServiceStatus {
	var status services.ServiceStatus
	status.LastError, status.LastSuccess = e.recorder.Last()
	return status
}

func (e *echo) Metrics() services.ServiceMetrics { return e.recorder.Metrics() }

func (e *echo) Prepare(_ context.Context, task services.Task) (services.Work, error) {
	e.prepared.Add(1)
	return servicetest.Work{On: "parrot", Needs: services.MiB, Do: func(context.Context, services.Sink) (services.TaskResult, error) {
		started := time.Now()
		defer func() { e.recorder.Record(nil, time.Since(started)) }()
		return services.TaskResult{Model: "parrot", Value: string(task.Params)}, nil
	}}, nil
}

func (e *echo) CustomMetrics() []services.Metric {
	said := func() float64 { return float64(e.Metrics().Tasks[services.OutcomeSuccess]) }
	return []services.Metric{
		{Name: "words_said_total", Help: "Words said.", Counter: true, Read: said},
		{Name: "No-Name", Help: "Refused.", Read: said},
		{Name: "words_said", Help: "Also a gauge.", Read: said},
		{Name: "broken_total", Help: "A gauge that is named as a counter.", Read: said},
	}
}

func (e *echo) CanaryTask() services.Task { return services.Task{Service: "echo", Name: "say"} }

// inProcess builds the real system in the test's process, with echo in addition to its
// services. Only one can exist at a time, because ONNX Runtime can be initialised once.
func inProcess(t *testing.T, change func(*config.Config)) *system {
	t.Helper()
	cfg := config.Default()
	cfg.DataDir = t.TempDir()
	for _, m := range modules.All() {
		if m.HasModels {
			cfg.Services.Section(m.Name).Common().Limits = cfg.Services.ModelService
		}
	}
	if change != nil {
		change(&cfg)
	}
	s, err := build(cfg, t.TempDir(), nil, slog.New(slog.NewTextHandler(t.Output(), nil)))
	require.NoError(t, err)
	s.register(&echo{}, module.Limits{MaxMemory: services.GiB, Recoverable: true}, 2, 0, 2)
	require.NoError(t, s.parts.Start(t.Context()))
	require.NoError(t, s.initializeRequired(t.Context()))
	s.health.SetPhase(hardening.PhaseServing)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		require.NoError(t, s.parts.Stop(ctx))
	})
	return s
}

// TestANewServiceJoinsByOneRegistration checks that everything else follows from the
// registration.
func TestANewServiceJoinsByOneRegistration(t *testing.T) {
	s := inProcess(t, nil)
	result, err := s.orchestrator.Execute(t.Context(), services.Task{ID: "1", Service: "echo", Name: "say",
		Params: json.RawMessage(`{"words":"hello"}`)}, services.DiscardSink{})
	require.NoError(t, err)
	require.Equal(t, `{"words":"hello"}`, result.Value)
	require.NoError(t, s.orchestrator.Canary(t.Context(), "echo", ""))

	contract, err := os.ReadFile("openapi.yaml")
	require.NoError(t, err)
	handler, err := api.NewHandler(s.cfg.API, api.Dependencies{
		Executor: s.orchestrator, Services: s.registry, Views: s.views(), Contract: contract, Log: s.log,
		Metrics: promhttp.HandlerFor(s.metrics, promhttp.HandlerOpts{}),
	})
	require.NoError(t, err)
	get := func(path string) string {
		recorder := httptest.NewRecorder()
		handler.ServeHTTP(recorder, httptest.NewRequest(http.MethodGet, "http://127.0.0.1"+path, http.NoBody))
		require.Equal(t, http.StatusOK, recorder.Code, recorder.Body.String())
		return recorder.Body.String()
	}
	require.Contains(t, get("/healthz"), `"name":"echo"`)
	require.Contains(t, get("/readyz/echo"), `"ready":true`)
	metrics := get("/metrics")
	for _, line := range []string{
		`grym_inference_requests_total{model="parrot",outcome="success",service="echo"} 1`,
		`grym_inference_queue_seconds_count{service="echo"} 1`,
		`grym_breaker_state{model="",service="echo"} 0`,
		`grym_recoveries_total{model="",outcome="success",service="echo"} 0`,
		`grym_service_state{model="",service="echo",state="ready"} 1`,
		`grym_evictions_total{service="echo"} 0`,
		`grym_custom_words_said_total{service="echo"} 2`,
		`grym_custom_words_said{service="echo"} 2`,
	} {
		require.Contains(t, metrics, line)
	}
	require.NotContains(t, metrics, "grym_custom_broken")
	s.performance.Configure(performance.Config{Enabled: true, CheckInterval: 10 * time.Millisecond, History: 5, Sustain: 3})
	require.Eventually(t, func() bool {
		samples := s.views().PerformanceView(1).Samples
		if len(samples) != 1 {
			return false
		}
		for _, one := range samples[0].Services {
			if one.Name == "echo" {
				return one.Custom != nil && (*one.Custom)["words_said_total"] == 2
			}
		}
		return false
	}, 10*time.Second, 10*time.Millisecond, "sampled too")
	require.Contains(t, get("/v1/system"), `"service":"echo","task":"say"}`)
}
