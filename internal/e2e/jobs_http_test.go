package e2e

import (
	"bufio"
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"io"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// shownJob is a job as the tests read it.
type shownJob struct {
	ID, Status string
	Progress   float64
	Error      *struct{ Kind, Message string }
	AttemptLog []struct{ Outcome string } `json:"attempt_log"`
}

// submit sends a job with a recording that is accepted.
func (s *server) submit(t *testing.T, request string, audio []byte, header ...string) shownJob {
	t.Helper()
	status, answer := s.postJob(t, request, audio, header...)
	require.Contains(t, []int{http.StatusAccepted, http.StatusOK}, status, answer)
	return jobIn(t, answer)
}

func jobIn(t *testing.T, answer string) (job shownJob) {
	t.Helper()
	require.NoError(t, json.Unmarshal([]byte(answer), &job), answer)
	return job
}

// postJob sends a job with a recording and header fields in pairs.
func (s *server) postJob(t *testing.T, request string, audio []byte, header ...string) (int, string) {
	t.Helper()
	var body bytes.Buffer
	w := multipart.NewWriter(&body)
	require.NoError(t, w.WriteField("request", request))
	part, err := w.CreateFormFile("audio", "speech.wav")
	require.NoError(t, err)
	_, err = part.Write(audio)
	require.NoError(t, err)
	require.NoError(t, w.Close())
	post, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.url+"/v1/jobs", &body)
	require.NoError(t, err)
	post.Header.Set("Content-Type", w.FormDataContentType())
	for i := 0; i+1 < len(header); i += 2 {
		post.Header.Set(header[i], header[i+1])
	}
	return do(t, post)
}

// cancel cancels a job.
func (s *server) cancel(t *testing.T, id string) (int, string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodDelete, s.url+"/v1/jobs/"+id, nil)
	require.NoError(t, err)
	return do(t, request)
}

// jobEvent is one event of a job's stream.
type jobEvent struct {
	name string
	data struct {
		Status, Stage string
		Progress      float64
		SecondsLeft   float64 `json:"seconds_left"`
		Attempts      int
	}
}

// follow reads a job's events to the end of the stream.
func (s *server) follow(t *testing.T, id string) (events []jobEvent) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.url+"/v1/jobs/"+id+"/events", nil)
	require.NoError(t, err)
	response, err := http.DefaultClient.Do(request)
	require.NoError(t, err)
	defer response.Body.Close()
	require.Equal(t, http.StatusOK, response.StatusCode)
	var next jobEvent
	lines := bufio.NewScanner(response.Body)
	for lines.Scan() {
		field, value, _ := strings.Cut(lines.Text(), ": ")
		switch field {
		case "event":
			next.name = value
		case "data":
			require.NoError(t, json.Unmarshal([]byte(value), &next.data))
			events, next = append(events, next), jobEvent{}
		}
	}
	require.NoError(t, lines.Err())
	return events
}

// minutes returns a recording of the given number of minutes.
func minutes(t *testing.T, n int) (audio []byte, times int) {
	t.Helper()
	one, times := minute(t)
	audio = append(bytes.Clone(one[:44]), bytes.Repeat(one[44:], n)...)
	binary.LittleEndian.PutUint32(audio[4:], uint32(len(audio)-8))
	binary.LittleEndian.PutUint32(audio[40:], uint32(len(audio)-44))
	return audio, n * times
}

// TestTenMinutesAreFollowedToTheirEnd reads the events as curl -N does.
func TestTenMinutesAreFollowedToTheirEnd(t *testing.T) {
	t.Parallel()
	s := start(t)
	audio, times := minutes(t, 10)
	id := s.submit(t, `{"service":"wav2vec2"}`, audio).ID
	events := s.follow(t, id)
	last, moved := 0.0, 0
	for _, event := range events {
		require.GreaterOrEqual(t, event.data.Progress, last, "progress goes one way")
		if event.name == "progress" && event.data.Progress > last {
			require.Positive(t, event.data.SecondsLeft, "%+v", event.data)
			require.NotEmpty(t, event.data.Stage)
			moved++
		}
		last = event.data.Progress
	}
	t.Logf("%d events, the progress moved %d times", len(events), moved)
	require.GreaterOrEqual(t, moved, 3)
	end := events[len(events)-1]
	require.Equal(t, "end", end.name)
	require.Equal(t, "succeeded", end.data.Status)
	require.Equal(t, 1.0, end.data.Progress)
	status, text := s.get(t, "/v1/jobs/"+id+"/result?format=text")
	require.Equal(t, http.StatusOK, status)
	require.Equal(t, times, strings.Count(text, "TRACK"))
}

