package e2e

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// transcription is a job that transcribes a recording; further fields of the request are
// JSON, such as `,"priority":"high"`.
func transcription(audio []byte, fields string) work {
	return work{name: "transcription", request: `{"service":"wav2vec2","task":"transcribe"` + fields + `}`, audio: audio, format: "text"}
}

// hand submits work once and returns any response.
func (s *server) hand(t *testing.T, app *application, w work, headers ...string) reply {
	t.Helper()
	body, contentType, err := w.body()
	require.NoError(t, err)
	got, err := app.send(t.Context(), http.MethodPost, s.url+"/v1/jobs", body, append(headers, "Content-Type", contentType)...)
	require.NoError(t, err)
	return got
}

// accepted submits work and returns the job, which must be accepted.
func (s *server) accepted(t *testing.T, app *application, w work, headers ...string) job {
	t.Helper()
	got := s.hand(t, app, w, headers...)
	require.Equal(t, http.StatusAccepted, got.status, got.body)
	j, err := readJob(got.body)
	require.NoError(t, err)
	require.Equal(t, "/v1/jobs/"+j.ID, got.header.Get("Location"))
	return j
}

// becomesJob polls until a job satisfies a condition.
func becomesJob(t *testing.T, app *application, id string, wanted func(job) bool) (j job) {
	t.Helper()
	require.Eventually(t, func() bool {
		var err error
		j, err = app.get(t.Context(), id)
		require.NoError(t, err)
		return wanted(j)
	}, time.Minute, 20*time.Millisecond, "job %s", id)
	return j
}

// answers requests a path once and checks the status and texts in the body.
func answers(t *testing.T, app *application, method, path string, status int, says ...string) reply {
	t.Helper()
	got := answer(t, app, method, path)
	require.Equal(t, status, got.status, "%s %s: %s", method, path, got.body)
	for _, text := range says {
		require.Contains(t, got.body, text)
	}
	return got
}

// answer requests a path once.
func answer(t *testing.T, app *application, method, path string) reply {
	t.Helper()
	got, err := app.send(t.Context(), method, app.at(0)+path, nil)
	require.NoError(t, err)
	return got
}

// idle only runs conversions, so that transcriptions stay in the queue.
const idle = "jobs: {services: [audioProcessor]}"

func TestCancelledAndOverdueInTheQueue(t *testing.T) {
	t.Parallel()
	s := start(t, configured(t, idle)...)
	app := s.app(t)
	j := s.accepted(t, app, transcription(clip(t, "clip09.wav"), ""))
	path := "/v1/jobs/" + j.ID
	got := answers(t, app, http.MethodGet, path+"/result", http.StatusConflict, "job_not_finished", "is queued and has no result yet")
	require.NotEmpty(t, got.header.Get("Retry-After"))
	answers(t, app, http.MethodPost, path+"/retry", http.StatusConflict, "job_not_retriable")
	for range 2 { // it can be asked again
		answers(t, app, http.MethodDelete, path, http.StatusOK, `"status":"cancelled"`, `"cancelled before it started"`, `"attempts":0`)
	}
	answers(t, app, http.MethodGet, path+"/result", http.StatusConflict, "job_has_no_result",
		"the job was cancelled: cancelled before it started")
	answers(t, app, http.MethodPost, path+"/retry", http.StatusOK, `"status":"queued"`)
	answers(t, app, http.MethodDelete, path, http.StatusOK, `"status":"cancelled"`)
	answers(t, app, http.MethodDelete, "/v1/jobs/job-none", http.StatusNotFound, "job-none")

	past := s.hand(t, app, transcription(clip(t, "clip09.wav"), `,"deadline":"2001-01-01T00:00:00Z"`))
	require.Equal(t, http.StatusBadRequest, past.status)
	require.Contains(t, past.body, `deadline must be in the future, got 2001-01-01T00:00:00Z`)
	soon := time.Now().UTC().Add(2 * time.Second).Format(time.RFC3339Nano)
	j = s.accepted(t, app, transcription(clip(t, "clip09.wav"), `,"deadline":"`+soon+`"`))
	j = becomesJob(t, app, j.ID, job.ended)
	require.Equal(t, "failed timeout", j.Status+" "+j.Error.Kind)
	require.Contains(t, j.Error.Message, "passed before the job was done")
	require.Zero(t, j.Attempts)
	answers(t, app, http.MethodGet, "/v1/jobs/"+j.ID+"/result", http.StatusConflict, "job_has_no_result", "deadline")
}

// TestAStopInGoodOrderCostsAJobNothing stops the server while jobs run, and restarts it.
func TestAStopInGoodOrderCostsAJobNothing(t *testing.T) {
	t.Parallel()
	p := newPhoenix(t, configured(t, "api: {drainTimeout: 200ms}")...)
	app := p.app(t)
	var ids []string
	for _, seconds := range []int{300, 20, 21} {
		ids = append(ids, p.accepted(t, app, transcription(longSpeech(t, seconds), "")).ID)
	}
	becomesJob(t, app, ids[0], func(j job) bool { return j.Status == "running" })
	require.NoError(t, p.stop(t), p.log)
	p.rise(t)
	interrupted := 0
	for _, id := range ids {
		j, err := app.wait(t.Context(), id)
		require.NoError(t, err)
		require.Equal(t, "succeeded", j.Status, "%+v", j.Error)
		require.Zero(t, j.Redeliveries, "it does not count")
		for _, attempt := range j.AttemptLog[:len(j.AttemptLog)-1] {
			require.Equal(t, "interrupted", attempt.Outcome)
			interrupted++
		}
		text, err := app.result(t.Context(), id, "text")
		require.NoError(t, err)
		require.True(t, strings.HasPrefix(text, "MUTE TRACK ONE "), text)
	}
	require.Positive(t, interrupted)
}

// longSpeech repeats a few words for the given number of seconds.
func longSpeech(t *testing.T, seconds int) []byte {
	t.Helper()
	words := clip(t, "clip09.wav")
	const rate, header = 16000, 44
	require.Equal(t, "data", string(words[header-8:header-4]))
	samples := make([]byte, 0, 2*rate*seconds)
	for len(samples) < 2*rate*seconds {
		samples = append(append(samples, words[header:]...), make([]byte, rate)...)
	}
	return pcm(rate, samples[:2*rate*seconds])
}

// pcm makes a mono WAV of 16-bit samples.
func pcm(rate int, samples []byte) []byte {
	text := fmt.Sprintf
	le := func(n, v int) string { return string([]byte{byte(v), byte(v >> 8), byte(v >> 16), byte(v >> 24)}[:n]) }
	head := text("RIFF%sWAVEfmt %s%s%s%s%s%s%sdata%s", le(4, 36+len(samples)), le(4, 16), le(2, 1), le(2, 1), le(4, rate), le(4, 2*rate),
		le(2, 2), le(2, 16), le(4, len(samples)))
	return append([]byte(head), samples...)
}
