package api

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/grym-synth/grym-synth/orchestrator/jobs"
	"github.com/grym-synth/grym-synth/orchestrator/library"
	"github.com/grym-synth/grym-synth/orchestrator/records"
	"github.com/grym-synth/grym-synth/services"
	"github.com/grym-synth/grym-synth/services/tasks"
)

// memorySound is stored audio.
type memorySound struct {
	*strings.Reader
	closed *bool
}

func (m memorySound) Close() error {
	*m.closed = true
	return nil
}

const transcriptJSON = `{"text":"HELLO","duration":1,"words":[{"word":"HELLO","start":0.1,"end":0.2}]}`

const (
	typeText = "text/plain; charset=utf-8"
	typeSRT  = "application/x-subrip; charset=utf-8"
	typeVTT  = "text/vtt; charset=utf-8"
)

// resultCases are requests for the results of jobs, by kind.
var resultCases = []struct {
	kind, accept, query string
	status              int
	contentType, says   string
}{
	{"transcript", "", "", 200, "application/json", transcriptJSON},
	{"transcript", "*/*", "", 200, "application/json", transcriptJSON},
	{"transcript", "text/plain", "", 200, typeText, "HELLO\n"},
	{"transcript", "text/*", "", 200, typeText, "HELLO\n"},
	{"transcript", "text/vtt", "", 200, typeVTT, "WEBVTT\n\n00:00:00.100 --> 00:00:00.200\nHELLO\n\n"},
	{"transcript", "application/x-subrip", "", 200, typeSRT, "1\n00:00:00,100 --> 00:00:00,200\nHELLO\n\n"},
	{"transcript", "application/json;q=0.5, text/vtt;q=0.9", "", 200, typeVTT, "WEBVTT"},
	{"transcript", "application/json;q=0.5, text/*;q=0.4", "", 200, "application/json", "HELLO"},
	{"transcript", "text/*, text/plain;q=0", "", 200, typeVTT, "WEBVTT"},
	{"transcript", "*/*;q=0.1, text/plain;q=0.2", "", 200, typeText, "HELLO\n"},
	{"transcript", "text/html, */*;q=0.1", "", 200, "application/json", "HELLO"},
	{"transcript", "TEXT/VTT ; Q=1.0", "", 200, typeVTT, "WEBVTT"},
	{"transcript", "audio/*", "", 406, "application/problem+json", "available: application/json (format=json), text/plain (format=text), " +
		"application/x-subrip (format=srt), text/vtt (format=vtt)"},
	{"transcript", "*/*;q=0", "", 406, "application/problem+json", "not_acceptable"},
	{"transcript", "text/plain", "?format=srt", 200, typeSRT, "-->"},
	{"transcript", "", "?format=vtt", 200, typeVTT, "WEBVTT"},
	{"transcript", "", "?format=audio", 406, "application/problem+json", "is not available as format=audio"},
	{"transcript", "", "?format=xml", 400, "application/problem+json", "format"},
	{"answer", "", "", 200, "application/json", "A bell."},
	{"answer", "text/plain", "", 200, typeText, "A bell.\n"},
	{"answer", "text/vtt", "", 406, "application/problem+json", "not_acceptable"},
	{"sound", "", "", 200, "audio/wav", "sound"},
	{"sound", "audio/*;q=0.5, application/json;q=0.4", "", 200, "audio/wav", "sound"},
	{"sound", "application/json", "", 200, "application/json", `{"seed":7}`},
	{"sound", "audio/flac", "", 406, "application/problem+json", "audio/wav (format=audio)"},
	{"sound", "", "?format=json", 200, "application/json", `{"seed":7}`},
	{"sound", "application/json", "?format=audio", 200, "audio/wav", "sound"},
}

