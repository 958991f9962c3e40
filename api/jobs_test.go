package api

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	apijobs "github.com/grym-synth/grym-synth/api/jobs"
	"github.com/grym-synth/grym-synth/internal/access"
	"github.com/grym-synth/grym-synth/orchestrator/jobs"
	"github.com/grym-synth/grym-synth/orchestrator/library"
	"github.com/grym-synth/grym-synth/services"
)

// readsUpload stores each submission and the content of its recording.
func readsUpload(t *testing.T, got *jobs.Submission, content *string) *scriptedJobs {
	t.Helper()
	return &scriptedJobs{submit: func(s jobs.Submission) (jobs.Job, bool, error) {
		*got, *content = s, ""
		if s.Upload != nil {
			file, err := s.Upload.Source(t.Context()).Open()
			if err != nil {
				return jobs.Job{}, false, err
			}
			defer file.Close()
			data, err := io.ReadAll(file)
			*content = string(data)
			return queued("job_1"), false, err
		}
		return queued("job_1"), false, nil
	}}
}

func TestAJobIsSubmittedInThreeWays(t *testing.T) {
	t.Parallel()
	var got jobs.Submission
	var content string
	b := setupJobs(t, readsUpload(t, &got, &content))
	const request = `{"service":"wav2vec2","task":"transcribe","params":{"model":"m", "seed":18446744073709551615},"priority":"low",
		"deadline":"2026-11-24T18:00:00+02:00","callback_url":"https://app.example/h","labels":{"album":"7"}`
	sound := "RIFF\x00\x00\x00\x00WAVEfmt "
	for name, c := range map[string]struct{ contentType, body string }{
		"form":                  {formType, form("request", request+"}", "audio", sound)},
		"form, the other order": {formType, form("audio", sound, "request", request+"}")},
		"JSON with base64":      {jsonType, request + `,"audio":{"data":"` + base64.StdEncoding.EncodeToString([]byte(sound)) + `"}}`},
		"JSON with a data URL": {jsonType, request + `,"audio":{"data":"data:audio/wav;base64,` +
			base64.StdEncoding.EncodeToString([]byte(sound)) + `"}}`},
		"as curl -d sends it":          {curlType, request + `,"audio_id":"` + hash + `"}`},
		"JSON with a stored recording": {jsonType, request + `,"audio_id":"` + hash + `"}`},
	} {
		response, body := b.call(t, "POST", "/v1/jobs", c.body, "Content-Type", c.contentType, "Idempotency-Key", "k-1")
		require.Equal(t, http.StatusAccepted, response.StatusCode, "%s: %s", name, body)
		require.Equal(t, "/v1/jobs/job_1", response.Header.Get("Location"), name)
		require.Empty(t, response.Header.Get("Idempotent-Replayed"), name)
		require.JSONEq(t, `{"id":"job_1","object":"job","service":"wav2vec2","task":"transcribe","status":"queued","priority":"normal","progress":0,
			"attempts":0,"attempt_log":[],"redeliveries":0,"labels":{},"created":"2026-11-24T09:00:00Z",
			"links":{"self":"/v1/jobs/job_1","events":"/v1/jobs/job_1/events","result":"/v1/jobs/job_1/result"}}`, body, name)
		if got.AudioID == "" {
			require.Equal(t, sound, content, name)
			require.Equal(t, "audio/wav", got.Upload.ContentType, name)
			got.Upload = nil
		} else {
			require.Equal(t, hash, got.AudioID)
			got.AudioID = ""
		}
		require.True(t, got.Deadline.Equal(time.Date(2026, 11, 24, 16, 0, 0, 0, time.UTC)), name)
		got.Deadline = time.Time{}
		require.Equal(t, jobs.Submission{
			SeesAll: true, Admin: true, Service: "wav2vec2", Task: "transcribe", Priority: services.PriorityLow, Callback: "https://app.example/h",
			Params: json.RawMessage(`{"model":"m","seed":18446744073709551615}`), Labels: map[string]string{"album": "7"}, IdempotencyKey: "k-1",
		}, got, name)
	}
	left, err := os.ReadDir(b.spool)
	require.NoError(t, err)
	require.Empty(t, left, "uploads are removed")
	large := base64.StdEncoding.EncodeToString(make([]byte, 2<<20))
	response, body := b.call(t, "POST", "/v1/jobs", `{"service":"x","audio":{"data":"`+large+`"}}`, "Content-Type", jsonType)
	require.Equal(t, http.StatusAccepted, response.StatusCode, "a recording is more than other JSON may be: %s", body)
	require.Len(t, content, 2<<20)
	require.Equal(t, "application/octet-stream", got.Upload.ContentType)
}

