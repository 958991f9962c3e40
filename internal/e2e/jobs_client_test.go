package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// job is a job as a client reads it.
type job struct {
	ID, Service, Task, Status, Stage string
	Progress                         float64
	SecondsLeft                      float64 `json:"seconds_left"`
	Attempts, Redeliveries           int
	AttemptLog                       []struct{ Outcome, Worker, Error string } `json:"attempt_log"`
	CancelRequested                  bool                                      `json:"cancel_requested"`
	AudioID                          string                                    `json:"audio_id"`
	Started, Finished                time.Time
	Result                           json.RawMessage
	Error                            *struct{ Kind, Message string }
	Callback                         *struct {
		State      string
		Deliveries []struct {
			Status int
			Error  string
		}
	}
}

func (j job) ended() bool {
	return j.Status == "succeeded" || j.Status == "failed" || j.Status == "cancelled"
}

// work is a job to submit, with its expected result.
type work struct {
	name string
	// request is the part of that name, audio the recording, nil for none.
	request string
	audio   []byte
	// format of the result, and the result as the synchronous route returned it.
	format, want string
}

// body builds the submission of the work.
func (w work) body() (body []byte, contentType string, err error) {
	var form bytes.Buffer
	parts := multipart.NewWriter(&form)
	if err := parts.WriteField("request", w.request); err != nil {
		return nil, "", err
	}
	if w.audio != nil {
		part, err := parts.CreateFormFile("audio", "sound.wav")
		if err != nil {
			return nil, "", err
		}
		if _, err := part.Write(w.audio); err != nil {
			return nil, "", err
		}
	}
	err = parts.Close()
	return form.Bytes(), parts.FormDataContentType(), err
}

// reply is a complete response.
type reply struct {
	status int
	header http.Header
	body   string
}

// application is a client of jobs as in an application: it retries if the connection fails
// or the server asks for it. It is safe for concurrent use.
type application struct {
	client *http.Client
	// at returns the address of the server for an attempt.
	at func(try int) string
	// again counts the failed attempts.
	again atomic.Int64
}

func newApplication(t testing.TB, at func(try int) string) *application {
	t.Helper()
	transport := &http.Transport{MaxIdleConnsPerHost: 64}
	t.Cleanup(transport.CloseIdleConnections)
	return &application{client: &http.Client{Timeout: requestTimeout, Transport: recorder{transport}}, at: at}
}

// persist sends a request until it is answered or ctx ends. It retries after 429 and 503.
func (a *application) persist(ctx context.Context, method, path string, body []byte, headers ...string) (reply, error) {
	for try := 0; ; try++ {
		got, err := a.send(ctx, method, a.at(try)+path, body, headers...)
		if err == nil && got.status != http.StatusTooManyRequests && got.status != http.StatusServiceUnavailable {
			return got, nil
		}
		a.again.Add(1)
		select {
		case <-ctx.Done():
			return got, fmt.Errorf("%s %s: no answer in time, at last %d %s: %w", method, path, got.status, got.body, err)
		case <-time.After(time.Duration(min(try+1, 10)) * 20 * time.Millisecond):
		}
	}
}

