package e2e

import (
	"encoding/json"
	"flag"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/grym-synth/grym-synth/services/modelstore/modeltest"
	"github.com/stretchr/testify/require"
)

// go test ./internal/e2e -run BrokenModel -broken 60s -v.
var brokenFor = flag.Duration("broken", 0, "ask broken models for so long; 0 asks each for a number of times")

// poisoned overwrites the weights of a model file with NaN.
func poisoned(data []byte) []byte {
	data = slices.Clone(data)
	for i := len(data) / 2; i < len(data)/2+4096; i++ {
		data[i] = 0xff
	}
	return data
}

// halfCopied truncates a model file, as an interrupted copy does.
func halfCopied(data []byte) []byte { return data[:len(data)/2] }

// outcomes counts the responses for a model by status.
type outcomes struct {
	mu       sync.Mutex
	statuses map[int]int
	problems []string
}

// add counts a response and records unexpected ones.
func (a *outcomes) add(status int, problem string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.statuses == nil {
		a.statuses = make(map[int]int)
	}
	a.statuses[status]++
	if problem != "" && len(a.problems) < 5 {
		a.problems = append(a.problems, problem)
	}
}

func (a *outcomes) count(status int) int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.statuses[status]
}

// unless returns the body of a response unless it has the wanted status.
func unless(want, status int, body string) string {
	if status == want {
		return ""
	}
	return body
}

// total returns the number of responses.
func (a *outcomes) total() (n int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, count := range a.statuses {
		n += count
	}
	return n
}

// ask transcribes with a model, or with the default model if the name is empty.
func (s *server) ask(t *testing.T, audio []byte, model string) (status int, retryAfter, answer string) {
	t.Helper()
	var fields []string
	if model != "" {
		fields = []string{"model", model}
	}
	body, contentType := form(t, audio, fields...)
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.url+"/v1/audio/transcriptions", body)
	if err != nil {
		return 0, "", err.Error()
	}
	request.Header.Set("Content-Type", contentType)
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return 0, "", err.Error()
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		return 0, "", err.Error()
	}
	return response.StatusCode, response.Header.Get("Retry-After"), string(text)
}

// caring settings let recovery and health checks react within seconds, with enough time for
// a canary on a slow machine.
func caring(t *testing.T) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "settings.yaml")
	require.NoError(t, os.WriteFile(name, []byte(`
readiness: {required: [wav2vec2]}
systemHardening:
  healthMonitoring: {checkInterval: 3s}
  errorRecovery: {delay: 50ms, maxDelay: 100ms, timeout: 5s}
`), 0o600))
	return name
}

// broken is a server with broken model folders, and clients that use them and the default
// model.
type broken struct {
	t      *testing.T
	s      *server
	dir    string
	audio  []byte
	models []string

	normal, probes outcomes
	asked          map[string]*outcomes
}

// load has three clients for each broken model, two for the default one, and one that
// requests the readiness probe.
func (b *broken) load(each int, lasting time.Duration) {
	deadline := time.Now().Add(lasting)
	var work, steady sync.WaitGroup
	done := make(chan struct{})
	for _, model := range b.models {
		for range 3 {
			work.Go(func() {
				for i := 0; i < each || b.normal.total() < 2*each || time.Now().Before(deadline); i++ {
					status, retry, body := b.s.ask(b.t, b.audio, model)
					problem := ""
					if status == http.StatusServiceUnavailable && retry == "" {
						problem = "no Retry-After: " + body
					}
					b.asked[model].add(status, problem)
				}
			})
		}
	}
	until := func(call func()) {
		steady.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
					call()
				}
			}
		})
	}
	for range 2 {
		until(func() {
			status, _, body := b.s.ask(b.t, b.audio, "")
			b.normal.add(status, unless(http.StatusOK, status, body))
		})
	}
	until(func() {
		status, body := b.s.get(b.t, "/readyz")
		b.probes.add(status, unless(http.StatusOK, status, body))
		time.Sleep(5 * time.Millisecond) // a probe's pace: it proves nothing
	})
	work.Wait()
	close(done)
	steady.Wait()
}

func newBroken(t *testing.T) *broken {
	t.Helper()
	b := &broken{t: t, dir: t.TempDir(), audio: clip(t, "clip09.wav"), models: []string{"nan", "cut"}, asked: make(map[string]*outcomes)}
	modeltest.CopySpeech(t, b.dir, "nan", poisoned)
	modeltest.CopySpeech(t, b.dir, "cut", halfCopied)
	modeltest.CopySpeech(t, b.dir, "good", func(data []byte) []byte { return data })
	for _, model := range b.models {
		b.asked[model] = &outcomes{}
	}
	b.s = start(t, "--data-dir", b.dir, "--config", caring(t))
	require.Eventually(t, func() bool { status, _ := b.s.get(t, "/readyz"); return status == http.StatusOK }, 20*time.Second,
		20*time.Millisecond)
	return b
}