func TestABadSubmissionIsToldByField(t *testing.T) {
	t.Parallel()
	b := setupJobs(t, &scriptedJobs{})
	labels := make(map[string]string)
	for i := range 17 {
		labels[fmt.Sprint(i)] = "x"
	}
	many, err := json.Marshal(labels)
	require.NoError(t, err)
	for body, want := range map[string]string{
		`{}`:                                  `service`,
		`{"service":""}`:                      `service`,
		`{"service":"x","model":"m"}`:         `model`,
		`{"service":"x","priority":"urgent"}`: `priority`,
		`{"service":"x","deadline":"0001-01-01T00:00:00Z"}`:                     `deadline must be in the future`,
		`{"service":"x","deadline":"2026-02-31T00:00:00Z"}`:                     `deadline must be a time`,
		`{"service":"x","params":[]}`:                                           `params`,
		`{"service":"x","labels":{"a:b":"c"}}`:                                  `labels must have keys of 1 to 63`,
		`{"service":"x","labels":{"a":7}}`:                                      `labels.a`,
		`{"service":"x","labels":` + string(many) + `}`:                         `labels`,
		`{"service":"x","labels":{"a":"` + strings.Repeat("x", 257) + `"}}`:     `labels.a`,
		`{"service":"x","audio_id":"abc"}`:                                      `audio_id`,
		`{"service":"x","callback_url":"` + strings.Repeat("x", 2049) + `"}`:    `callback_url`,
		`{"service":"x","params":{"a":"` + strings.Repeat("x", 256<<10) + `"}}`: `params must have at most 262144 bytes`,
	} {
		for _, contentType := range []string{jsonType, formType} {
			sent := body
			if contentType == formType {
				sent = form("request", body)
			}
			response, answer := b.call(t, "POST", "/v1/jobs", sent, "Content-Type", contentType)
			require.Equal(t, http.StatusBadRequest, response.StatusCode, "%.80s: %s", body, answer)
			require.Contains(t, answer, want, "%.80s", body)
		}
	}
}

