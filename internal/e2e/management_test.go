package e2e

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/grym-synth/grym-synth/services/modelstore/modeltest"
	"github.com/stretchr/testify/require"
)

// post sends a request without a body.
func (s *server) post(t *testing.T, path string) (int, string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.url+path, http.NoBody)
	require.NoError(t, err)
	return do(t, request)
}

func TestServicesAreManaged(t *testing.T) {
	t.Parallel()
	s := start(t)
	status, body := s.get(t, "/v1/services")
	require.Equal(t, http.StatusOK, status, body)
	for _, name := range []string{"audioProcessor", "wav2vec2", "audioldm", "gama"} {
		require.Contains(t, body, `"name":"`+name+`"`)
	}
	var service struct {
		State, Breaker string
		Tasks          []struct {
			Name   string
			Schema map[string]any `json:"params_schema"`
		}
		Models []struct {
			ID    string
			State string
		}
		Events []struct{ To string }
	}
	load := func(status int, body string) {
		require.Equal(t, http.StatusOK, status, body)
		require.NoError(t, json.Unmarshal([]byte(body), &service), body)
	}
	load(s.get(t, "/v1/services/audioldm"))
	require.Equal(t, "registered closed", service.State+" "+service.Breaker)
	require.Equal(t, "generate", service.Tasks[0].Name)
	require.Contains(t, service.Tasks[0].Schema["properties"], "prompt")

	load(s.post(t, "/v1/services/audioldm/load"))
	require.Equal(t, "ready", service.State)
	require.Equal(t, "ready", service.Models[0].State)
	_, body = s.get(t, "/v1/resources")
	require.Contains(t, body, `"id":"audioldm/audioldm-tiny"`)
	load(s.post(t, "/v1/services/audioldm/unload?model=audioldm-tiny"))
	require.Equal(t, "ready registered", service.State+" "+service.Models[0].State)
	load(s.post(t, "/v1/services/audioldm/unload"))
	require.Equal(t, "registered", service.State)
	_, body = s.get(t, "/v1/resources")
	require.NotContains(t, body, `"id":"audioldm/audioldm-tiny"`)

	load(s.post(t, "/v1/services/wav2vec2/restart"))
	require.Equal(t, "ready", service.State)
	var life []string
	for _, step := range service.Events {
		life = append(life, step.To)
	}
	require.Equal(t, "initializing ready recovering ready", strings.Join(life, " "))
	status, body = s.transcribe(t, clip(t, "clip09.wav"))
	require.Equal(t, http.StatusOK, status, body)
}

func TestAnOperatorsBreaker(t *testing.T) {
	t.Parallel()
	// Recovery would restart it immediately.
	settings := filepath.Join(t.TempDir(), "settings.yaml")
	require.NoError(t, os.WriteFile(settings, []byte("systemHardening: {errorRecovery: {enabled: false}}\n"), 0o600))
	s := start(t, "--config", settings)
	status, body := s.post(t, "/v1/services/wav2vec2/breaker/open")
	require.Equal(t, http.StatusOK, status, body)
	require.Contains(t, body, `"breaker":"open"`)
	status, body = s.transcribe(t, clip(t, "clip09.wav"))
	require.Equal(t, http.StatusServiceUnavailable, status, body)
	status, body = s.post(t, "/v1/services/wav2vec2/breaker/reset")
	require.Equal(t, http.StatusOK, status, body)
	require.Contains(t, body, `"state":"ready"`)
	status, body = s.transcribe(t, clip(t, "clip09.wav"))
	require.Equal(t, http.StatusOK, status, body)
}

// TestOneModelIsManaged opens the breaker of one model, restarts and unloads it; the
// default model remains available.
func TestOneModelIsManaged(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	modeltest.CopySpeech(t, dir, "other", func(data []byte) []byte { return data })
	settings := filepath.Join(t.TempDir(), "settings.yaml")
	require.NoError(t, os.WriteFile(settings, []byte("systemHardening: {errorRecovery: {enabled: false}}\n"), 0o600))
	s := start(t, "--data-dir", dir, "--config", settings)
	audio := clip(t, "clip09.wav")
	asked := func(model string, want int) {
		t.Helper()
		status, body := s.transcribe(t, audio, "model", model)
		require.Equal(t, want, status, body)
	}
	posted := func(path string) string {
		t.Helper()
		status, body := s.post(t, "/v1/services/wav2vec2/"+path)
		require.Equal(t, http.StatusOK, status, body)
		return body
	}
	body := posted("breaker/open?model=other") // nobody has used it
	require.Contains(t, body, `"breaker":"closed","default_model"`, "the service's own")
	require.Contains(t, body, `"model":"other","to":"degraded"`)
	asked("other", http.StatusServiceUnavailable)
	asked("wav2vec2-tiny", http.StatusOK)
	posted("breaker/reset?model=other")
	asked("other", http.StatusOK)

	posted("breaker/open?model=wav2vec2-tiny")
	asked("wav2vec2-tiny", http.StatusServiceUnavailable)
	asked("other", http.StatusOK)
	_, body = s.get(t, "/healthz")
	require.Contains(t, body, `"name":"other","since":`)
	posted("restart?model=wav2vec2-tiny")
	asked("wav2vec2-tiny", http.StatusOK)
	_, body = s.get(t, "/v1/resources")
	require.Contains(t, body, `"id":"wav2vec2/other"`, "the restart of one model left the other loaded")
	posted("unload?model=other")
	_, body = s.get(t, "/v1/resources")
	require.NotContains(t, body, `"id":"wav2vec2/other"`)
	require.Contains(t, body, `"id":"wav2vec2/wav2vec2-tiny"`)
	posted("restart?model=other")
	_, body = s.get(t, "/v1/resources")
	require.Contains(t, body, `"id":"wav2vec2/other"`)
}

