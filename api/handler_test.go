package api

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/getkin/kin-openapi/routers/gorillamux"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/grym-synth/grym-synth/api/gen"
	"github.com/grym-synth/grym-synth/api/manage"
	"github.com/grym-synth/grym-synth/api/web"
	"github.com/grym-synth/grym-synth/orchestrator"
	"github.com/grym-synth/grym-synth/services"
	"github.com/grym-synth/grym-synth/services/tasks"
)

func TestMain(m *testing.M) {
	// The contract does not describe the content of these types.
	for _, kind := range []string{"text/event-stream", "text/vtt", "application/x-subrip", "audio/wav", "audio/flac", "audio/pcm",
		"image/png", "image/svg+xml"} {
		openapi3filter.RegisterBodyDecoder(kind, openapi3filter.FileBodyDecoder)
	}
	goleak.VerifyTestMain(m)
}

// executorFunc is a scripted executor.
type executorFunc func(ctx context.Context, task services.Task) (services.TaskResult, error)

func (f executorFunc) Execute(ctx context.Context, task services.Task, _ services.Sink) (services.TaskResult, error) {
	return f(ctx, task)
}

func says(text string) executorFunc {
	return func(context.Context, services.Task) (services.TaskResult, error) {
		word := tasks.Word{Text: text, Start: 0.1, End: 0.2, Tokens: []tasks.Token{{ID: 7, Text: text, LogProb: -0.5}}, NoSpeech: -100}
		return services.TaskResult{Value: &tasks.Transcription{Text: text, DurationSeconds: 1, Words: []tasks.Word{word}}}, nil
	}
}

func fails(err error) executorFunc {
	return func(context.Context, services.Task) (services.TaskResult, error) { return services.TaskResult{}, err }
}

// draining is a server that is shutting down. It only implements HealthView.
type draining struct{ manage.Views }

// HealthView implements manage.Views.
func (draining) HealthView() manage.HealthView {
	return manage.HealthView{Phase: "draining", Since: time.Now(), Reasons: []string{"the server is draining"}}
}

// bundle is the whole handler over a scripted executor.
type bundle struct {
	url   string
	spool string
	spec  *openapi3.T
	route routers.Router
}

// contract is openapi.yaml, read and checked once for all tests.
var contract = sync.OnceValues(func() (c struct {
	text  []byte
	spec  *openapi3.T
	route routers.Router
}, err error) {
	if c.text, err = os.ReadFile("../openapi.yaml"); err != nil {
		return c, err
	}
	if c.spec, err = openapi3.NewLoader().LoadFromData(c.text); err != nil {
		return c, err
	}
	if err = c.spec.Validate(context.Background()); err != nil {
		return c, err
	}
	// The test server has its own address, so the contract's server is removed.
	c.spec.Servers = nil
	c.route, err = gorillamux.NewRouter(c.spec)
	return c, err
})

func setup(t *testing.T, executor web.Executor, change ...func(*Config, *Dependencies)) *bundle {
	t.Helper()
	checked, err := contract()
	require.NoError(t, err)
	b := &bundle{spool: t.TempDir(), spec: checked.spec, route: checked.route}
	log := slog.New(slog.DiscardHandler)
	cfg := DefaultConfig()
	registry := orchestrator.NewRegistry(log)
	deps := Dependencies{
		Executor: executor, Services: registry, Models: orchestrator.NewResolver(registry, orchestrator.Names{}),
		SpoolDir: b.spool, Contract: checked.text, Log: log,
		Views:   draining{},
		Metrics: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "grym_up 1\n") }),
	}
	for _, f := range change {
		f(&cfg, &deps)
	}
	balance := balanced(&deps)
	handler, err := NewHandler(cfg, deps)
	require.NoError(t, err)
	server := httptest.NewServer(balance.count(handler))
	t.Cleanup(func() { balance.require(t, b.spool) })
	t.Cleanup(server.Close)
	b.url = server.URL
	return b
}

// answer is a response whose body has been read.
type answer struct {
	StatusCode int
	Header     http.Header
}