func TestABadRequestForAJobIsRefused(t *testing.T) {
	t.Parallel()
	b := setupJobs(t, &scriptedJobs{})
	for name, c := range map[string]struct {
		body, want string
		status     int
		header     []string
	}{
		"no base64": {`{"service":"x","audio":{"data":"?"}}`, "audio.data is not valid base64", 400, []string{"Content-Type", jsonType}},
		"no JSON":   {`{"service":`, "JSON", 400, []string{"Content-Type", jsonType}},
		"two recordings": {form("request", `{"service":"x","audio_id":"`+hash+`"}`, "audio", "x"), "audio_id cannot be combined with audio",
			400, []string{"Content-Type", formType}},
		"empty recording": {form("request", `{"service":"x"}`, "audio", ""), "audio is empty", 400, []string{"Content-Type", formType}},
		"no request":      {form("audio", "x"), "request must be present once", 400, []string{"Content-Type", formType}},
		"two requests": {form("request", `{"service":"x"}`, "request", `{"service":"x"}`), "must be present once", 400,
			[]string{"Content-Type", formType}},
		"request no JSON":  {form("request", `service=x`), "request is not valid JSON", 400, []string{"Content-Type", formType}},
		"request and more": {form("request", `{"service":"x"} 7`), "more than one JSON value", 400, []string{"Content-Type", formType}},
		"inline in a form": {form("request", `{"service":"x","audio":{"data":"eA=="}}`), "audio must be a part of its own", 400,
			[]string{"Content-Type", formType}},
		"every bad field": {form("file", "x", "request", `{"service":"","priority":"urgent"}`),
			"file is not a field of this form; the fields are audio, request", 400, []string{"Content-Type", formType}},
		"a bare body": {`{"service":"x"}`, "or application/json", 415, []string{"Content-Type", "text/plain"}},
		"a bad key":   {`{"service":"x"}`, "Idempotency-Key", 400, []string{"Content-Type", jsonType, "Idempotency-Key", "a b"}},
		"a bad preference": {`{"service":"x"}`, "Prefer must have a whole number of seconds as wait", 400, []string{"Content-Type", jsonType,
			"Prefer", "wait=soon"}},
		"a wait below zero": {`{"service":"x"}`, "Prefer must have a whole number of seconds as wait", 400, []string{"Content-Type", jsonType,
			"Prefer", "wait=-1"}},
	} {
		response, answer := b.call(t, "POST", "/v1/jobs", c.body, c.header...)
		require.Equal(t, c.status, response.StatusCode, "%s: %s", name, answer)
		require.Contains(t, answer, c.want, name)
	}
	_, answer := b.call(t, "POST", "/v1/jobs", form("file", "x", "request", `{"service":"","priority":"urgent"}`), "Content-Type", formType)
	require.Contains(t, answer, `"field":"priority"`)
	require.Contains(t, answer, `"field":"service"`)
}

func TestWhatJobsRefuseHasAStatus(t *testing.T) {
	t.Parallel()
	var refusal error
	b := setupJobs(t, &scriptedJobs{
		submit: func(jobs.Submission) (jobs.Job, bool, error) { return jobs.Job{}, false, refusal },
		get:    func(_, _ string) (jobs.Job, error) { return jobs.Job{}, refusal },
		retry:  func(_, _ string) (jobs.Job, error) { return jobs.Job{}, refusal },
		cancel: func(_, _ string) (jobs.Job, error) { return jobs.Job{}, refusal },
		list:   func(jobs.Filter) (jobs.Page, error) { return jobs.Page{}, refusal },
		remove: func(string) error { return refusal },
	})
	bad := &services.Fault{Kind: services.KindUnsupported, Fields: []services.FieldError{{Field: "file", Problem: "is text"},
		{Field: "prompt", Problem: "is missing"}, {Field: "service", Problem: "is not here"}}}
	for name, c := range map[string]struct {
		method, path string
		err          error
		status       int
		says         []string
	}{
		"key reused": {"POST", "/v1/jobs", fmt.Errorf("submit: %w", jobs.ErrKeyReused), 422,
			[]string{"urn:grym-synth:problem:idempotency_key_reused", "use a new key"}},
		"no room": {"POST", "/v1/jobs", services.Faultf(services.KindFull, "the disk is full"), 507, []string{"problem:full",
			"the disk is full"}},
		"store down": {"POST", "/v1/jobs", services.Faultf(services.KindUnavailable, "the store is down"), 503,
			[]string{"the store is down"}},
		"queue full":      {"POST", "/v1/jobs", services.Faultf(services.KindBusy, "10000 jobs wait"), 429, []string{"10000 jobs wait"}},
		"a task's fields": {"POST", "/v1/jobs", bad, 415, []string{`"field":"audio"`, `"field":"params.prompt"`, `"field":"service"`}},
		"no such job": {"GET", "/v1/jobs/job_1", services.Faultf(services.KindNotFound, `job "job_1" does not exist`), 404,
			[]string{"does not exist"}},
		"follow no job": {"GET", "/v1/jobs/job_1/events", services.Faultf(services.KindNotFound, `job "job_1" does not exist`), 404,
			[]string{"does not exist"}},
		"result of no job": {"GET", "/v1/jobs/job_1/result", services.Faultf(services.KindNotFound, `job "job_1" does not exist`), 404,
			[]string{"does not exist"}},
		"cancel no job": {"DELETE", "/v1/jobs/job_1", services.Faultf(services.KindNotFound, `job "job_1" does not exist`), 404,
			[]string{"does not exist"}},
		"not retriable": {"POST", "/v1/jobs/job_1/retry", fmt.Errorf("job job_1 is running: %w", jobs.ErrNotRetriable), 409,
			[]string{"problem:job_not_retriable", "job job_1 is running"}},
		"refused with a fault": {"POST", "/v1/jobs/job_1/retry", &services.Fault{Kind: services.KindInvalid, Message: "its recording is gone",
			Err: jobs.ErrNotRetriable}, 409, []string{"its recording is gone"}},
		"bad cursor":       {"GET", "/v1/jobs?cursor=x", services.Invalidf("cursor", "is of no page"), 400, []string{"cursor is of no page"}},
		"recording in use": {"DELETE", "/v1/audio/" + hash, library.ErrInUse, 409, []string{"problem:audio_in_use"}},
		"no such recording": {"DELETE", "/v1/audio/" + hash, services.Faultf(services.KindNotFound, "the recording does not exist"), 404,
			[]string{"does not exist"}},
	} {
		refusal = c.err
		body := ""
		if c.path == "/v1/jobs" {
			body = `{"service":"x"}`
		}
		response, answer := b.call(t, c.method, c.path, body, "Content-Type", jsonType)
		require.Equal(t, c.status, response.StatusCode, "%s: %s", name, answer)
		for _, text := range c.says {
			require.Contains(t, answer, text, name)
		}
	}
	for _, path := range []string{"/v1/jobs/a.b", "/v1/jobs/" + strings.Repeat("x", 65)} {
		response, _ := b.call(t, "GET", path, "")
		require.Equal(t, http.StatusBadRequest, response.StatusCode, path)
	}
}

