package main

import (
	"context"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/grym-synth/grym-synth/internal/config"
	"github.com/grym-synth/grym-synth/services"
	"github.com/grym-synth/grym-synth/services/wav2vec2"
)

func TestForecastsAreShownAndMeasured(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "settings.yaml")
	require.NoError(t, os.WriteFile(file, []byte("resources: {dynamic: off}\nsystemHardening: {performanceMonitoring: {checkInterval: 100ms}}\n"), 0o600))
	s := start(t, "--config", file)
	status, body := s.transcribe(t, clip(t, "clip09.wav"))
	require.Equal(t, http.StatusOK, status, body)
	require.Eventually(t, func() bool {
		_, body = s.get(t, "/v1/system/forecast")
		return strings.Contains(body, `"known":true,"now":`)
	}, 20*time.Second, 50*time.Millisecond)
	for _, part := range []string{
		`"estimator":"damped Holt"`, `"dynamic":"off"`, `"series":"memory_bytes"`, `"series":"queue_tasks","service":"wav2vec2"`, `"series":"arrivals_per_second","service":"gama"`,
		`"minutes":5`, `"action":"stay"`, `"model":"wav2vec2-tiny"`, `"action":"keep"`,
	} {
		require.Contains(t, body, part)
	}
	require.Equal(t, "off", s.setting(t, "systemHardening.resourceManagement.dynamic"), "another name of it")
	status, body = s.patch(t, `{"resources":{"dynamic":"on"}}`)
	require.Equal(t, http.StatusOK, status, body)
	_, body = s.get(t, "/v1/system/forecast")
	require.Contains(t, body, `"dynamic":"on"`)
	status, body = s.patch(t, `{"systemHardening":{"resourceManagement":{"dynamic":"sometimes"}}}`)
	require.Equal(t, http.StatusBadRequest, status)
	require.Contains(t, body, "must be on or off")
	_, body = s.get(t, "/metrics")
	require.Contains(t, body, `grym_forecast{ahead="5m",series="memory_bytes",service=""}`)
	require.Contains(t, body, `grym_service_runs{service="wav2vec2"}`)
	status, body = s.patch(t, `{"systemHardening":{"performanceMonitoring":{"enabled":false}}}`)
	require.Equal(t, http.StatusOK, status, body)
	_, body = s.get(t, "/v1/system/forecast")
	require.Contains(t, body, `"series":[]`)
}

// TestAServiceIsAsWideAsItsDemand lets tasks wait for something else than a core,
// so that another run at once helps.
func TestAServiceIsAsWideAsItsDemand(t *testing.T) {
	if runtime.GOMAXPROCS(0) < 2 {
		t.Skip("one core is one run")
	}
	s := inProcess(t, func(cfg *config.Config) {
		cfg.SystemHardening.PerformanceMonitoring.CheckInterval = 100 * time.Millisecond
	})
	configured := s.runs[wav2vec2.Name]
	now := func() int {
		for _, u := range s.memory.Usage().Services {
			if u.Name == wav2vec2.Name {
				return u.Runs
			}
		}
		return 0
	}
	require.Equal(t, configured, now())
	s.runtime.Intercept(func(ctx context.Context, _ string, run func() error) error {
		select {
		case <-time.After(50 * time.Millisecond):
		case <-ctx.Done():
		}
		return run()
	})
	ctx, stop := context.WithCancel(t.Context())
	var words load
	work := words.run(ctx, s, services.Task{ID: "speech", Service: wav2vec2.Name, Name: services.TaskTranscribe, Audio: recording(clips + "clip09.wav")}, 8, time.Millisecond)
	require.Eventually(t, func() bool { return now() > configured }, 30*time.Second, 10*time.Millisecond, "never widened")
	stop()
	work.Wait()
	require.Eventually(t, func() bool { return now() == configured }, 30*time.Second, 10*time.Millisecond, "never narrowed")
}