// do sends a request and validates the response against the contract.
func (b *bundle) do(t *testing.T, request *http.Request) (*answer, string) {
	t.Helper()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	response, err := client.Do(request)
	require.NoError(t, err)
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	if route, params, err := b.route.FindRoute(request); err == nil && response.StatusCode != http.StatusForbidden {
		require.NoError(t, openapi3filter.ValidateResponse(t.Context(), &openapi3filter.ResponseValidationInput{
			RequestValidationInput: &openapi3filter.RequestValidationInput{Request: request, PathParams: params, Route: route},
			Status:                 response.StatusCode, Header: response.Header, Body: io.NopCloser(bytes.NewReader(body)),
			Options: &openapi3filter.Options{IncludeResponseStatus: true},
		}), "%d %s", response.StatusCode, body)
	}
	return &answer{response.StatusCode, response.Header}, string(body)
}

func (b *bundle) request(t *testing.T, method, path string, body io.Reader) *http.Request {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, b.url+path, body)
	require.NoError(t, err)
	return request
}

// upload sends fields in pairs; the name "file" makes a file.
func (b *bundle) upload(t *testing.T, fields ...string) (*answer, string) {
	t.Helper()
	var form bytes.Buffer
	w := multipart.NewWriter(&form)
	for i := 0; i+1 < len(fields); i += 2 {
		create := w.CreateFormField
		if fields[i] == "file" {
			create = func(name string) (io.Writer, error) { return w.CreateFormFile(name, "x.wav") }
		}
		part, err := create(fields[i])
		require.NoError(t, err)
		_, err = io.WriteString(part, fields[i+1])
		require.NoError(t, err)
	}
	require.NoError(t, w.Close())
	request := b.request(t, http.MethodPost, "/v1/audio/transcriptions", &form)
	request.Header.Set("Content-Type", w.FormDataContentType())
	return b.do(t, request)
}

func TestTranscriptionFormats(t *testing.T) {
	t.Parallel()
	b := setup(t, says("HELLO"))
	_, body := b.upload(t, "file", "x")
	require.JSONEq(t, `{"text":"HELLO","usage":{"type":"duration","seconds":1}}`, body)
	response, body := b.upload(t, "response_format", "text", "file", "x")
	require.Equal(t, "HELLO\n", body)
	require.Contains(t, response.Header.Get("Content-Type"), "text/plain")
	_, body = b.upload(t, "file", "x", "response_format", "verbose_json", "timestamp_granularities[]", "word")
	require.JSONEq(t, `{"task":"transcribe","language":"","duration":1,"text":"HELLO","words":[{"word":"HELLO","start":0.1,"end":0.2}],`+
		`"usage":{"type":"duration","seconds":1}}`, body)
	_, body = b.upload(t, "file", "x", "response_format", "verbose_json")
	require.JSONEq(t, `{"task":"transcribe","language":"","duration":1,"text":"HELLO","words":[{"word":"HELLO","start":0.1,"end":0.2}],`+
		`"segments":[{"id":0,"start":0.1,"end":0.2,"text":"HELLO","seek":10,"tokens":[7],"temperature":0,"avg_logprob":-0.5,`+
		`"no_speech_prob":3.720075976020836e-44,`+
		`"compression_ratio":0.38461538461538464}],"usage":{"type":"duration","seconds":1}}`, body)
}

func TestTheTaskCarriesWhatTheRequestSaid(t *testing.T) {
	t.Parallel()
	var got services.Task
	var content []byte
	b := setup(t, executorFunc(func(_ context.Context, task services.Task) (services.TaskResult, error) {
		got = task
		file, err := task.Audio.Open()
		if err != nil {
			return services.TaskResult{}, err
		}
		defer file.Close()
		content, err = io.ReadAll(file)
		return services.TaskResult{Value: &tasks.Transcription{}}, err
	}))
	var form bytes.Buffer
	w := multipart.NewWriter(&form)
	part, err := w.CreateFormFile("file", "x")
	require.NoError(t, err)
	_, _ = io.WriteString(part, "sound")
	require.NoError(t, w.WriteField("model", "m"))
	for field, value := range map[string]string{
		"language": "en", "prompt": "Brion", "decoding": "beam", "beam_width": "7", "temperature": "0.5", "window_seconds": "0",
		"chunking_strategy": "auto",
	} {
		require.NoError(t, w.WriteField(field, value))
	}
	require.NoError(t, w.Close())
	request := b.request(t, http.MethodPost, "/v1/audio/transcriptions", &form)
	request.Header.Set("Content-Type", w.FormDataContentType())
	request.Header.Set("Grym-Priority", "high")
	request.Header.Set("X-Request-Id", "mine-1")
	response, _ := b.do(t, request)
	require.Equal(t, http.StatusOK, response.StatusCode)
	require.Equal(t, "mine-1", response.Header.Get("X-Request-Id"))
	require.Equal(t, "mine-1", got.ID)
	require.Equal(t, "m", got.Model)
	require.Equal(t, services.PriorityHigh, got.Priority)
	require.JSONEq(t, `{"language":"en","prompt":"Brion","decoding":"beam","beam_width":7,"temperature":0.5,"window_seconds":0}`,
		string(got.Params))
	require.Equal(t, "sound", string(content))
	require.Equal(t, int64(5), got.Audio.Size())
	left, err := os.ReadDir(b.spool)
	require.NoError(t, err)
	require.Empty(t, left, "the upload is removed once the answer is made")
}