func TestARepetitionAndAWait(t *testing.T) {
	t.Parallel()
	job, existed := queued("job_1"), true
	ends := make(chan jobs.Job, 1)
	script := &scriptedJobs{
		submit: func(jobs.Submission) (jobs.Job, bool, error) { return job, existed, nil },
		follow: func(ctx context.Context, after jobs.Revision, changed func(jobs.Job) error) error {
			require.Equal(t, jobs.Revision(1), after)
			select {
			case end := <-ends:
				return changed(end)
			case <-ctx.Done():
				return ctx.Err()
			}
		},
		result: func() (json.RawMessage, error) { return json.RawMessage(`{"text":"HELLO"}`), nil },
	}
	b := setupJobs(t, script)
	submit := func(header ...string) (*answer, string) {
		return b.call(t, "POST", "/v1/jobs", `{"service":"wav2vec2"}`, append(header, "Content-Type", jsonType)...)
	}
	response, _ := submit()
	require.Equal(t, http.StatusAccepted, response.StatusCode)
	require.Equal(t, "true", response.Header.Get("Idempotent-Replayed"))
	require.Empty(t, response.Header.Get("Preference-Applied"))

	ends <- in(job, jobs.StatusSucceeded)
	response, body := submit("Prefer", "respond-async, Wait=30; x=y")
	require.Equal(t, http.StatusOK, response.StatusCode)
	require.Equal(t, "wait=30", response.Header.Get("Preference-Applied"))
	require.Contains(t, body, `"result":{"text":"HELLO"}`)
	require.Contains(t, body, `"status":"succeeded"`)

	failed := in(job, jobs.StatusFailed)
	failed.Failure = &jobs.Failure{Kind: services.KindTimeout, Message: "it took too long"}
	ends <- failed
	response, body = submit("Prefer", "respond-async", "Prefer", "wait=9999")
	require.Equal(t, http.StatusOK, response.StatusCode)
	require.Equal(t, "wait=300", response.Header.Get("Preference-Applied"))
	require.Contains(t, body, `"error":{"kind":"timeout","message":"it took too long"}`)
	require.NotContains(t, body, `"result":`+"{")

	existed = false
	response, body = submit("Prefer", "wait=1")
	require.Equal(t, http.StatusAccepted, response.StatusCode, "the time is over")
	require.Equal(t, "wait=1", response.Header.Get("Preference-Applied"))
	require.Contains(t, body, `"status":"queued"`)

	job = in(job, jobs.StatusSucceeded)
	script.result = func() (json.RawMessage, error) { return nil, services.Faultf(services.KindUnavailable, "gone") }
	response, body = submit()
	require.Equal(t, http.StatusOK, response.StatusCode, "what is accepted is no error")
	require.NotContains(t, body, `"result":`+"{")
}

