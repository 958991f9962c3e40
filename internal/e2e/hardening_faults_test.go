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
	{"an operator's open breaker", failing, playOperatorsOpen},
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

// playFailingUsers has one failing request after the other, fewer than a breaker's
// failures between two health checks, and then users whose requests succeed.
func playFailingUsers(p *play) {
	t, failed, refused, red := p.t, 0, 0, 0
	var left time.Duration // of the refusal before
	var at time.Time
	every(700*time.Millisecond, func() bool {
		status, after, v := p.ask("long", p.long)
		switch status {
		case http.StatusInternalServerError:
			failed++
		case http.StatusServiceUnavailable:
			refused++
			if passed := time.Since(at); left > passed && left > 2*time.Second {
				require.InDelta(t, (left - passed).Seconds(), after.Seconds(), 1.5, "Retry-After counts down")
			}
			left, at = after, time.Now()
		default:
			t.Fatalf("status %d", status)
		}
		if failed >= 4 {
			require.NotEqual(t, "healthy", v.Status, "%d of %d requests failed", failed, failed)
			require.Contains(t, []string{"failing", "unproven"}, v.Health)
			require.Equal(t, v.Health, v.Gauge)
		}
		if v.Health == "failing" {
			red++
			require.Equal(t, http.StatusServiceUnavailable, v.Ready)
			require.Equal(t, "unhealthy", v.Status)
			require.NotEmpty(t, v.Reasons)
		}
		return failed+refused < 24
	})
	require.Positive(t, refused, "it is refused after failures in a row")
	require.Positive(t, red)
	p.await("unproven", 30*time.Second, func(v view) bool { return v.Health == "unproven" && v.Ready == http.StatusOK })
	status, _, v := p.ask("short", p.short)
	require.Equal(t, http.StatusOK, status)
	require.Equal(t, "unproven", v.Health, "one success is not enough")
	status, _, v = p.ask("short", p.short)
	require.Equal(t, http.StatusOK, status)
	require.Equal(t, "healthy healthy", v.Health+" "+v.Status)
}

// playHalfFailing alternates failures and successes, so that the breaker stays closed,
// and then leaves the model alone.
func playHalfFailing(p *play) {
	t := p.t
	for i := range 8 {
		audio, name := p.long, "long"
		if i%2 == 1 {
			audio, name = p.short, "short"
		}
		_, _, v := p.ask(name, audio)
		require.Equal(t, "closed", v.Breaker)
		if i >= 3 {
			require.Equal(t, "failing", v.Health)
			require.Equal(t, http.StatusServiceUnavailable, v.Ready)
			require.Equal(t, "unhealthy", v.Status)
		}
	}
	p.await("unproven", 20*time.Second, func(v view) bool { return v.Health == "unproven" && v.Ready == http.StatusOK })
	status, _, v := p.ask("long", p.long)
	require.Equal(t, http.StatusInternalServerError, status)
	require.Equal(t, "failing", v.Health, "a failed trial")
	require.Equal(t, "open", v.Breaker)
	status, after, _ := p.ask("short", p.short)
	require.Equal(t, http.StatusServiceUnavailable, status)
	require.Positive(t, after)
	require.LessOrEqual(t, after, 10*time.Second)
}

// playStalledRun has runs until the watchdog has stopped one.
func playStalledRun(p *play) {
	t, audio := p.t, wav(16000, 1, 30*16000)
	require.Eventually(t, func() bool {
		status, body := p.s.transcribe(t, audio, "window_seconds", "0")
		p.note("%-32s %s", fmt.Sprintf("30 s in one run %d", status), p.look())
		if status == http.StatusOK {
			return false
		}
		require.Equal(t, http.StatusGatewayTimeout, status, body)
		return true
	}, time.Minute, 10*time.Millisecond, "no run has stalled")
	p.await("ready again", 20*time.Second, func(v view) bool { return v.Ready == http.StatusOK && v.State == "ready" })
	status, _, v := p.ask("short", p.short)
	require.Equal(t, http.StatusOK, status)
	require.Equal(t, http.StatusOK, v.Ready)
}

// playOperatorsOpen opens the breaker while recovery and health checks are on.
func playOperatorsOpen(p *play) {
	t := p.t
	status, body := p.change("open", `{"reason":"the disk is being replaced"}`)
	require.Equal(t, http.StatusOK, status, body)
	every(time.Second, func() bool {
		status, _, v := p.ask("short", p.short)
		require.Equal(t, http.StatusServiceUnavailable, status)
		require.Equal(t, "open", v.Breaker)
		require.Equal(t, "the disk is being replaced", v.Held)
		require.Equal(t, http.StatusServiceUnavailable, v.Ready)
		require.Contains(t, strings.Join(v.Reasons, "\n"), "the disk is being replaced")
		return time.Since(p.began) < 7*time.Second
	})
	_, _, body = p.s.ask(t, p.short, "")
	require.Contains(t, body, "the disk is being replaced")
	status, body = p.change("reset", "")
	require.Equal(t, http.StatusOK, status, body)
	status, _, v := p.ask("short", p.short)
	require.Equal(t, http.StatusOK, status)
	require.Empty(t, v.Held)
	require.Equal(t, http.StatusOK, v.Ready)
}

// playUnloaded has health checks after a model was unloaded.
func playUnloaded(p *play) {
	t := p.t
	status, _, body := p.s.ask(t, p.short, "cond")
	require.Equal(t, http.StatusOK, status, body)
	status, body = p.s.post(t, "/v1/services/wav2vec2/unload?model=cond")
	require.Equal(t, http.StatusOK, status, body)
	canaries := func() string {
		_, metrics := p.s.get(t, "/metrics")
		for _, line := range strings.Split(metrics, "\n") {
			if strings.HasPrefix(line, `grym_health_checks_total{check="canary",model="",ok="true",service="wav2vec2"}`) {
				return line
			}
		}
		return ""
	}
	first := canaries()
	require.Eventually(t, func() bool { return strings.HasSuffix(canaries(), "} 4") }, time.Minute, 50*time.Millisecond, first)
	_, body = p.s.get(t, "/v1/resources")
	require.Contains(t, body, `"id":"wav2vec2/wav2vec2-tiny"`)
	require.NotContains(t, body, `"id":"wav2vec2/cond"`, "a health check has loaded it again")
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