// send sends a request once.
func (a *application) send(ctx context.Context, method, url string, body []byte, headers ...string) (reply, error) {
	request, err := http.NewRequestWithContext(ctx, method, url, bytes.NewReader(body))
	if err != nil {
		return reply{}, err
	}
	for i := 0; i+1 < len(headers); i += 2 {
		request.Header.Set(headers[i], headers[i+1])
	}
	response, err := a.client.Do(request)
	if err != nil {
		return reply{}, err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	return reply{response.StatusCode, response.Header, string(text)}, err
}

// submit submits work until it is accepted.
func (a *application) submit(ctx context.Context, w work, headers ...string) (job, error) {
	body, contentType, err := w.body()
	if err != nil {
		return job{}, err
	}
	got, err := a.persist(ctx, http.MethodPost, "/v1/jobs", body, append(headers, "Content-Type", contentType)...)
	if err != nil {
		return job{}, err
	}
	if got.status != http.StatusAccepted && got.status != http.StatusOK {
		return job{}, fmt.Errorf("%s was not accepted: %d %s", w.name, got.status, got.body)
	}
	return readJob(got.body)
}

func readJob(body string) (j job, err error) {
	if err := json.Unmarshal([]byte(body), &j); err != nil {
		return j, fmt.Errorf("no job: %w: %s", err, body)
	}
	return j, nil
}

// get describes a job.
func (a *application) get(ctx context.Context, id string) (job, error) {
	got, err := a.persist(ctx, http.MethodGet, "/v1/jobs/"+id, nil)
	if err != nil {
		return job{}, err
	}
	if got.status != http.StatusOK {
		return job{}, fmt.Errorf("job %s: %d %s", id, got.status, got.body)
	}
	return readJob(got.body)
}

// wait polls until a job has ended.
func (a *application) wait(ctx context.Context, id string) (job, error) {
	for {
		j, err := a.get(ctx, id)
		if err != nil || j.ended() {
			return j, err
		}
		select {
		case <-ctx.Done():
			return j, fmt.Errorf("job %s is still %s: %w", id, j.Status, ctx.Err())
		case <-time.After(30 * time.Millisecond):
		}
	}
}

// result returns the result of a job in a format.
func (a *application) result(ctx context.Context, id, format string) (string, error) {
	got, err := a.persist(ctx, http.MethodGet, "/v1/jobs/"+id+"/result?format="+format, nil)
	if err == nil && got.status != http.StatusOK {
		err = fmt.Errorf("result of job %s: %d %s", id, got.status, got.body)
	}
	return got.body, err
}

// list returns every job, page by page.
func (a *application) list(ctx context.Context, query string) (all []job, err error) {
	for cursor := ""; ; {
		got, err := a.persist(ctx, http.MethodGet, "/v1/jobs?limit=50&"+query+cursor, nil)
		if err != nil {
			return nil, err
		}
		var page struct {
			Data       []job
			HasMore    bool   `json:"has_more"`
			NextCursor string `json:"next_cursor"`
		}
		if err := json.Unmarshal([]byte(got.body), &page); err != nil || got.status != http.StatusOK {
			return nil, fmt.Errorf("page: %d %s: %w", got.status, got.body, err)
		}
		all = append(all, page.Data...)
		if !page.HasMore {
			return all, nil
		}
		cursor = "&cursor=" + page.NextCursor
	}
}

// app returns a client of this server alone.
func (s *server) app(t testing.TB) *application {
	t.Helper()
	return newApplication(t, func(int) string { return s.url })
}

// mixedWork returns one job of each kind; the expected results are those of the synchronous
// routes.
func mixedWork(t *testing.T, s *server) (all []work) {
	t.Helper()
	add := func(w work, status int, want string) {
		require.Equal(t, http.StatusOK, status, want)
		require.NotEmpty(t, want)
		w.want = want
		all = append(all, w)
	}
	for i := 1; i <= 12; i++ {
		speech := clip(t, fmt.Sprintf("clip%02d.wav", i))
		status, text := s.transcribe(t, speech, "response_format", "text")
		add(work{name: "transcribe " + strconv.Itoa(i), request: `{"service":"wav2vec2","task":"transcribe"}`, audio: speech, format: "text"},
			status, text)
	}
	for i := 1; i <= 6; i++ {
		speech, rate := clip(t, fmt.Sprintf("clip%02d.wav", i)), strconv.Itoa(8000+1000*i)
		status, sound := s.sendForm(t, "/v1/audio/conversions", speech, "sample_rate", rate)
		add(work{name: "convert " + strconv.Itoa(i), request: `{"service":"audioProcessor","params":{"sample_rate":` + rate + `}}`,
			audio: speech, format: "audio"}, status, sound)
	}
	for i := range 4 {
		sound := soundClip(t, fmt.Sprintf("clip%02d.wav", i))
		status, body := s.sendForm(t, "/v1/audio/captions", sound, "seed", "3")
		var caption struct{ Text string }
		require.NoError(t, json.Unmarshal([]byte(body), &caption), body)
		add(work{name: "caption " + strconv.Itoa(i), request: `{"service":"gama","task":"caption","params":{"seed":3}}`, audio: sound,
			format: "text"}, status, caption.Text+"\n")
	}
	for i := range 3 {
		params := fmt.Sprintf(`{"prompt":"a bell","seed":%d,"audio_length_in_s":0.29,"num_inference_steps":3}`, i)
		response, sound := s.generate(t, params, "Accept", "audio/wav")
		add(work{name: "generate " + strconv.Itoa(i), request: `{"service":"audioldm","params":` + params + `}`, format: "audio"},
			response.StatusCode, string(sound))
	}
	return all
}

// configured writes a configuration file and returns the flags that name it.
func configured(t testing.TB, text string) []string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "config.yaml")
	require.NoError(t, os.WriteFile(file, []byte(strings.TrimSpace(text)+"\n"), 0o600))
	return []string{"--config", file}
}