func TestAResultComesAsTheClientLikesIt(t *testing.T) {
	t.Parallel()
	kinds := map[string]struct {
		job   jobs.Job
		value string
	}{
		"transcript": {in(queued("job_1"), jobs.StatusSucceeded), transcriptJSON},
		"answer": {jobs.Job{ID: "job_1", Service: "gama", Task: tasks.Ask, Status: jobs.StatusSucceeded},
			`{"text":"A bell.","finish_reason":"stop"}`},
		"sound": {jobs.Job{
			ID: "job_1", Service: "audioldm", Task: tasks.Generate, Status: jobs.StatusSucceeded,
			Result: &jobs.Result{AudioID: hash, ContentType: "audio/wav", AudioBytes: 5},
		}, `{"seed":7}`},
	}
	kind, closed := kinds["sound"], false
	b := setupJobs(t, &scriptedJobs{
		get:    func(_, _ string) (jobs.Job, error) { return kind.job, nil },
		result: func() (json.RawMessage, error) { return json.RawMessage(kind.value), nil },
		open: func(id string) (io.ReadSeekCloser, library.Recording, error) {
			return memorySound{strings.NewReader("sound"), &closed}, library.Recording{ID: id, Bytes: 5}, nil
		},
	})
	for _, c := range resultCases {
		kind, closed = kinds[c.kind], false
		var header []string
		if c.accept != "" {
			header = []string{"Accept", c.accept}
		}
		response, body := b.call(t, "GET", "/v1/jobs/job_1/result"+c.query, "", header...)
		require.Equal(t, c.status, response.StatusCode, "%+v: %s", c, body)
		require.Equal(t, c.contentType, response.Header.Get("Content-Type"), "%+v", c)
		require.Contains(t, body, c.says, "%+v", c)
		require.Equal(t, c.contentType == "audio/wav", closed, "%+v", c)
		if c.status == http.StatusOK && c.contentType == "audio/wav" {
			require.Equal(t, `attachment; filename=job_1.wav`, response.Header.Get("Content-Disposition"))
		}
	}
}

func TestAJobWithoutAResultSaysWhy(t *testing.T) {
	t.Parallel()
	job := queued("job_1")
	b := setupJobs(t, &scriptedJobs{get: func(_, _ string) (jobs.Job, error) { return job, nil }, result: func() (json.RawMessage,
		error) {
		return nil, jobs.ErrNotFinished
	}})
	ask := func() (*answer, string) { return b.call(t, "GET", "/v1/jobs/job_1/result", "") }
	for left, want := range map[float64]string{0: "1", 4.2: "5", 3600: "60"} {
		job.Status, job.SecondsLeft = jobs.StatusRunning, left
		response, body := ask()
		require.Equal(t, http.StatusConflict, response.StatusCode)
		require.Equal(t, want, response.Header.Get("Retry-After"))
		require.Contains(t, body, "urn:grym-synth:problem:job_not_finished")
		require.Contains(t, body, "the job is running")
	}
	job.Status, job.Failure = jobs.StatusFailed, &jobs.Failure{Kind: services.KindInvalid, Message: "file is text",
		Fields: []services.FieldError{{Field: "file", Problem: "is text"}}}
	response, body := ask()
	require.Equal(t, http.StatusConflict, response.StatusCode)
	require.Empty(t, response.Header.Get("Retry-After"))
	require.Contains(t, body, "urn:grym-synth:problem:job_has_no_result")
	require.Contains(t, body, "the job failed: file is text")
	require.Contains(t, body, `"field":"audio"`)
	job.Status, job.Failure = jobs.StatusCancelled, nil
	_, body = ask()
	require.Contains(t, body, "the job was cancelled")
	job.Status = jobs.StatusSucceeded
	response, _ = ask()
	require.Equal(t, http.StatusConflict, response.StatusCode, "queued anew between the two looks")
}

// storedSoundCase is a request for a stored recording, and its response.
type storedSoundCase struct {
	method, path string
	header       []string
	status       int
	body         string
	answer       map[string]string
}

func storedSoundCases(path, etag string) []storedSoundCase {
	return []storedSoundCase{
		{"GET", path, nil, 200, "0123456789", map[string]string{"Content-Type": "audio/flac", "Content-Length": "10", "ETag": etag,
			"Accept-Ranges": "bytes", "X-Content-Type-Options": "nosniff", "Content-Disposition": "attachment; filename=0123456789ab.flac"}},
		{"HEAD", path, nil, 200, "", map[string]string{"Content-Type": "audio/flac", "Content-Length": "10", "ETag": etag}},
		{"GET", path, []string{"Range", "bytes=2-4"}, 206, "234", map[string]string{"Content-Range": "bytes 2-4/10",
			"Content-Type": "audio/flac"}},
		{"GET", path, []string{"Range", "bytes=-3"}, 206, "789", map[string]string{"Content-Range": "bytes 7-9/10"}},
		{"GET", path, []string{"Range", "bytes=8-"}, 206, "89", nil},
		{"GET", path, []string{"Range", "bytes=2-4", "If-Range", `"other"`}, 200, "0123456789", nil},
		{"GET", path, []string{"Range", "bytes=10-"}, 416, "range_not_satisfiable", map[string]string{"Content-Range": "bytes */10",
			"Content-Type": "application/problem+json", "Content-Disposition": ""}},
		{"GET", path, []string{"If-None-Match", `W/"x", ` + etag}, 304, "", map[string]string{"ETag": etag}},
		{"GET", path, []string{"If-None-Match", `"x"`}, 200, "0123456789", nil},
		{"HEAD", path, []string{"Range", "bytes=2-4"}, 206, "", map[string]string{"Content-Length": "3"}},
		{"GET", path, []string{"If-Match", `"other"`}, 412, "precondition_failed", map[string]string{"Content-Type": "application/problem+json"}},
		{"DELETE", path, nil, 204, "", nil},
		{"GET", "/v1/audio/" + strings.Repeat("0", 64), nil, 404, "does not exist", nil},
		{"HEAD", "/v1/audio/" + strings.Repeat("0", 64), nil, 404, "", nil},
		{"GET", "/v1/audio/abc", nil, 404, "no_such_route", nil},
		{"GET", "/v1/audio/" + strings.ToUpper(hash), nil, 404, "no_such_route", nil},
		{"GET", "/v1/audio/transcriptions", nil, 405, "does not allow GET", map[string]string{"Allow": "POST"}},
		{"DELETE", "/v1/audio/generations", nil, 405, "does not allow DELETE", map[string]string{"Allow": "POST"}},
		{"PUT", path, nil, 405, "does not allow PUT", map[string]string{"Allow": "GET, HEAD, DELETE"}},
	}
}

