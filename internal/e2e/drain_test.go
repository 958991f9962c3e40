package e2e

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/grym-synth/grym-synth/services/modelstore/modeltest"
)

// shownTask is a task as the tests read it.
type shownTask struct {
	ID, Service, Model, Task, State, Stage, Priority string
	RequestID                                        string `json:"request_id"`
	JobID                                            string `json:"job_id"`
	Caller                                           string
	Progress                                         float64
	Since                                            time.Time
	Started                                          *time.Time
	Lease                                            *struct {
		Bytes   int64
		RunSlot bool `json:"run_slot"`
	}
}

// tasks lists the tasks that the caller of a key sees.
func (s *server) tasks(t *testing.T, key string) []shownTask {
	t.Helper()
	status, body := s.asKey(t, key, http.MethodGet, "/v1/tasks")
	require.Equal(t, http.StatusOK, status, body)
	var list struct{ Data []shownTask }
	require.NoError(t, json.Unmarshal([]byte(body), &list), body)
	return list.Data
}

// asKey sends a request without a body with an API key, or without one if it is empty.
func (s *server) asKey(t *testing.T, key, method, path string) (int, string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, s.url+path, http.NoBody)
	require.NoError(t, err)
	if key != "" {
		request.Header.Set("Authorization", "Bearer "+key)
	}
	return do(t, request)
}

// awaitTasks waits until the listed tasks are in the given states, in any order.
func (s *server) awaitTasks(t *testing.T, key string, states ...string) (list []shownTask) {
	t.Helper()
	require.Eventually(t, func() bool {
		list = s.tasks(t, key)
		counts := make(map[string]int)
		for _, state := range states {
			counts[state]++
		}
		for _, task := range list {
			counts[task.State]--
		}
		for _, n := range counts {
			if n != 0 {
				return false
			}
		}
		return true
	}, time.Minute, 5*time.Millisecond, "the tasks are not %v", states)
	return list
}

// replied is the answer to a request sent in the background.
type replied struct {
	status int
	body   string
}

// inBackground sends a request from another goroutine; the test waits for its answer.
func inBackground(t *testing.T, send func() (int, string)) <-chan replied {
	t.Helper()
	answers := make(chan replied, 1)
	var sending sync.WaitGroup
	sending.Go(func() {
		status, body := send()
		answers <- replied{status, body}
	})
	t.Cleanup(sending.Wait)
	return answers
}

// playDrainedService drains a service with a long recording at
// work; sends requests and jobs; restarts the server; and resumes.
func playDrainedService(t *testing.T) {
	t.Helper()
	dir := t.TempDir()
	modeltest.CopySpeech(t, dir, "other", func(data []byte) []byte { return data })
	o := options{dataDir: dir, settings: "services: {wav2vec2: {runs: 1}}\njobs: {retry: {delay: 10ms}}\n"}
	s := startWith(t, o)
	short, reason := clip(t, "clip09.wav"), `new weights at noon`
	long := inBackground(t, func() (int, string) { return s.transcribe(t, longSpeech(t, 600), "response_format", "text") })
	s.awaitTasks(t, "", "running")
	body := s.expectJSON(t, http.StatusOK, http.MethodPost, "/v1/services/wav2vec2/drain", `{"reason":"`+reason+`"}`)
	require.Contains(t, body, `"drains":[{"reason":"`+reason+`","running":1,"since":`)
	status, body := s.sendForm(t, "/v1/audio/embeddings", short, "model", "other")
	require.Equal(t, http.StatusServiceUnavailable, status, body)
	require.Contains(t, body, `"type":"urn:grym-synth:problem:unavailable"`)
	require.Contains(t, body, reason)
	status, body = s.transcribe(t, short, "model", "other")
	require.Equal(t, http.StatusServiceUnavailable, status, body)
	require.True(t, strings.HasPrefix(body, `{"error":`), body)
	require.Contains(t, body, reason)
	job := s.submit(t, `{"service":"wav2vec2"}`, short).ID
	later := s.submit(t, `{"service":"wav2vec2","params":{"model":"other"}}`, short).ID
	s.checkDrained(t, reason, job, later)
	done := <-long
	require.Equal(t, http.StatusOK, done.status, "running work ends: %s", done.body)
	_, body = s.get(t, "/v1/services/wav2vec2")
	require.Contains(t, body, `"running":0`)
	require.Empty(t, s.tasks(t, ""))

	require.NoError(t, s.stop(t))
	settings := settingsFile(t, o.settings)
	again, listening := launch(t, "--data-dir", dir, "--config", settings)
	again.await(t, listening)
	s = again
	require.Eventually(t, func() bool {
		status, _ := s.get(t, "/v1/jobs/"+later)
		return status == http.StatusOK
	}, startTimeout, 5*time.Millisecond)
	s.checkDrained(t, reason, job, later)
	status, body = s.transcribe(t, short)
	require.Equal(t, http.StatusServiceUnavailable, status, body)

	body = s.expectJSON(t, http.StatusOK, http.MethodPost, "/v1/services/wav2vec2/resume", "")
	require.NotContains(t, body, `"drains"`)
	for _, id := range []string{job, later} {
		require.Eventually(t, func() bool {
			_, body = s.get(t, "/v1/jobs/"+id)
			return strings.Contains(body, `"status":"succeeded"`)
		}, time.Minute, 5*time.Millisecond, "the job does not go on: %s", body)
	}
	status, body = s.transcribe(t, short)
	require.Equal(t, http.StatusOK, status, body)
	require.Eventually(t, func() bool { return s.ready(t) }, time.Minute, 5*time.Millisecond)
}

