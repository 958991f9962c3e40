package e2e

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestForecastsAreShownAndMeasured(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "settings.yaml")
	require.NoError(t, os.WriteFile(file, []byte("resources: {dynamic: off}\nsystemHardening: {performanceMonitoring: {checkInterval: "+
		"100ms}}\n"), 0o600))
	s := start(t, "--config", file)
	status, body := s.transcribe(t, clip(t, "clip09.wav"))
	require.Equal(t, http.StatusOK, status, body)
	require.Eventually(t, func() bool {
		_, body = s.get(t, "/v1/system/forecast")
		return strings.Contains(body, `"known":true,"now":`)
	}, 20*time.Second, 50*time.Millisecond)
	for _, part := range []string{
		`"estimator":"damped Holt"`, `"dynamic":"off"`, `"series":"memory_bytes"`, `"series":"queue_tasks","service":"wav2vec2"`,
		`"series":"arrivals_per_second","service":"gama"`,
		`"minutes":5`, `"action":"stay"`, `"model":"wav2vec2-tiny"`, `"action":"keep"`,
	} {
		require.Contains(t, body, part)
	}
	require.Equal(t, "off", s.setting(t, "systemHardening.resourceManagement.dynamic"), "its other name")
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