func TestStoredSoundComesInParts(t *testing.T) {
	t.Parallel()
	audio := library.Recording{ID: hash, Bytes: 10, ContentType: "audio/flac", Created: time.Date(2026, 11, 24, 9, 0, 0, 0, time.UTC)}
	opened, closed := 0, false
	describe := func(id string) (library.Recording, error) {
		if id != hash {
			return library.Recording{}, services.Faultf(services.KindNotFound, "the recording %s does not exist", id)
		}
		return audio, nil
	}
	b := setupJobs(t, &scriptedJobs{
		describe: describe,
		open: func(id string) (io.ReadSeekCloser, library.Recording, error) {
			audio, err := describe(id)
			if err != nil {
				return nil, audio, err
			}
			opened, closed = opened+1, false
			return memorySound{strings.NewReader("0123456789"), &closed}, audio, nil
		},
		remove: func(string) error { return nil },
	})
	path := "/v1/audio/" + hash
	etag := `"` + hash + `"`
	for _, c := range storedSoundCases(path, etag) {
		before := opened
		response, body := b.call(t, c.method, c.path, "", c.header...)
		require.Equal(t, c.status, response.StatusCode, "%+v: %s", c, body)
		require.True(t, opened == before || c.method == "GET" && c.status != 304, "%+v: nothing is opened that is not sent", c)
		require.Contains(t, body, c.body, "%+v", c)
		if c.status < 300 {
			require.Equal(t, c.body, body, "%+v", c)
		}
		for name, want := range c.answer {
			require.Equal(t, want, response.Header.Get(name), "%+v: %s", c, name)
		}
		require.True(t, closed || opened == 0, "%+v", c)
	}
	audio.ContentType = "text/html"
	response, _ := b.call(t, "GET", path, "")
	require.Equal(t, "application/octet-stream", response.Header.Get("Content-Type"), "no page of a stored file")
}

func TestARecordingIsStored(t *testing.T) {
	t.Parallel()
	var content, contentType string
	created := true
	at := time.Date(2026, 11, 24, 9, 0, 0, 0, time.UTC)
	b := setupJobs(t, &scriptedJobs{store: func(in *library.Incoming) (library.Recording, bool, error) {
		file, err := in.Source(t.Context()).Open()
		if err != nil {
			return library.Recording{}, false, err
		}
		defer file.Close()
		data, err := io.ReadAll(file)
		content, contentType = string(data), in.ContentType
		return library.Recording{ID: hash, Bytes: int64(len(data)), ContentType: contentType, Created: at, Used: at, Expires: at.Add(time.Hour)},
			created, err
	}}, func(c *Config, _ *Dependencies) { c.MaxUpload = 4 << 20 })
	for _, c := range []struct {
		contentType, body    string
		wantContent, wantTyp string
	}{
		{formType, form("file", "fLaCx"), "fLaCx", "audio/flac"},
		{"audio/wav", "RIFFxxxxWAVE", "RIFFxxxxWAVE", "audio/wav"},
		{"audio/x-strange", "abc", "abc", "audio/x-strange"},
		{"audio/L16; rate=8000", "abc", "abc", "audio/l16; rate=8000"},
		{"video/webm", "\x1a\x45\xdf\xa3", "\x1a\x45\xdf\xa3", "audio/webm"},
		{"application/octet-stream", "<html>", "<html>", "application/octet-stream"},
		{"audio/wav", strings.Repeat("x", 2<<20), strings.Repeat("x", 2<<20), "audio/wav"},
	} {
		response, body := b.call(t, "POST", "/v1/audio", c.body, "Content-Type", c.contentType)
		require.Equal(t, http.StatusCreated, response.StatusCode, body)
		require.Equal(t, "/v1/audio/"+hash, response.Header.Get("Location"))
		require.Equal(t, c.wantContent, content)
		require.Equal(t, c.wantTyp, contentType)
	}
	created = false
	response, body := b.call(t, "POST", "/v1/audio", "ID3", "Content-Type", "audio/mpeg")
	require.Equal(t, http.StatusOK, response.StatusCode)
	require.JSONEq(t, `{"id":"`+hash+`","object":"audio","size":3,"bytes":3,"content_type":"audio/mpeg","created":"2026-11-24T09:00:00Z",`+
		`"last_used":"2026-11-24T09:00:00Z","expires":"2026-11-24T10:00:00Z"}`, body)
	for name, c := range map[string]struct {
		contentType, body, want string
		status                  int
	}{
		"no kind":      {"", "x", "--data-binary", 415},
		"curl -d":      {"application/x-www-form-urlencoded", "x", "--data-binary", 415},
		"text":         {"text/plain", "x", "--data-binary", 415},
		"empty":        {"audio/wav", " "[:0], "file is empty", 400},
		"empty file":   {formType, form("file", ""), "file is empty", 400},
		"no file":      {formType, form("model", "x"), "file is missing", 400},
		"too large":    {"audio/wav", strings.Repeat("x", 5<<20), "4194304 bytes", 413},
		"no boundary":  {"multipart/form-data", "x", "boundary", 415},
		"form cut off": {formType, "--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"x\"\r\n\r\nabc", "incomplete", 400},
	} {
		response, body := b.call(t, "POST", "/v1/audio", c.body, "Content-Type", c.contentType)
		require.Equal(t, c.status, response.StatusCode, "%s: %s", name, body)
		require.Contains(t, body, c.want, name)
	}
}

