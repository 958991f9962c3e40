package api

import (
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/stretchr/testify/require"

	"github.com/grym-synth/grym-synth/api/problem"
	"github.com/grym-synth/grym-synth/internal/access"
	"github.com/grym-synth/grym-synth/services"
)

// smallContract has an operation of each kind, and is read in no time.
const smallContract = `
openapi: 3.0.3
paths:
  /livez:
    get: {operationId: getLiveness, x-grym: {scope: none, errors: problem, owner: none}}
  /metrics:
    get: {operationId: getMetrics, x-grym: {scope: read, errors: problem, owner: none}}
  /v1/use:
    get: {operationId: getUse, x-grym: {scope: use, errors: openai, owner: none}}
    put: {operationId: putUse, x-grym: {scope: admin, errors: problem, owner: none}}
  /v1/either:
    get: {operationId: getEither, x-grym: {scope: [use, read], errors: problem, owner: caller}}
  /v1/manage:
    post: {operationId: manage, x-grym: {scope: admin, errors: problem, owner: none}}
  /v1/audio/{audio_id}:
    get: {operationId: getAudio, x-grym: {scope: use, errors: problem, owner: caller}}
  /v1/inline:
    post: {operationId: inline, x-grym: {scope: use, errors: problem, owner: caller, body: inline}}
`

// smallHandlers returns middleware over the small contract.
func smallHandlers(t *testing.T, change func(*Config, *Dependencies)) *handlers {
	t.Helper()
	spec, err := openapi3.NewLoader().LoadFromData([]byte(smallContract))
	require.NoError(t, err)
	cfg := DefaultConfig()
	deps := Dependencies{Log: slog.New(slog.DiscardHandler), Failures: access.NewFailures(0), Traffic: noTraffic{}, Views: draining{}}
	change(&cfg, &deps)
	h := &handlers{cfg: cfg, Dependencies: deps}
	h.operations, err = newOperations(spec)
	require.NoError(t, err)
	h.hosts, _ = access.ParseHosts(cfg.Hosts)
	h.proxies, _ = access.ParseProxies(cfg.TrustedProxies)
	return h
}

// writer returns a writer of problems in one shape.
func writer() *problem.Writer {
	return &problem.Writer{
		Log: slog.New(slog.DiscardHandler), RequestID: func(*http.Request) string { return "" },
		OpenAI: func(*http.Request) bool { return false },
	}
}

// ask returns a request from this machine; headers are pairs.
func ask(t *testing.T, method, path string, headers ...string) *http.Request {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), method, "http://127.0.0.1:8080"+path, nil)
	for i := 0; i+1 < len(headers); i += 2 {
		if headers[i] == "Host" {
			r.Host = headers[i+1]
			continue
		}
		r.Header.Set(headers[i], headers[i+1])
	}
	return r
}

func TestAnOperationIsFoundByItsRequest(t *testing.T) {
	t.Parallel()
	h := smallHandlers(t, func(*Config, *Dependencies) {})
	use, admin := []access.Scope{access.ScopeUse}, []access.Scope{access.ScopeAdmin}
	for _, c := range []struct {
		method, path, id string
		scopes           []access.Scope
		openAI           bool
	}{
		{"GET", "/livez", "getLiveness", nil, false},
		{"GET", "/v1/use", "getUse", use, true},
		{"PUT", "/v1/use", "putUse", admin, false},
		{"GET", "/v1/either", "getEither", []access.Scope{access.ScopeUse, access.ScopeRead}, false},
		{"GET", "/v1/audio/" + hash, "getAudio", use, false},
		{"GET", "/v1/audio/abc", "getAudio", use, false}, // malformed: the errors of its operation
		{"GET", "/v1/audio/speech", "", use, true},       // known, but not served
		{"DELETE", "/v1/use", "", use, true},             // the scopes of another method
		{"DELETE", "/v1/manage", "", admin, true},
		{"POST", "/livez", "", nil, false},
		{"GET", "/v1", "", use, true},
		{"GET", "/v1/", "", use, true},
		{"GET", "/v1x", "", use, false},
		{"GET", "/nothing", "", use, false},
		{"GET", "/v1/use%2Fx", "", use, true},
	} {
		got := h.operations.of(ask(t, c.method, c.path))
		require.Equal(t, c.id, got.id, "%s %s", c.method, c.path)
		require.Equal(t, c.scopes, got.scopes, "%s %s", c.method, c.path)
		require.Equal(t, c.openAI, got.openAI, "%s %s", c.method, c.path)
	}
	require.True(t, h.operations.of(ask(t, "GET", "/v1/either")).caller)
	require.False(t, h.operations.of(ask(t, "GET", "/v1/use")).caller)
	require.True(t, h.operations.of(ask(t, "POST", "/v1/inline")).inline)
	require.True(t, h.operations.of(ask(t, "POST", "/v1/inline")).audio)
	require.False(t, h.operations.of(ask(t, "POST", "/v1/manage")).inline)
}