func TestListsAreFiltered(t *testing.T) {
	t.Parallel()
	var got jobs.Filter
	page := jobs.Page{}
	b := setupJobs(t, &scriptedJobs{list: func(f jobs.Filter) (jobs.Page, error) {
		got = f
		return page, nil
	}})
	response, body := b.call(t, "GET", "/v1/jobs", "")
	require.Equal(t, http.StatusOK, response.StatusCode)
	require.Contains(t, body, `"data":[],"has_more":false,"object":"list","queue":{`)
	require.Equal(t, jobs.Filter{Limit: 20}, got)

	page = jobs.Page{Jobs: []jobs.Job{queued("job_2"), queued("job_1")}, Next: "next"}
	_, body = b.call(t, "GET", "/v1/jobs?status=queued,running&status=failed&service=wav2vec2&label=album:7&label=u:http://x&limit=2"+
		"&cursor=c&created_after=2026-11-24T09:00:00Z&created_before=2026-11-25T09:00:00%2B01:00", "")
	require.Contains(t, body, `"next_cursor":"next"`)
	require.Contains(t, body, `"has_more":true`)
	require.True(t, got.CreatedTo.Equal(time.Date(2026, 11, 25, 8, 0, 0, 0, time.UTC)))
	got.CreatedTo = time.Time{}
	require.Equal(t, jobs.Filter{
		Statuses: []jobs.Status{jobs.StatusQueued, jobs.StatusRunning, jobs.StatusFailed}, Service: "wav2vec2",
		Labels: map[string]string{"album": "7", "u": "http://x"},
		Limit:  2, Cursor: "c", CreatedFrom: time.Date(2026, 11, 24, 9, 0, 0, 0, time.UTC),
	}, got)
	for query, want := range map[string]string{
		"status=done":                "status must be a list of queued, running, succeeded, failed, cancelled",
		"status=queued,":             "status must be a list of",
		"label=album":                "label must be key:value",
		"label=a:1&label=a:2":        "to be both",
		"limit=0":                    "limit",
		"limit=201":                  "limit",
		"limit=x":                    "limit",
		"created_after=yesterday":    "created_after",
		"created_before=2026-13-01":  "created_before",
		"cursor=":                    "cursor",
		"status=x&label=y&service=z": "label must be key:value",
	} {
		response, body := b.call(t, "GET", "/v1/jobs?"+query, "")
		require.Equal(t, http.StatusBadRequest, response.StatusCode, "%s: %s", query, body)
		require.Contains(t, body, want, query)
	}
}

// everyKey accepts any key, which is its own id; the key admin has the scope admin.
type everyKey struct{}

func (everyKey) Check(text string) (access.Key, error) {
	scope := access.ScopeUse
	if text == "admin" {
		scope = access.ScopeAdmin
	}
	return access.Key{ID: text, Scopes: []access.Scope{scope}}, nil
}