func TestRecordingsAreListed(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 11, 24, 9, 0, 0, 0, time.UTC)
	var owner, cursor string
	var limit int
	next := "abc"
	b := setupJobs(t, &scriptedJobs{page: func(of services.Caller, l int, c string) (records.Page[library.Recording], error) {
		owner, limit, cursor = of.Key, l, c
		if c == "bad" {
			return records.Page[library.Recording]{}, services.Invalidf("cursor", "is of no page")
		}
		return records.Page[library.Recording]{Next: next, Data: []library.Recording{{
			ID: hash, Bytes: 3, ContentType: "audio/wav", Created: at, Used: at, Expires: at.Add(time.Hour), Name: "a \"b\".wav",
			Facts: library.Facts{Duration: 1.5, SampleRate: 16000, Channels: 2},
		}}}, nil
	}})
	const one = `{"id":"%s","object":"audio","name":"a \"b\".wav","size":3,"bytes":3,"content_type":"audio/wav",` +
		`"duration":1.5,"sample_rate":16000,"channels":2,` +
		`"created":"2026-11-24T09:00:00Z","last_used":"2026-11-24T09:00:00Z","expires":"2026-11-24T10:00:00Z"}`
	response, body := b.call(t, "GET", "/v1/audio?limit=7&cursor=x", "")
	require.Equal(t, http.StatusOK, response.StatusCode, body)
	require.JSONEq(t, `{"data":[`+fmt.Sprintf(one, hash)+`],"next":"abc"}`, body)
	require.Equal(t, []any{"", 7, "x"}, []any{owner, limit, cursor})
	next = ""
	_, body = b.call(t, "GET", "/v1/audio", "")
	require.NotContains(t, body, "next")
	require.Equal(t, 20, limit)
	for _, query := range []string{"limit=0", "limit=201", "cursor=", "cursor=bad"} {
		response, body = b.call(t, "GET", "/v1/audio?"+query, "")
		require.Equal(t, http.StatusBadRequest, response.StatusCode, "%s: %s", query, body)
	}
}

func TestARecordingThatHasNoRoomIsRefused(t *testing.T) {
	t.Parallel()
	b := setupJobs(t, &scriptedJobs{recordings: memoryLibrary(func(c *library.Config) { c.Quota = 10 })})
	for _, c := range [][3]string{
		{"/v1/audio", "audio/wav", "12345678901"},
		{"/v1/audio", formType, form("file", "12345678901")},
		{"/v1/jobs", formType, form("audio", "12345678901", "request", `{"service":"wav2vec2"}`)},
		{"/v1/jobs", jsonType, `{"service":"wav2vec2","audio":{"data":"MTIzNDU2Nzg5MDE="}}`},
	} {
		response, body := b.call(t, "POST", c[0], c[2], "Content-Type", c[1])
		require.Equal(t, http.StatusInsufficientStorage, response.StatusCode, body)
		require.Contains(t, body, "jobs.audio.quota", c)
	}
}
