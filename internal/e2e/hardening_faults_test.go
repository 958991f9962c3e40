package e2e

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/grym-synth/grym-synth/services/modelstore/modeltest"
)

// hardeningFaults are faults that are played against the real binary over HTTP, with the
// intervals of its settings shortened. Each prints the timeline of what a client and an
// operator see: go test ./internal/e2e -run HardeningFaults -v.
var hardeningFaults = []hardeningFault{
	{"a model whose users fail and whose canary succeeds", failing, playFailingUsers},
	{"a model that one success in two keeps from opening its breaker", unmonitored, playHalfFailing},
	{"a run that stalls without monitoring and recovery", stalling, playStalledRun},
	{"an operator's open breaker", failing + "jobs: {retry: {delay: 100ms, maxDelay: 1s}}\n", playOperatorsOpen},
	{"a model that was unloaded beside a loaded one", checked, playUnloaded},
}

// hardeningFault is one entry of the table. Its model, cond, answers NaN for recordings
// of more than two seconds.
type hardeningFault struct {
	name, settings string
	play           func(p *play)
}

// The settings of the faults: with everything, without health checks and recovery, with
// frequent health checks, and with a short time after which a run has stalled.
const (
	faultModel = "readiness: {required: [wav2vec2]}\nservices: {wav2vec2: {defaultModel: cond}}\n"
	failing    = faultModel + `
systemHardening: {healthMonitoring: {checkInterval: 2s}, errorRecovery: {delay: 100ms, maxDelay: 200ms, maxAttempts: 2}}
hardening: {health: {window: 6s, minCalls: 4, trials: 2}}
`
	unmonitored = faultModel + `
systemHardening: {healthMonitoring: {enabled: false}, errorRecovery: {enabled: false}}
hardening: {health: {window: 3s, minCalls: 4, trials: 2}}
`
	checked  = "readiness: {required: [wav2vec2]}\nsystemHardening: {healthMonitoring: {checkInterval: 1s}}\n"
	stalling = `
readiness: {required: [wav2vec2]}
systemHardening: {healthMonitoring: {enabled: false}, errorRecovery: {enabled: false}}
hardening: {stallTimeout: 100ms}
`
)

func TestHardeningFaults(t *testing.T) {
	t.Parallel()
	for _, fault := range hardeningFaults {
		t.Run(fault.name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			modeltest.CopySpeech(t, dir, "cond", modeltest.FailsBeyond(t, 2*16000))
			s := startWith(t, options{dataDir: dir, settings: fault.settings})
			p := &play{t: t, s: s, short: clip(t, "clip09.wav"), long: wav(16000, 1, 3*16000), began: time.Now()}
			t.Cleanup(func() { t.Logf("timeline:\n%s", p.timeline()) })
			fault.play(p)
		})
	}
}

// play is one fault under way.
type play struct {
	t           *testing.T
	s           *server
	short, long []byte
	began       time.Time

	mu    sync.Mutex
	lines []string
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

// note adds a line to the timeline.
func (p *play) note(format string, args ...any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.lines = append(p.lines, fmt.Sprintf("%6.2fs  ", time.Since(p.began).Seconds())+fmt.Sprintf(format, args...))
}

func (p *play) timeline() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return strings.Join(p.lines, "\n")
}

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