func TestBadRequestsNameEveryField(t *testing.T) {
	t.Parallel()
	b := setup(t, says("never"))
	for name, c := range map[string]struct {
		fields []string
		says   []string
	}{
		"no file, bad format": {[]string{"response_format", "xml"}, []string{"file is missing",
			"response_format must be one of json, text, srt, vtt, verbose_json"}},
		"what no model can do": {[]string{"file", "a", "include[]", "speakers", "chunking_strategy", "{}", "known_speaker_names[]", "me"},
			[]string{"include[] must be logprobs", "chunking_strategy must be auto",
				"known_speaker_names[] is not supported"}},
		"no patience": {[]string{"file", "a", "patience", "0"}, []string{"patience must be above 0 and at most 10, got 0"}},
		"times without a place": {[]string{"file", "a", "timestamp_granularities[]", "word"},
			[]string{"timestamp_granularities[] requires response_format verbose_json, got json"}},
		"odd beams":           {[]string{"file", "a", "beam_width", "many"}, []string{"beam_width must be a whole number from 1 to 1000"}},
		"two files":           {[]string{"file", "a", "file", "b"}, []string{"file must not be repeated"}},
		"temperature NaN":     {[]string{"file", "a", "temperature", "NaN"}, []string{"temperature must be a number from 0 to 1"}},
		"twice the model":     {[]string{"file", "a", "model", "b", "model", "c"}, []string{"model must not be repeated, got 2 values"}},
		"segment granularity": {[]string{"file", "a", "timestamp_granularities[]", "sentence"}, []string{"must be word"}},
		"a field far too long": {[]string{"file", "a", "language", strings.Repeat("x", web.MaxFieldBytes+1)},
			[]string{"language has more than"}},
	} {
		response, body := b.upload(t, c.fields...)
		require.Equal(t, http.StatusBadRequest, response.StatusCode, name)
		for _, text := range c.says {
			require.Contains(t, body, text, name)
		}
	}
}

func TestRefusalsOfTheHTTPLayer(t *testing.T) {
	t.Parallel()
	b := setup(t, says("never"), func(c *Config, _ *Dependencies) { c.MaxUpload = 4096 })
	for name, c := range map[string]struct {
		request func(r *http.Request)
		method  string
		path    string
		body    string
		status  int
		says    string
	}{
		"no route":        {method: "GET", path: "/v2/x", status: 404, says: "no_such_route"},
		"wrong method":    {method: "DELETE", path: "/v1/models", status: 405, says: "does not allow DELETE"},
		"not multipart":   {method: "POST", path: "/v1/audio/transcriptions", body: "{}", status: 415, says: "multipart/form-data"},
		"unknown service": {method: "GET", path: "/readyz/x", status: 404, says: `\"x\" does not exist`},
		"foreign host": {method: "GET", path: "/livez", status: 403, says: "evil.example",
			request: func(r *http.Request) { r.Host = "evil.example" }},
		"foreign origin": {method: "GET", path: "/livez", status: 403, says: "evil.example",
			request: func(r *http.Request) { r.Header.Set("Origin", "https://evil.example") }},
		"own origin": {method: "GET", path: "/livez", status: 200, says: "ok", request: func(r *http.Request) {
			r.Header.Set("Origin",
				"http://localhost:3000")
		}},
		"bad priority": {method: "POST", path: "/v1/audio/transcriptions", status: 400, says: "Grym-Priority",
			request: func(r *http.Request) { r.Header.Set("Grym-Priority", "urgent") }},
		"form that breaks": {method: "POST", path: "/v1/audio/transcriptions", body: "--b\r\nContent-Disposition: form-data; " +
			"name=\"file\"; filename=\"x\"\r\n\r\nabc", status: 400, says: "incomplete",
			request: func(r *http.Request) { r.Header.Set("Content-Type", "multipart/form-data; boundary=b") }},
		"readiness tells why": {method: "GET", path: "/readyz", status: 503, says: "the server is draining"},
	} {
		request := b.request(t, c.method, c.path, strings.NewReader(c.body))
		if c.request != nil {
			c.request(request)
		}
		response, body := b.do(t, request)
		require.Equal(t, c.status, response.StatusCode, "%s: %s", name, body)
		require.Contains(t, body, c.says, name)
	}
	response, _ := b.do(t, b.request(t, http.MethodGet, "/v1/audio/transcriptions", nil))
	require.Equal(t, "POST", response.Header.Get("Allow"))
	response, body := b.upload(t, "file", strings.Repeat("x", 8192))
	require.Equal(t, http.StatusRequestEntityTooLarge, response.StatusCode, body)
	require.Contains(t, body, "4096 bytes")
	left, err := os.ReadDir(b.spool)
	require.NoError(t, err)
	require.Empty(t, left)
}