func TestLimitsOfABody(t *testing.T) {
	t.Parallel()
	h := smallHandlers(t, func(*Config, *Dependencies) {})
	for _, c := range []struct {
		path, kind string
		bytes      int64
		of         string
	}{
		{"/v1/inline", "application/json", 32 << 20, "JSON with a recording as base64"},
		{"/v1/manage", "application/json", 1 << 20, "JSON"},
		{"/v1/manage", "application/merge-patch+json", 1 << 20, "JSON"},
		{"/v1/manage", curlType, 1 << 20, "JSON"},
		{"/v1/manage", "text/plain", 256 << 20, "the body of a request"},
		{"/v1/manage", "audio/wav", 256 << 20, "a recording"},
		{"/v1/manage", "application/octet-stream", 256 << 20, "a recording"},
		{"/v1/manage", "multipart/form-data; boundary=x", 256 << 20, "a form"},
	} {
		limit := h.limitOf(ask(t, "POST", c.path, "Content-Type", c.kind))
		require.Equal(t, c.bytes, limit.Bytes, "%s %s", c.path, c.kind)
		require.Equal(t, c.of, limit.Of, "%s %s", c.path, c.kind)
	}
	for most, want := range map[services.Bytes]int64{1 << 20: 1 << 20, 1<<20 - 1: 1<<20 - 1, 1<<20 + 1: 1 << 20} {
		small := smallHandlers(t, func(c *Config, _ *Dependencies) { c.MaxUpload = most })
		require.Equal(t, want, small.limitOf(ask(t, "POST", "/v1/manage", "Content-Type", "application/json")).Bytes)
	}
	passed := 0
	limited := smallHandlers(t, func(c *Config, _ *Dependencies) { c.MaxUpload = 100 }).limitBody(writer())(http.HandlerFunc(
		func(http.ResponseWriter, *http.Request) { passed++ }))
	for length, want := range map[int64]int{-1: 200, 0: 200, 100: 200, 101: 413} {
		r := ask(t, "POST", "/v1/manage", "Content-Type", "text/plain")
		r.ContentLength = length
		w := httptest.NewRecorder()
		limited.ServeHTTP(w, r)
		require.Equal(t, want, w.Code, "%d bytes", length)
	}
	require.Equal(t, 3, passed)
}

// notes is a tracer that records its spans.
type notes struct {
	mu    sync.Mutex
	spans []*noted
}

type noted struct {
	services.Span
	name  string
	attrs map[string]string
	ended int
	err   error
}

// Begin implements services.Tracer.
func (n *notes) Begin(ctx context.Context, name string, attrs ...slog.Attr) (context.Context, services.Span) {
	span := &noted{name: name, attrs: make(map[string]string)}
	span.Note(attrs...)
	n.mu.Lock()
	defer n.mu.Unlock()
	n.spans = append(n.spans, span)
	return ctx, span
}

// Extract implements Tracer.
func (n *notes) Extract(ctx context.Context, _ func(string) string) context.Context {
	return services.WithTracer(ctx, n)
}

func (s *noted) Rename(name string) { s.name = name }

func (s *noted) Note(attrs ...slog.Attr) {
	for _, a := range attrs {
		s.attrs[a.Key] = a.Value.String()
	}
}

func (s *noted) TraceID() string { return "abc" }

func (s *noted) End(err error) { s.ended, s.err = s.ended+1, err }
