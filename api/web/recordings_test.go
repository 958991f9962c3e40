package web

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/grym-synth/grym-synth/orchestrator/library"
	"github.com/grym-synth/grym-synth/orchestrator/records"
	"github.com/grym-synth/grym-synth/orchestrator/records/recordstest"
	"github.com/grym-synth/grym-synth/services"
)

const takesRecordings = `      parameters: [{name: thing_id, in: path, required: true, schema: {type: string}}]
      requestBody:
        content:
          multipart/form-data:
            schema:
              type: object
              properties:
                takes: {type: array, maxItems: 2, items: {type: string, format: binary}}
                about: {type: object}
      responses:
        '201': {description: x, content: {application/json: {schema: {type: object}}}}
`

var discarded = slog.New(slog.DiscardHandler)

// storing returns what reads requests and a library that stores their files.
func storing(t *testing.T) (*Base, *library.Library) {
	t.Helper()
	db := records.NewDatabase(recordstest.NewMemory(), discarded)
	lib := library.New(library.DefaultConfig(), db, discarded)
	require.NoError(t, db.Start(t.Context()))
	t.Cleanup(func() { require.NoError(t, db.Stop(context.Background())) })
	require.True(t, db.AwaitReady(t.Context()))
	return &Base{Sounds: lib, SpoolDir: t.TempDir(), Log: discarded}, lib
}

// TestFilesOfAFormAreStored sends several files of one field, which become stored recordings.
func TestFilesOfAFormAreStored(t *testing.T) {
	t.Parallel()
	b, lib := storing(t)
	route, err := NewRoute("s", "t", RouteOptions{Recordings: []string{"takes"}, Location: "/things/{id}"}, described(t, takesRecordings))
	require.NoError(t, err)
	send := func(files ...string) (asked, error) {
		var body bytes.Buffer
		form := multipart.NewWriter(&body)
		for _, text := range files {
			part, err := form.CreateFormFile("takes[]", "one.wav")
			require.NoError(t, err)
			_, err = part.Write([]byte(text))
			require.NoError(t, err)
		}
		require.NoError(t, form.WriteField("about", `{"room":"hall"}`))
		require.NoError(t, form.Close())
		r := httptest.NewRequestWithContext(WithCaller(t.Context(), services.Caller{Key: "me"}), "POST", "/things/seven", &body)
		r.Header.Set("Content-Type", form.FormDataContentType())
		r.SetPathValue("thing_id", "seven")
		var got asked
		var err error
		WithExchange(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			if got, err = b.read(r.Context(), r, route); err == nil {
				err = b.saveFiles(r.Context(), got)
			}
		})).ServeHTTP(httptest.NewRecorder(), r)
		return got, err
	}
	got, err := send("first", "second")
	require.NoError(t, err)
	require.Equal(t, "seven", got.params["thing_id"])
	require.Equal(t, json.RawMessage(`{"room":"hall"}`), got.params["about"])
	spans, ok := got.params["takes"].([]span)
	require.True(t, ok)
	require.Len(t, spans, 2)
	for _, one := range spans {
		_, err := lib.Describe(t.Context(), services.Caller{Key: "me"}, one.AudioID)
		require.NoError(t, err)
	}
	_, err = send("first", "second", "third")
	require.ErrorContains(t, err, "takes[] must have at most 2 files")
	require.NoError(t, got.upload.Close())
	got, err = send("third")
	require.NoError(t, err)
	spans, _ = got.params["takes"].([]span)
	b.forgetFiles(WithCaller(t.Context(), services.Caller{Key: "me"}), got.upload)
	_, err = lib.Describe(t.Context(), services.Caller{Key: "me"}, spans[0].AudioID)
	require.Equal(t, services.KindNotFound, services.KindOf(err), "it was stored for a task that failed")
	got, err = send("first")
	require.NoError(t, err)
	spans, _ = got.params["takes"].([]span)
	b.forgetFiles(WithCaller(t.Context(), services.Caller{Key: "me"}), got.upload)
	_, err = lib.Describe(t.Context(), services.Caller{Key: "me"}, spans[0].AudioID)
	require.NoError(t, err, "its owner had it before")
	_, err = send("")
	require.ErrorContains(t, err, "has an empty file")
	made := httptest.NewRecorder()
	require.NoError(t, route.answer(made, nil, nil, services.TaskResult{Value: map[string]string{"id": "x1"}}))
	require.Equal(t, []any{201, "/things/x1"}, []any{made.Code, made.Header().Get("Location")})
}
