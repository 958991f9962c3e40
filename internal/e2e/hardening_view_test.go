package e2e

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// play is one fault under way.
type play struct {
	t           *testing.T
	s           *server
	short, long []byte
	began       time.Time
}

// view is what an operator sees.
type view struct {
	// Status is that of /healthz, Ready the status of /readyz.
	Status         string
	Ready          int
	Reasons        []string
	State, Breaker string
	Held           string
	Health         string
	// Gauge is the value of the label health in the metrics.
	Gauge string
}

// String returns the view as a part of a line.
func (v view) String() string {
	return fmt.Sprintf("healthz %s, readyz %d, state %s, health %s (metrics: %s), breaker %s", v.Status, v.Ready, v.State, v.Health,
		v.Gauge, v.Breaker)
}

// note adds a line to the timeline of the test.
func (p *play) note(format string, args ...any) { timelineOf(p.t).note(format, args...) }

// look returns what an operator sees now.
func (p *play) look() (v view) {
	t := p.t
	t.Helper()
	var health struct {
		Status   string
		Services []struct {
			Name, State string
			Health      struct{ Status, Reason string }
			Hold        *struct{ Reason string } `json:"breaker_hold"`
		}
	}
	_, body := p.s.get(t, "/healthz")
	require.NoError(t, json.Unmarshal([]byte(body), &health), body)
	var service struct {
		Breaker string
		Health  struct{ Status string }
	}
	_, body = p.s.get(t, "/v1/services/wav2vec2")
	require.NoError(t, json.Unmarshal([]byte(body), &service), body)
	var ready struct{ Reasons []string }
	v.Ready, body = p.s.get(t, "/readyz")
	require.NoError(t, json.Unmarshal([]byte(body), &ready), body)
	v.Status, v.Reasons, v.Breaker = health.Status, ready.Reasons, service.Breaker
	for _, s := range health.Services {
		if s.Name == "wav2vec2" {
			v.State, v.Health = s.State, s.Health.Status
			if s.Hold != nil {
				v.Held = s.Hold.Reason
			}
		}
	}
	_, metrics := p.s.get(t, "/metrics")
	for _, line := range strings.Split(metrics, "\n") {
		if strings.HasPrefix(line, "grym_service_health{") && strings.Contains(line, `model="",service="wav2vec2"`) &&
			strings.HasSuffix(line, " 1") {
			_, rest, _ := strings.Cut(line, `health="`)
			v.Gauge, _, _ = strings.Cut(rest, `"`)
		}
	}
	return v
}

// ask sends one request and adds it and what an operator sees then to the timeline.
func (p *play) ask(name string, audio []byte) (status int, retryAfter time.Duration, v view) {
	p.t.Helper()
	status, retry, body := p.s.ask(p.t, audio, "")
	seconds, err := strconv.Atoi(retry)
	require.True(p.t, err == nil || retry == "", retry)
	v = p.look()
	if status != http.StatusOK {
		name += fmt.Sprintf(" %d", status)
	} else {
		name += " 200"
	}
	if retry != "" {
		name += ", Retry-After " + retry
	}
	p.note("%-32s %s", name, v)
	if status == http.StatusServiceUnavailable {
		require.NotEmpty(p.t, retry, body)
	}
	return status, time.Duration(seconds) * time.Second, v
}

// await waits until an operator sees what he is to see.
func (p *play) await(what string, within time.Duration, seen func(v view) bool) {
	p.t.Helper()
	var v view
	require.Eventually(p.t, func() bool { v = p.look(); return seen(v) }, within, 20*time.Millisecond, "never %s\n%s", what, p.s.log)
	p.note("%-32s %s", what, v)
}

// every calls fn at once and then at each interval, until it returns false.
func every(interval time.Duration, fn func() bool) {
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	for fn() {
		<-ticker.C
	}
}

// change opens or resets the breaker.
func (p *play) change(action, body string) (int, string) {
	p.t.Helper()
	reader := io.Reader(http.NoBody)
	if body != "" {
		reader = strings.NewReader(body)
	}
	request, err := http.NewRequestWithContext(p.t.Context(), http.MethodPost, p.s.url+"/v1/services/wav2vec2/breaker/"+action, reader)
	require.NoError(p.t, err)
	request.Header.Set("Content-Type", "application/json")
	status, text := do(p.t, request)
	p.note("breaker/%s %s: %d", action, body, status)
	return status, text
}