// TestAWebhookTellsTheEnd checks the signature as a receiver does.
func TestAWebhookTellsTheEnd(t *testing.T) {
	t.Parallel()
	type message struct {
		header http.Header
		body   []byte
	}
	messages := make(chan message, 1)
	receiver := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		messages <- message{r.Header, body}
	}))
	defer receiver.Close()
	dir := t.TempDir()
	file := filepath.Join(dir, "config.yaml")
	require.NoError(t, os.WriteFile(file, []byte("jobs: {webhooks: {allowPrivate: true}}\n"), 0o600))
	s := start(t, "--config", file, "--data-dir", filepath.Join(dir, "data"))
	id := s.submit(t, `{"service":"wav2vec2","callback_url":"`+receiver.URL+`/done"}`, clip(t, "clip09.wav")).ID
	got := <-messages
	secret, err := os.ReadFile(filepath.Join(dir, "data", "webhook.secret"))
	require.NoError(t, err)
	mac := hmac.New(sha256.New, bytes.TrimSpace(secret))
	mac.Write([]byte(got.header.Get("Grym-Webhook-Timestamp") + "." + string(got.body)))
	require.Equal(t, "v1="+hex.EncodeToString(mac.Sum(nil)), got.header.Get("Grym-Signature"))
	require.NotEmpty(t, got.header.Get("Grym-Webhook-Id"))
	var job struct{ ID, Status string }
	require.NoError(t, json.Unmarshal(got.body, &job))
	require.Equal(t, id, job.ID)
	require.Equal(t, "succeeded", job.Status)

	strict := start(t)
	post, err := http.NewRequestWithContext(t.Context(), http.MethodPost, strict.url+"/v1/jobs",
		strings.NewReader(`{"service":"audioldm","params":{"prompt":"a bell"},"callback_url":"`+receiver.URL+`"}`))
	require.NoError(t, err)
	post.Header.Set("Content-Type", "application/json")
	status, answer := do(t, post)
	require.Equal(t, http.StatusBadRequest, status)
	require.Contains(t, answer, "callback_url must lead to a public address")
}

// TestJobsThatDoNotSucceed checks cancelled jobs, a deadline, and a client that leaves.
func TestJobsThatDoNotSucceed(t *testing.T) {
	t.Parallel()
	s := start(t)
	long, _ := minutes(t, 30)
	running := s.submit(t, `{"service":"wav2vec2","priority":"low"}`, long)
	status, body := s.get(t, "/v1/jobs/"+running.ID+"/result")
	require.Equal(t, http.StatusConflict, status)
	require.Contains(t, body, "job_not_finished")
	status, body = s.post(t, "/v1/jobs/"+running.ID+"/retry")
	require.Equal(t, http.StatusConflict, status)
	require.Contains(t, body, "job_not_retriable")
	status, body = s.cancel(t, running.ID)
	t.Logf("cancel: %d %s", status, body)
	require.Equal(t, http.StatusOK, status)
	events := s.follow(t, running.ID)
	require.Equal(t, "cancelled", events[len(events)-1].data.Status)
	status, body = s.cancel(t, running.ID)
	require.Equal(t, http.StatusOK, status, "a cancellation can be repeated")
	require.Equal(t, "cancelled", jobIn(t, body).Status)
	status, body = s.get(t, "/v1/jobs/"+running.ID+"/result")
	require.Equal(t, http.StatusConflict, status)
	require.Contains(t, body, "job_has_no_result")

	// Any number of cancellations does not affect the service.
	for range 6 {
		status, body = s.cancel(t, s.submit(t, `{"service":"wav2vec2"}`, long).ID)
		require.Equal(t, http.StatusOK, status)
		job := jobIn(t, body)
		require.Equal(t, "cancelled", job.Status)
		for _, attempt := range job.AttemptLog {
			require.Equal(t, "cancelled", attempt.Outcome)
		}
	}
	_, body = s.get(t, "/v1/services/wav2vec2")
	require.Contains(t, body, `"breaker":"closed"`)
	require.Contains(t, body, `"state":"ready"`)

	requireDeadline(t, s, long)
	requireOutlivesWait(t, s)
}

