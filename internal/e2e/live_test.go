package e2e

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// patch sends a merge patch to the settings.
func (s *server) patch(t *testing.T, body string) (int, string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPatch, s.url+"/v1/system/config", strings.NewReader(body))
	require.NoError(t, err)
	request.Header.Set("Content-Type", "application/merge-patch+json")
	return do(t, request)
}

// setting reads one setting in force, levels separated by dots.
func (s *server) setting(t *testing.T, key string) any {
	t.Helper()
	status, body := s.get(t, "/v1/system/config")
	require.Equal(t, http.StatusOK, status, body)
	var value any
	require.NoError(t, json.Unmarshal([]byte(body), &value))
	for name := range strings.SplitSeq(key, ".") {
		section, ok := value.(map[string]any)
		require.True(t, ok, key)
		value = section[name]
	}
	return value
}

// logged waits until the log has a text.
func (s *server) logged(t *testing.T, text string) {
	t.Helper()
	require.Eventually(t, func() bool { return strings.Contains(s.log.String(), text) }, 10*time.Second, 10*time.Millisecond, text)
}

// TestTheReferenceConfigurationIsInForce loads the two blocks that the reference
// architecture defines, with each value changed from its default.
func TestTheReferenceConfigurationIsInForce(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "settings.yaml")
	require.NoError(t, os.WriteFile(file, []byte(`
systemHardening:
  healthMonitoring: {enabled: false, checkInterval: 20000}
  performanceMonitoring: {enabled: false, checkInterval: 4000}
  errorRecovery: {enabled: false, maxAttempts: 2}
  resourceManagement: {enabled: false, maxMemory: "3GB"}
services:
  audioProcessor: {maxMemory: "1GB", recoverable: false}
  modelService: {maxMemory: "2GB", recoverable: false}
`), 0o600))
	s := start(t, "--config", file)
	for key, want := range map[string]any{
		"systemHardening.healthMonitoring.enabled": false, "systemHardening.healthMonitoring.checkInterval": "20s",
		"systemHardening.performanceMonitoring.enabled": false, "systemHardening.performanceMonitoring.checkInterval": "4s",
		"systemHardening.errorRecovery.enabled": false, "systemHardening.errorRecovery.maxAttempts": 2.0,
		"systemHardening.resourceManagement.enabled": false, "systemHardening.resourceManagement.maxMemory": "3GB",
		"services.audioProcessor.maxMemory": "1GB", "services.audioProcessor.recoverable": false,
		"services.modelService.maxMemory": "2GB", "services.wav2vec2.recoverable": false, "services.wav2vec2.maxMemory": "2GB",
	} {
		require.Equal(t, want, s.setting(t, key), key)
	}
	_, body := s.get(t, "/v1/system")
	for _, name := range []string{"healthMonitoring", "performanceMonitoring", "errorRecovery", "resourceManagement"} {
		require.Regexp(t, `"enabled":false,"kind":"hardening","name":"`+name+`","state":"off"`, body)
	}
}

func TestSettingsThatAreNotLiveAreRefusedByName(t *testing.T) {
	t.Parallel()
	s := start(t)
	status, body := s.patch(t, `{"log":{"level":"debug"},"hardening":{"breaker":{"failures":7}},"dataDir":"elsewhere"}`)
	require.Equal(t, http.StatusBadRequest, status)
	require.Contains(t, body, `{"field":"dataDir","problem":"cannot change while the server runs: the folder is locked when the server `+
		`starts"}`)
	require.Contains(t, body, `"field":"hardening.breaker.failures"`)
	require.Equal(t, "info", s.setting(t, "log.level"), "refused whole")

	status, body = s.patch(t, `{"log":{"leval":"debug"}}`)
	require.Equal(t, http.StatusBadRequest, status)
	require.Contains(t, body, "did you mean log.level")
	for _, bad := range []string{`{"log":{"level":"loud"}}`, `{"systemHardening":{"resourceManagement":{"queueLimit":0}}}`,
		`{"services":{"wav2vec2":{"keepAlive":"soon"}}}`, `[]`, `{"log":3}`, `{"log":{"level":{"a":1}}}`} {
		status, body = s.patch(t, bad)
		require.Equal(t, http.StatusBadRequest, status, "%s: %s", bad, body)
	}

	status, body = s.patch(t, `{"log":{"level":"debug"},"services":{"modelService":{"keepAlive":"5m"}},`+
		`"systemHardening":{"resourceManagement":{"maxMemory":"64MiB"}}}`)
	require.Equal(t, http.StatusOK, status, body)
	require.Equal(t, "5m", s.setting(t, "services.wav2vec2.keepAlive"), "inherited")
	_, _ = s.get(t, "/livez")
	s.logged(t, `"level":"DEBUG"`)
	_, body = s.get(t, "/v1/resources")
	require.Contains(t, body, `"budget_bytes":67108864`)
	status, body = s.transcribe(t, wav(16000, 1, 16000*30), "window_seconds", "0")
	require.Equal(t, http.StatusRequestEntityTooLarge, status, "the smaller budget is in force: %s", body)

	status, body = s.patch(t, `{"log":null,"systemHardening":{"resourceManagement":{"maxMemory":null}}}`)
	require.Equal(t, http.StatusOK, status, body)
	require.Equal(t, "info", s.setting(t, "log.level"), "null takes a change back")
}