// TestABrokenModelTakesNothingElseDown requests models whose files have NaN or are
// truncated, and the default model, under load.
func TestABrokenModelTakesNothingElseDown(t *testing.T) {
	t.Parallel()
	b := newBroken(t)
	b.load(25, *brokenFor)
	for _, model := range b.models {
		a := b.asked[model]
		t.Logf("%s: %v", model, a.statuses)
		require.Empty(t, a.problems, model)
		require.Zero(t, a.count(http.StatusOK), model)
		if model == "cut" {
			// The damage is visible in the file, so the model is refused before it runs.
			require.Equal(t, a.total(), a.count(http.StatusBadRequest))
			continue
		}
		require.Positive(t, a.count(http.StatusInternalServerError), "%s: it fails", model)
		require.Positive(t, a.count(http.StatusServiceUnavailable), "%s: it is cut off", model)
	}
	t.Logf("default: %v, probes: %v", b.normal.statuses, b.probes.statuses)
	if t.Failed() || len(b.normal.statuses) > 1 {
		t.Log(b.s.log)
	}
	require.Len(t, b.normal.statuses, 1, "%v %q", b.normal.statuses, b.normal.problems)
	require.Positive(t, b.normal.count(http.StatusOK))
	require.Len(t, b.probes.statuses, 1, "%v %q", b.probes.statuses, b.probes.problems)
	require.Positive(t, b.probes.count(http.StatusOK))

	status, _, body := b.s.ask(t, b.audio, "good")
	require.Equal(t, http.StatusOK, status, body)
	b.reports()
	for _, model := range b.models {
		modeltest.CopySpeech(t, b.dir, model, func(data []byte) []byte { return data })
	}
	for _, model := range b.models {
		require.Eventually(t, func() bool {
			status, _, body = b.s.ask(t, b.audio, model)
			return status == http.StatusOK
		}, 30*time.Second, 50*time.Millisecond, "%s is mended and does not serve: %s", model, body)
	}
	b.gone("nan")
}

// reports checks what the server reports of the broken models.
func (b *broken) reports() {
	t := b.t
	var service struct {
		State, Breaker string
		Models         []struct{ ID, State, Problem, Breaker string }
		Events         []struct{ Model, To string }
	}
	_, body := b.s.get(t, "/v1/services/wav2vec2")
	require.NoError(t, json.Unmarshal([]byte(body), &service), body)
	require.Equal(t, "ready closed", service.State+" "+service.Breaker)
	for _, model := range service.Models {
		switch model.ID {
		case "nan":
			require.Contains(t, []string{"recovering", "unavailable"}, model.State, model.ID)
			require.Contains(t, model.Problem, "is being recovered", model.ID)
		case "cut":
			require.Equal(t, "unavailable", model.State)
			require.Contains(t, model.Problem, "cut/", model.ID)
		default:
			require.Empty(t, model.Problem, model.ID)
			require.Equal(t, "ready closed", model.State+" "+model.Breaker, model.ID)
		}
	}
	for _, event := range service.Events {
		if event.Model == "" {
			require.Contains(t, []string{"initializing", "ready"}, event.To, "the service's own life")
		} else {
			require.Equal(t, "nan", event.Model)
		}
	}
	var health struct {
		Status   string
		Services []struct {
			Name, State string
			Models      []struct{ Name, State string }
		}
	}
	_, body = b.s.get(t, "/healthz")
	require.NoError(t, json.Unmarshal([]byte(body), &health), body)
	for _, s := range health.Services {
		if s.Name == "wav2vec2" {
			require.Equal(t, "ready", s.State)
			require.Len(t, s.Models, 2)
		}
	}
	_, metrics := b.s.get(t, "/metrics")
	require.Contains(t, metrics, `grym_breaker_transitions_total{model="",service="wav2vec2",to="open"} 0`)
	require.Contains(t, metrics, `grym_recoveries_total{model="",outcome="failure",service="wav2vec2"} 0`)
	require.NotContains(t, metrics, `grym_recoveries_total{model="nan",outcome="failure",service="wav2vec2"} 0`)
	require.Contains(t, metrics, `grym_recoveries_total{model="nan",outcome="success",service="wav2vec2"} 0`)
	require.NotContains(t, metrics, `grym_recoveries_total{model="cut"`)
}

// gone removes a model's folder and checks that its metrics disappear; an unknown name
// never has metrics.
func (b *broken) gone(model string) {
	t := b.t
	status, _, body := b.s.ask(t, b.audio, "made-up")
	require.Equal(t, http.StatusNotFound, status, body)
	_, metrics := b.s.get(t, "/metrics")
	require.Contains(t, metrics, `model="`+model+`"`)
	require.NoError(t, os.RemoveAll(filepath.Join(b.dir, "models", model)))
	require.Eventually(t, func() bool {
		_, metrics = b.s.get(t, "/metrics")
		return !strings.Contains(metrics, `model="`+model+`"`)
	}, 10*time.Second, 50*time.Millisecond, "the model has gone and its series have not")
	require.NotContains(t, metrics, "made-up")
}