// TestABrokenDefaultFolderTakesNoOtherModelDown requests a model by name while the service
// cannot start with its default model.
func TestABrokenDefaultFolderTakesNoOtherModelDown(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	modeltest.CopySpeech(t, dir, "wav2vec2-tiny", halfCopied) // it shadows the embedded one
	modeltest.CopySpeech(t, dir, "other", func(data []byte) []byte { return data })
	s := start(t, "--data-dir", dir, "--config", caring(t))
	audio := clip(t, "clip09.wav")
	for range 10 {
		status, body := s.transcribe(t, audio)
		require.Equal(t, http.StatusServiceUnavailable, status, body)
		status, body = s.transcribe(t, audio, "model", "other")
		require.Equal(t, http.StatusOK, status, body)
	}
	status, body := s.get(t, "/readyz")
	require.Equal(t, http.StatusServiceUnavailable, status, body)
	modeltest.CopySpeech(t, dir, "wav2vec2-tiny", func(data []byte) []byte { return data })
	require.Eventually(t, func() bool {
		status, body = s.transcribe(t, audio)
		return status == http.StatusOK
	}, 30*time.Second, 50*time.Millisecond, "the default is mended and does not serve: %s", body)
	status, body = s.get(t, "/readyz")
	require.Equal(t, http.StatusOK, status, body)
}

// TestJobsOfAnIsolatedModelWaitAndOthersGoOn has a job that waits for a broken model until
// it is repaired, while a job of the default model runs.
func TestJobsOfAnIsolatedModelWaitAndOthersGoOn(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		recovery string
		// back is what an operator does after the repair; "" for nothing.
		back string
	}{
		"recovered": {recovery: "{delay: 50ms, maxDelay: 100ms, timeout: 5s}"},
		// The isolation does not end by itself, so the job waits indefinitely.
		"restarted": {"{enabled: false}", "/v1/services/wav2vec2/restart?model=nan"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			modeltest.CopySpeech(t, dir, "nan", poisoned)
			s := startWith(t, options{dataDir: dir, settings: `
hardening: {breaker: {delay: 1h}}
jobs: {retry: {delay: 50ms, maxDelay: 100ms}}
systemHardening:
  healthMonitoring: {checkInterval: 3s}
  errorRecovery: ` + c.recovery + "\n"})
			audio := clip(t, "clip09.wav")
			require.Eventually(t, func() bool {
				status, _ := s.transcribe(t, audio, "model", "nan")
				return status == http.StatusServiceUnavailable
			}, 20*time.Second, 10*time.Millisecond)
			waiting := s.submit(t, `{"service":"wav2vec2","params":{"model":"nan"}}`, audio)
			read := func(id string) shownJob {
				_, body := s.get(t, "/v1/jobs/"+id)
				return jobIn(t, body)
			}
			succeeded := func(id string) func() bool {
				return func() bool { return read(id).Status == "succeeded" }
			}
			require.Eventually(t, func() bool { return len(read(waiting.ID).AttemptLog) > 0 }, 20*time.Second, 20*time.Millisecond)
			other := s.submit(t, `{"service":"wav2vec2"}`, audio)
			require.Eventually(t, succeeded(other.ID), 20*time.Second, 20*time.Millisecond, "the job of the default model")
			require.NotContains(t, []string{"failed", "succeeded"}, read(waiting.ID).Status)
			for _, attempt := range read(waiting.ID).AttemptLog {
				require.Contains(t, []string{"", "unavailable"}, attempt.Outcome, "no attempt ran")
			}
			modeltest.CopySpeech(t, dir, "nan", func(data []byte) []byte { return data })
			if c.back != "" {
				status, body := s.post(t, c.back)
				require.Equal(t, http.StatusOK, status, body)
			}
			require.Eventually(t, succeeded(waiting.ID), 60*time.Second, 50*time.Millisecond, "the job of the mended model")
		})
	}
}

func TestWrongManagementIsExplained(t *testing.T) {
	t.Parallel()
	s := start(t)
	for path, want := range map[string]int{
		"/v1/services/nobody/load":                         http.StatusNotFound,
		"/v1/services/wav2vec2/explode":                    http.StatusBadRequest,
		"/v1/services/wav2vec2/load?model=nope":            http.StatusNotFound,
		"/v1/services/audioProcessor/load?model=x":         http.StatusBadRequest,
		"/v1/services/wav2vec2/restart?model=whatever":     http.StatusNotFound,
		"/v1/services/wav2vec2/breaker/open?model=nope":    http.StatusNotFound,
		"/v1/services/audioProcessor/restart?model=x":      http.StatusBadRequest,
		"/v1/services/audioProcessor/breaker/open?model=x": http.StatusBadRequest,
	} {
		status, body := s.post(t, path)
		require.Equal(t, want, status, "%s: %s", path, body)
	}
	config := filepath.Join(t.TempDir(), "config.yaml")
	require.NoError(t, os.WriteFile(config, []byte("auth: {mode: \"off\"}\n"), 0o600))
	open := start(t, "--listen", "0.0.0.0:0", "--config", config)
	status, body := open.post(t, "/v1/services/wav2vec2/restart")
	require.Equal(t, http.StatusForbidden, status, body)
	require.Contains(t, body, "loopback")
}