func TestJobsBelongToTheKeyThatSubmittedThem(t *testing.T) {
	t.Parallel()
	var owner, viewer string
	b := setupJobs(t, &scriptedJobs{
		submit: func(s jobs.Submission) (jobs.Job, bool, error) {
			owner = s.Owner
			return queued("job_1"), false, nil
		},
		get: func(v, _ string) (jobs.Job, error) {
			viewer = v
			return queued("job_1"), nil
		},
		list: func(f jobs.Filter) (jobs.Page, error) {
			viewer = f.Owner
			return jobs.Page{}, nil
		},
	}, func(_ *Config, d *Dependencies) { d.Keys = everyKey{} })
	for key, want := range map[string]string{"alice": "alice", "admin": ""} {
		b.call(t, "POST", "/v1/jobs", `{"service":"x"}`, "Content-Type", jsonType, "Authorization", "Bearer "+key)
		require.Equal(t, key, owner, "an admin's jobs are its own too")
		for _, path := range []string{"/v1/jobs/job_1", "/v1/jobs"} {
			viewer = "nobody"
			response, body := b.call(t, "GET", path, "", "Authorization", "Bearer "+key)
			require.Equal(t, http.StatusOK, response.StatusCode, body)
			require.Equal(t, want, viewer, "%s %s", key, path)
		}
	}
	response, _ := b.call(t, "GET", "/v1/jobs/job_1", "")
	require.Equal(t, http.StatusUnauthorized, response.StatusCode)
}

func TestAllOfAJobIsShownButWhatIsTheQueues(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 11, 24, 9, 0, 0, 0, time.UTC)
	job := queued("job_1")
	job.Owner, job.Fingerprint, job.Claim, job.NotBefore = "secret-owner", "secret-fingerprint", &jobs.Claim{Token: "secret-token"}, at
	job.Status, job.Progress, job.Redeliveries, job.Model = jobs.StatusFailed, 0.25, 1, "m"
	job.Attempts = []jobs.Attempt{{Started: at, Ended: at, Worker: "w", Outcome: "invalid", Error: "it is text"}}
	job.Failure = &jobs.Failure{Kind: services.KindInvalid, Message: "it is text", Fields: []services.FieldError{{Field: "file",
		Problem: "is text"}}}
	job.Callback = &jobs.Callback{URL: "https://app.example/", State: jobs.CallbackPending, Next: at,
		Deliveries: []jobs.Delivery{{At: at, Status: 502, Error: "the receiver answered 502"}}}
	job.AudioID, job.AudioBytes, job.Params, job.Started, job.Finished, job.Deadline = hash, 7, json.RawMessage(`{"a":1}`), at, at, at
	found := func(_, _ string) (jobs.Job, error) { return job, nil }
	b := setupJobs(t, &scriptedJobs{get: found, cancel: found, retry: found})
	want := `{"id":"job_1","object":"job","service":"wav2vec2","task":"transcribe","model":"m","status":"failed","priority":"normal","progress":0.25,
		"attempts":1,"attempt_log":[{"started":"2026-11-24T09:00:00Z","ended":"2026-11-24T09:00:00Z","worker":"w","outcome":"invalid","error":"it is text"}],"redeliveries":1,
		"params":{"a":1},"labels":{},"audio_id":"` + hash + `","audio_bytes":7,"created":"2026-11-24T09:00:00Z","started":"2026-11-24T09:00:00Z","finished":"2026-11-24T09:00:00Z","deadline":"2026-11-24T09:00:00Z",
		"error":{"kind":"invalid","message":"it is text","errors":[{"field":"audio","problem":"is text"}]},
		"callback":{"url":"https://app.example/","state":"pending","next":"2026-11-24T09:00:00Z","deliveries":[{"at":"2026-11-24T09:00:00Z","status":502,"error":"the receiver answered 502"}]},
		"links":{"self":"/v1/jobs/job_1","events":"/v1/jobs/job_1/events","result":"/v1/jobs/job_1/result"}}`
	for _, c := range []struct{ method, path string }{{"GET", "/v1/jobs/job_1"}, {"DELETE", "/v1/jobs/job_1"},
		{"POST", "/v1/jobs/job_1/retry"}} {
		response, body := b.call(t, c.method, c.path, "")
		require.Equal(t, http.StatusOK, response.StatusCode, body)
		require.JSONEq(t, want, body)
	}
	body, err := apijobs.Body(job)
	require.NoError(t, err)
	require.JSONEq(t, want, string(body), "a webhook tells what the route tells")
	require.False(t, bytes.Contains(body, []byte("secret")))
}