func TestPerformanceIsSampledAndSwitched(t *testing.T) {
	t.Parallel()
	s := start(t)
	status, body := s.patch(t, `{"systemHardening":{"performanceMonitoring":{"checkInterval":"100ms","maxGoroutines":1,"sustain":1}}}`)
	require.Equal(t, http.StatusOK, status, body)
	status, body = s.transcribe(t, clip(t, "clip09.wav"))
	require.Equal(t, http.StatusOK, status, body)
	require.Eventually(t, func() bool {
		_, body = s.get(t, "/v1/system/performance?samples=1")
		return strings.Contains(body, `"latency_p95_seconds":`)
	}, 10*time.Second, 50*time.Millisecond)
	require.NotContains(t, body, `"resident_bytes":0`)
	require.Contains(t, body, `"name":"goroutines"`)
	_, body = s.get(t, "/healthz")
	require.Contains(t, body, `"warnings":[{"detail":"there are`)
	s.logged(t, `"msg":"performance warning"`)
	_, body = s.get(t, "/metrics")
	require.Contains(t, body, `grym_performance_warning{warning="goroutines"} 1`)

	status, body = s.patch(t, `{"systemHardening":{"performanceMonitoring":{"enabled":false}}}`)
	require.Equal(t, http.StatusOK, status, body)
	_, body = s.get(t, "/v1/system/performance")
	require.Contains(t, body, `"samples":[]`)
	_, body = s.get(t, "/healthz")
	require.Contains(t, body, `"warnings":[]`)
}

func TestSIGHUPReadsTheFileAgain(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "settings.yaml")
	write := func(text string) { require.NoError(t, os.WriteFile(file, []byte(text), 0o600)) }
	write("{}\n")
	s := start(t, "--config", file)
	status, body := s.patch(t, `{"services":{"wav2vec2":{"keepAlive":"7m"}}}`)
	require.Equal(t, http.StatusOK, status, body)

	write("log: {level: debug}\nservices: {audioldm: {keepAlive: 3m}}\n")
	require.NoError(t, s.cmd.Process.Signal(syscall.SIGHUP))
	s.logged(t, `"msg":"settings reloaded"`)
	require.Equal(t, "debug", s.setting(t, "log.level"))
	require.Equal(t, "3m", s.setting(t, "services.audioldm.keepAlive"))
	require.Equal(t, "7m", s.setting(t, "services.wav2vec2.keepAlive"), "a patch stays in force")

	write("log: {level: warn}\nhardening: {timeout: 1m}\n")
	require.NoError(t, s.cmd.Process.Signal(syscall.SIGHUP))
	s.logged(t, `"msg":"settings not reloaded"`)
	s.logged(t, "hardening.timeout")
	require.Equal(t, "debug", s.setting(t, "log.level"), "refused whole")
	status, body = s.transcribe(t, clip(t, "clip09.wav"))
	require.Equal(t, http.StatusOK, status, body)
}

func TestTheLogLevelHasItsOwnRoute(t *testing.T) {
	t.Parallel()
	s := start(t)
	put := func(body string) (int, string) {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodPut, s.url+"/v1/system/log-level", strings.NewReader(body))
		require.NoError(t, err)
		request.Header.Set("Content-Type", "application/json")
		return do(t, request)
	}
	status, body := s.get(t, "/v1/system/log-level")
	require.Equal(t, http.StatusOK, status)
	require.JSONEq(t, `{"level":"info"}`, body)
	status, body = put(`{"level":"debug"}`)
	require.Equal(t, http.StatusOK, status, body)
	require.JSONEq(t, `{"level":"debug"}`, body)
	_, _ = s.get(t, "/livez")
	s.logged(t, `"level":"DEBUG"`)
	require.Equal(t, "debug", s.setting(t, "log.level"), "one setting, two routes")
	for _, bad := range []string{`{"level":"loud"}`, `{}`, `{"level":"info","format":"text"}`, `"info"`} {
		status, body = put(bad)
		require.Equal(t, http.StatusBadRequest, status, "%s: %s", bad, body)
	}
	status, body = s.patch(t, `{"log":{"level":null}}`)
	require.Equal(t, http.StatusOK, status, body)
	_, body = s.get(t, "/v1/system/log-level")
	require.JSONEq(t, `{"level":"info"}`, body)
}
