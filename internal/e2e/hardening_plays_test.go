package e2e

import (
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/stretchr/testify/require"
)

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
	job := p.s.submit(t, `{"service":"wav2vec2","task":"transcribe"}`, p.short)
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
	_, body = p.s.get(t, "/v1/jobs/"+job.ID)
	require.Contains(t, body, `"status":"queued"`, "a job waits")
	status, body = p.change("reset", "")
	require.Equal(t, http.StatusOK, status, body)
	status, _, v := p.ask("short", p.short)
	require.Equal(t, http.StatusOK, status)
	require.Empty(t, v.Held)
	require.Equal(t, http.StatusOK, v.Ready)
	require.Eventually(t, func() bool {
		_, body = p.s.get(t, "/v1/jobs/"+job.ID)
		return strings.Contains(body, `"status":"succeeded"`)
	}, 30*time.Second, 50*time.Millisecond)
	p.note("the job has succeeded")
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