// requireDeadline checks that a job fails at its deadline.
func requireDeadline(t *testing.T, s *server, long []byte) {
	t.Helper()
	// The recording is stored first: its upload must not use up the deadline.
	stored := s.storeSound(t, long)
	deadline := time.Now().Add(2 * time.Second).UTC().Format(time.RFC3339Nano)
	status, body := s.send(t, http.MethodPost, "/v1/jobs", "application/json",
		strings.NewReader(`{"service":"wav2vec2","audio_id":"`+stored+`","deadline":"`+deadline+`"}`))
	require.Equal(t, http.StatusAccepted, status, body)
	late := jobIn(t, body)
	s.follow(t, late.ID) // until the end
	_, body = s.get(t, "/v1/jobs/"+late.ID)
	late = jobIn(t, body)
	require.Equal(t, "failed", late.Status)
	require.Equal(t, "timeout", late.Error.Kind)
	t.Logf("deadline: %+v", late.Error)
}

// requireOutlivesWait checks that a job continues when the client that waits for it leaves.
func requireOutlivesWait(t *testing.T, s *server) {
	t.Helper()
	ctx, hangUp := context.WithCancel(t.Context())
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, s.url+"/v1/jobs",
		strings.NewReader(`{"service":"audioldm","params":{"prompt":"a bell","seed":7},"labels":{"who":"left"}}`))
	require.NoError(t, err)
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Prefer", "wait=60")
	gone := make(chan struct{})
	go func() {
		defer close(gone)
		if response, err := http.DefaultClient.Do(request); err == nil {
			_ = response.Body.Close()
		}
	}()
	var list struct{ Data []shownJob }
	require.Eventually(t, func() bool {
		_, body := s.get(t, "/v1/jobs?label=who:left")
		return json.Unmarshal([]byte(body), &list) == nil && len(list.Data) == 1
	}, 30*time.Second, 10*time.Millisecond)
	hangUp()
	<-gone
	events := s.follow(t, list.Data[0].ID)
	require.Equal(t, "succeeded", events[len(events)-1].data.Status)
	status, body := s.get(t, "/v1/jobs/"+list.Data[0].ID+"/result")
	require.Equal(t, http.StatusOK, status)
	require.Equal(t, "RIFF", body[:4], "sound is a sound job's first form")
}

// TestARepetitionGivesTheFirstJob repeats a submission, also after a restart.
func TestARepetitionGivesTheFirstJob(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "data")
	s := start(t, "--data-dir", dir)
	speech, other := clip(t, "clip09.wav"), clip(t, "clip01.wav")
	const request = `{"service":"wav2vec2","labels":{"album":"7"}}`
	first := s.submit(t, request, speech, "Idempotency-Key", "k-1")
	require.Equal(t, first.ID, s.submit(t, ` {"labels":{"album":"7"}, "service":"wav2vec2", "task":"transcribe"}`, speech, "Idempotency-Key",
		"k-1").ID, "the same request in other words")
	require.NotEqual(t, first.ID, s.submit(t, request, speech, "Idempotency-Key", "k-2").ID)
	require.NotEqual(t, first.ID, s.submit(t, request, speech).ID)
	for name, c := range map[string]struct {
		request string
		audio   []byte
	}{"other labels": {`{"service":"wav2vec2"}`, speech}, "another recording": {request, other}} {
		status, body := s.postJob(t, c.request, c.audio, "Idempotency-Key", "k-1")
		require.Equal(t, http.StatusUnprocessableEntity, status, name)
		require.Contains(t, body, "idempotency_key_reused", name)
	}
	events := s.follow(t, first.ID)
	require.Equal(t, "succeeded", events[len(events)-1].data.Status)
	require.NoError(t, s.stop(t))
	s = start(t, "--data-dir", dir)
	again := s.submit(t, request, speech, "Idempotency-Key", "k-1")
	require.Equal(t, first.ID, again.ID)
	require.Equal(t, "succeeded", again.Status)
}
