package api

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/stretchr/testify/require"

	"github.com/grym-synth/grym-synth/api/problem"
	"github.com/grym-synth/grym-synth/api/web"
	"github.com/grym-synth/grym-synth/services"
)

// endless is an endless body that counts the bytes read.
type endless struct{ read int64 }

// Read implements io.Reader.
func (e *endless) Read(p []byte) (int, error) {
	e.read += int64(len(p))
	if e.read > 64<<20 {
		return 0, errors.New("the body was read far over every limit")
	}
	for i := range p {
		p[i] = ' '
	}
	return len(p), nil
}

// Close implements io.Closer.
func (e *endless) Close() error { return nil }

// TestTheValidatorReadsOnlyBoundedJSON sends every kind of body to every route, and counts
// the bytes read before the handler is called.
func TestTheValidatorReadsOnlyBoundedJSON(t *testing.T) {
	t.Parallel()
	checked, err := contract()
	require.NoError(t, err)
	spec, err := openapi3.NewLoader().LoadFromData(checked.text)
	require.NoError(t, err)
	table, err := newOperations(spec)
	require.NoError(t, err)
	h := &handlers{cfg: DefaultConfig(), operations: table}
	problems := &problem.Writer{RequestID: func(*http.Request) string { return "" }, OpenAI: func(*http.Request) bool { return false }}
	validator, err := h.validator(spec, problems)
	require.NoError(t, err)
	// Values that match the patterns of the contract.
	path := strings.NewReplacer("{audio_id}", strings.Repeat("a", 64), "{", "", "}", "")
	for pattern, item := range spec.Paths.Map() {
		for method, operation := range item.Operations() {
			for _, kind := range []string{
				"multipart/form-data; boundary=b", "multipart/form-data", "audio/wav", "video/mp4", "application/octet-stream", "application/json",
				"application/merge-patch+json", "application/x-www-form-urlencoded", "text/plain", "application/zip", "application/vnd.x+json",
				"no;;type", "",
			} {
				for _, length := range []int64{-1, 200 << 20} {
					body := &endless{}
					request := httptest.NewRequestWithContext(t.Context(), method, "http://127.0.0.1"+path.Replace(pattern), nil)
					request.Body, request.ContentLength = body, length
					request.Header.Set("Content-Type", kind)
					validator(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
						require.Same(t, body, r.Body, "%s %s %s: the handler has the body", method, pattern, kind)
					})).ServeHTTP(httptest.NewRecorder(), request)
					most := int64(0)
					if takesJSON := operation.RequestBody != nil && operation.RequestBody.Value.Content.Get(request.Header.Get("Content-Type")) != nil &&
						isJSON(web.MediaType(request)); takesJSON && length < 0 {
						limit := h.limitOf(request).Bytes
						most = limit + limit/2 // the reader's last piece
						require.Positive(t, body.read)
					}
					require.LessOrEqual(t, body.read, most, "%s %s %s of length %d", method, pattern, kind, length)
				}
			}
		}
	}
}

func TestEachLimitHasItsName(t *testing.T) {
	t.Parallel()
	checked, err := contract()
	require.NoError(t, err)
	table, err := newOperations(checked.spec)
	require.NoError(t, err)
	h := &handlers{cfg: DefaultConfig(), operations: table}
	small := &handlers{cfg: DefaultConfig(), operations: table}
	small.cfg.MaxUpload = services.KiB
	const setting = "; to change the limit, set api.maxUpload"
	for _, c := range []struct {
		h                *handlers
		path, kind, says string
	}{
		{h, "/v1/audio/transcriptions", "multipart/form-data; boundary=b", "268435456 bytes (256.0 MiB), the limit for a form" + setting},
		{h, "/v1/audio", "audio/flac", "268435456 bytes (256.0 MiB), the limit for a recording" + setting},
		{h, "/v1/audio", "application/octet-stream", "268435456 bytes (256.0 MiB), the limit for a recording" + setting},
		{h, "/v1/audio/generations", "application/json", "1048576 bytes (1.0 MiB), the limit for JSON"},
		{h, "/v1/jobs", "application/json; charset=utf-8", "33554432 bytes (32.0 MiB), the limit for JSON with a recording as base64"},
		{small, "/v1/jobs", "application/json", "1024 bytes (1.0 KiB), the limit for JSON with a recording as base64" + setting},
		{h, "/v2", "text/plain", "268435456 bytes (256.0 MiB), the limit for the body of a request" + setting},
	} {
		request := httptest.NewRequestWithContext(t.Context(), http.MethodPost, c.path, io.NopCloser(strings.NewReader("")))
		request.Header.Set("Content-Type", c.kind)
		require.Equal(t, "the body has more than "+c.says, c.h.limitOf(request).Fault(nil).Message)
	}
}