// checkDrained looks at everything that shows the state of a drained service, and at jobs
// that wait for it.
func (s *server) checkDrained(t *testing.T, reason string, jobs ...string) {
	t.Helper()
	sentence := "service wav2vec2 is drained by an operator: " + reason
	for _, path := range []string{"/readyz", "/readyz/wav2vec2"} {
		status, body := s.get(t, path)
		require.Equal(t, http.StatusServiceUnavailable, status, body)
		require.Contains(t, body, sentence)
	}
	_, body := s.get(t, "/healthz")
	require.Contains(t, body, `"drained":"`+sentence+`"`)
	_, body = s.get(t, "/metrics")
	require.Contains(t, body, `grym_service_drained{model="",service="wav2vec2"} 1`)
	require.Contains(t, body, `grym_service_drained{model="",service="gama"} 0`)
	for _, id := range jobs {
		_, body := s.get(t, "/v1/jobs/"+id)
		require.Contains(t, body, `"status":"queued"`)
	}
}

// playDrainedModel drains one model of a service.
func playDrainedModel(t *testing.T) {
	t.Helper()
	dir := t.TempDir()
	modeltest.CopySpeech(t, dir, "other", func(data []byte) []byte { return data })
	s := startWith(t, options{dataDir: dir})
	short := clip(t, "clip09.wav")
	asked := func(want int, fields ...string) string {
		t.Helper()
		status, body := s.transcribe(t, short, fields...)
		require.Equal(t, want, status, body)
		return body
	}
	s.expectJSON(t, http.StatusOK, http.MethodPost, "/v1/services/wav2vec2/drain?model=other", "")
	asked(http.StatusOK)
	require.Contains(t, asked(http.StatusServiceUnavailable, "model", "other"), "model other of service wav2vec2 is drained by an operator")
	require.True(t, s.ready(t))
	_, body := s.get(t, "/metrics")
	require.Contains(t, body, `grym_service_drained{model="other",service="wav2vec2"} 1`)
	_, body = s.get(t, "/v1/models/other")
	require.Contains(t, body, `"problem":"is drained by an operator"`)
	s.expectJSON(t, http.StatusOK, http.MethodPost, "/v1/services/wav2vec2/resume", `{}`)
	asked(http.StatusServiceUnavailable, "model", "other")
	s.expectJSON(t, http.StatusOK, http.MethodPost, "/v1/services/wav2vec2/resume?model=other", `{}`)
	asked(http.StatusOK, "model", "other")

	s.expectJSON(t, http.StatusOK, http.MethodPost, "/v1/services/wav2vec2/drain?model=wav2vec2-tiny", `{"reason":"slow"}`)
	require.Contains(t, asked(http.StatusServiceUnavailable), "slow", "the default model, unnamed")
	asked(http.StatusOK, "model", "other")
	require.False(t, s.ready(t))
	for path, body := range map[string]string{
		"/v1/services/none/drain":                "",
		"/v1/services/wav2vec2/drain?model=none": "",
	} {
		s.expectJSON(t, http.StatusNotFound, http.MethodPost, path, body)
	}
	for _, body := range []string{`{"reason":7}`, `{"reason":"a\nb"}`, `{"why":"x"}`, fmt.Sprintf(`{"reason":"%0501d"}`, 0)} {
		s.expectJSON(t, http.StatusBadRequest, http.MethodPost, "/v1/services/wav2vec2/drain", body)
	}
}