func TestFaultsReachTheClient(t *testing.T) {
	t.Parallel()
	busy := &services.Fault{Kind: services.KindBusy, Message: "full", RetryAfter: 3 * time.Second}
	b := setup(t, fails(busy))
	response, body := b.upload(t, "file", "x")
	require.Equal(t, http.StatusTooManyRequests, response.StatusCode)
	require.Equal(t, "3", response.Header.Get("Retry-After"))
	require.Contains(t, body, "full")

	b = setup(t, executorFunc(func(context.Context, services.Task) (services.TaskResult, error) { panic("boom") }))
	response, body = b.upload(t, "file", "x")
	require.Equal(t, http.StatusInternalServerError, response.StatusCode)
	require.NotContains(t, body, "boom")
}

func TestSpoolThatCannotBeWritten(t *testing.T) {
	t.Parallel()
	b := setup(t, says("never"), func(_ *Config, d *Dependencies) { d.SpoolDir = "/nonexistent/spool" })
	response, body := b.upload(t, "file", "x")
	require.Equal(t, http.StatusServiceUnavailable, response.StatusCode)
	require.Contains(t, body, "could not be stored")
	require.NotContains(t, body, "nonexistent")
}

// TestHangUpEndsTheContext sends the body with and without a length: net/http detects a
// hang-up only after the end of the body.
func TestHangUpEndsTheContext(t *testing.T) {
	t.Parallel()
	for _, chunked := range []bool{false, true} {
		running, ended := make(chan struct{}), make(chan error, 1)
		b := setup(t, executorFunc(func(ctx context.Context, _ services.Task) (services.TaskResult, error) {
			close(running)
			<-ctx.Done()
			ended <- ctx.Err()
			return services.TaskResult{}, ctx.Err()
		}))
		var form bytes.Buffer
		w := multipart.NewWriter(&form)
		part, err := w.CreateFormFile("file", "x")
		require.NoError(t, err)
		_, _ = part.Write(make([]byte, 100_000))
		require.NoError(t, w.Close())
		ctx, hangUp := context.WithCancel(t.Context())
		var body io.Reader = &form
		if chunked {
			body = io.MultiReader(&form)
		}
		request, err := http.NewRequestWithContext(ctx, http.MethodPost, b.url+"/v1/audio/transcriptions", body)
		require.NoError(t, err)
		request.Header.Set("Content-Type", w.FormDataContentType())
		done := make(chan struct{})
		go func() {
			defer close(done)
			response, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(request)
			if err == nil {
				_ = response.Body.Close()
			}
		}()
		<-running
		hangUp()
		require.ErrorIs(t, <-ended, context.Canceled)
		<-done
	}
}

func TestTheContractIsServedAsItIs(t *testing.T) {
	t.Parallel()
	b := setup(t, says("x"))
	_, body := b.do(t, b.request(t, http.MethodGet, "/openapi.json", nil))
	var document struct {
		Paths map[string]map[string]struct{ OperationID string }
	}
	require.NoError(t, json.Unmarshal([]byte(body), &document))
	require.Equal(t, "createTranscription", document.Paths["/v1/audio/transcriptions"]["post"].OperationID)
	for path := range document.Paths {
		require.NotNil(t, b.spec.Paths.Find(path), path)
	}
}

var _ gen.StrictServerInterface = (*endpoints)(nil)
