package e2e

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// queued is the response to one of many requests at once: how long it took, and for a
// refusal its Retry-After.
type queued struct {
	status      int
	said        time.Duration
	began, ends time.Time
}

// rush sends requests at once, more than the queue has places.
func rush(t *testing.T, s *server, requests int, audio []byte) (all []queued) {
	t.Helper()
	all = make([]queued, requests)
	var sending sync.WaitGroup
	for i := range all {
		sending.Go(func() {
			q := queued{began: time.Now()}
			status, retry, _ := s.ask(t, audio, "")
			seconds, _ := strconv.Atoi(retry)
			q.status, q.said, q.ends = status, time.Duration(seconds)*time.Second, time.Now()
			all[i] = q
		})
	}
	sending.Wait()
	return all
}

// playFullQueue has a full queue of short recordings, and one of long ones. Each refusal has
// the time until the task would begin, which is the work that is ahead of it.
func playFullQueue(t *testing.T) {
	t.Helper()
	s := startWith(t, options{settings: "services: {wav2vec2: {runs: 1}}\nsystemHardening: {resourceManagement: {queueLimit: 4}}\n"})
	longest := make(map[string]time.Duration)
	for _, c := range []struct {
		name  string
		audio []byte
	}{{"short", clip(t, "clip09.wav")}, {"long", longSpeech(t, 120)}} {
		for range 2 { // the run time is measured
			status, body := s.transcribe(t, c.audio)
			require.Equal(t, http.StatusOK, status, body)
		}
		all := rush(t, s, 10, c.audio)
		var done time.Time
		for _, q := range all {
			if q.status == http.StatusOK && q.ends.After(done) {
				done = q.ends
			}
		}
		refused := 0
		for _, q := range all {
			if q.status == http.StatusOK {
				continue
			}
			require.Equal(t, http.StatusTooManyRequests, q.status)
			require.Positive(t, q.said)
			longest[c.name] = max(longest[c.name], q.said)
			refused++
		}
		require.Positive(t, refused)
		timelineOf(t).note("%s recordings: %d of %d refused, Retry-After up to %s, the work took %s", c.name, refused, len(all), longest[c.name],
			done.Sub(all[0].began).Round(10*time.Millisecond))
	}
	// On a fast machine both are the least, a second; package resources compares them with the truth.
	require.GreaterOrEqual(t, longest["long"], longest["short"])
}

// playRefusals sends what is refused for small reasons: a deadline at the zero time, names
// that are far too long, and receivers of webhooks with internal names.
func playRefusals(t *testing.T) {
	t.Helper()
	s := startWith(t, options{settings: "jobs: {webhooks: {maxAttempts: 1}}\n"})
	short := clip(t, "clip09.wav")
	status, body := s.postJob(t, `{"service":"wav2vec2","deadline":"0001-01-01T00:00:00Z"}`, short)
	require.Equal(t, http.StatusBadRequest, status, body)
	require.Contains(t, body, "deadline must be in the future")

	const most = 6 << 10
	large := strings.Repeat("x", 40<<10) // and 8 KiB in paths and header fields, which the server takes
	for path, body := range map[string]string{
		"/v1/audio/generations": `{"prompt":"rain","` + large + `":1}`, "/v1/jobs": `{"service":"` + large + `"}`,
		"/v1/chat/completions": `{"model":"` + large + `","messages":[]}`, "/v1/" + large[:8<<10]: `{}`,
	} {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.url+path, strings.NewReader(body))
		require.NoError(t, err)
		request.Header.Set("Content-Type", "application/json")
		request.Header.Set("X-Request-Id", large[:8<<10])
		response, err := http.DefaultClient.Do(request)
		require.NoError(t, err)
		text, err := io.ReadAll(response.Body)
		require.NoError(t, err)
		require.NoError(t, response.Body.Close())
		require.GreaterOrEqual(t, response.StatusCode, 400)
		require.LessOrEqual(t, len(text), most)
		require.LessOrEqual(t, len(response.Header.Get("X-Request-Id")), 1<<10)
		timelineOf(t).note("a large name: %d, %d bytes", response.StatusCode, len(text))
	}

	hostname, err := os.Hostname()
	require.NoError(t, err)
	var said []string
	for _, host := range []string{hostname, "nobody.invalid"} { // the first one may resolve to this machine
		id := s.submit(t, fmt.Sprintf(`{"service":"wav2vec2","callback_url":"http://%s/"}`, host), short).ID
		j := becomesJob(t, s.app(t), id, func(j job) bool { return j.Callback != nil && len(j.Callback.Deliveries) > 0 })
		said = append(said, j.Callback.Deliveries[0].Error)
		text, err := json.Marshal(j.Callback)
		require.NoError(t, err)
		timelineOf(t).note("webhook: %s", text)
	}
	require.Len(t, slices.Compact(said), 1, "an internal name looks like an unknown one")
}
