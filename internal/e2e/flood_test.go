package e2e

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// floodJobs is how many jobs the flood of one key has.
const floodJobs = 300

// guest is a key's client of a server.
type guest struct {
	*application
	t   *testing.T
	s   *server
	key string
}

// ask sends a request with the key and returns the answer, which must have the status.
func (g guest) ask(method, path, contentType string, status int, body []byte, headers ...string) string {
	g.t.Helper()
	headers = append(headers, "Authorization", "Bearer "+g.key, "Content-Type", contentType)
	got, err := g.send(g.t.Context(), method, g.s.url+path, body, headers...)
	require.NoError(g.t, err)
	require.Equal(g.t, status, got.status, got.body)
	return got.body
}

// job posts a job of a stored recording and returns it.
func (g guest) job(audio, priority string, status int, headers ...string) job {
	g.t.Helper()
	body := fmt.Sprintf(`{"task":"transcribe","audio_id":%q,"priority":%q}`, audio, priority)
	j, err := readJob(g.ask(http.MethodPost, "/v1/jobs", "application/json", status, []byte(body), headers...))
	require.NoError(g.t, err)
	return j
}

// store stores a recording and returns its id.
func (g guest) store(audio []byte) string {
	g.t.Helper()
	var stored struct {
		ID string `json:"id"`
	}
	body, err := g.send(g.t.Context(), http.MethodPost, g.s.url+"/v1/audio", audio,
		"Authorization", "Bearer "+g.key, "Content-Type", "audio/wav")
	require.NoError(g.t, err)
	require.NoError(g.t, json.Unmarshal([]byte(body.body), &stored), body.body)
	return stored.ID
}

// shorts measures ten short jobs, each waited for, and ten short synchronous requests, in
// turns.
func (g guest) shorts(speech []byte) (jobs, requests times) {
	g.t.Helper()
	id := g.store(speech)
	reader, contentType := form(g.t, speech, "response_format", "text")
	body, err := io.ReadAll(reader)
	require.NoError(g.t, err)
	for range 10 {
		jobs.add(func() {
			require.Equal(g.t, "succeeded", g.job(id, "normal", http.StatusOK, "Prefer", "wait=100").Status)
		})
		requests.add(func() { g.ask(http.MethodPost, "/v1/audio/transcriptions", contentType, http.StatusOK, body) })
	}
	return jobs, requests
}

// playFloodOfJobs has one key queue 300 long jobs of high priority, and
// another ask for ten short ones of normal priority.
func playFloodOfJobs(t *testing.T) {
	t.Helper()
	dir := t.TempDir()
	flood, other := createKey(t, dir, "use"), createKey(t, dir, "use")
	s := startWith(t, options{dataDir: dir, settings: "services: {wav2vec2: {runs: 1}}\n", args: []string{"--listen", "0.0.0.0:0"}})
	s.url = "http://localhost" + s.url[strings.LastIndex(s.url, ":"):]
	client := newApplication(t, func(int) string { return s.url })
	a, b := guest{client, t, s, flood}, guest{client, t, s, other}

	long, _ := minutes(t, 4)
	id := a.store(long)
	var run times
	run.add(func() { require.Equal(t, "succeeded", a.job(id, "high", http.StatusOK, "Prefer", "wait=170").Status) })
	short := clip(t, "clip09.wav")
	quietJobs, quietRequests := b.shorts(short)
	for range floodJobs {
		a.job(id, "high", http.StatusAccepted)
	}
	began := time.Now()
	jobs, requests := b.shorts(short)
	t.Logf("a long job takes %s; twenty short ones beside the flood took %s", run[0], time.Since(began))
	for name, c := range map[string]struct{ quiet, beside times }{"jobs": {quietJobs, jobs}, "requests": {quietRequests, requests}} {
		t.Logf("%s: p50 %s and p95 %s undisturbed, %s and %s beside the flood", name, c.quiet.at(0.5), c.quiet.at(0.95),
			c.beside.at(0.5), c.beside.at(0.95))
		require.LessOrEqual(t, c.beside.at(0.95), 3*c.quiet.at(0.95)+run[0], name)
	}
}
