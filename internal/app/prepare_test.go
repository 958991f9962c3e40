package app

import (
	"bytes"
	"context"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/grym-synth/grym-synth/api"
	"github.com/grym-synth/grym-synth/internal/datadir"
	"github.com/grym-synth/grym-synth/internal/lifecycle"
	"github.com/grym-synth/grym-synth/services"
)

// whole returns the handler of the real system, with its jobs.
func whole(t *testing.T, s *system) http.Handler {
	t.Helper()
	dir, err := datadir.Open(s.cfg.DataDir)
	require.NoError(t, err)
	stored, err := openStorage(s.cfg, s.log)
	require.NoError(t, err)
	async, err := s.openJobs(s.cfg, stored, dir)
	require.NoError(t, err)
	var parts lifecycle.List
	for _, part := range []lifecycle.Part{async.store, async.database, async.upgrade, async.jobs} {
		parts.Add("a part of jobs", 10*time.Second, part)
	}
	require.NoError(t, parts.Start(t.Context()))
	t.Cleanup(func() {
		require.NoError(t, parts.Stop(context.Background()))
		require.NoError(t, dir.Close())
	})
	contract, err := os.ReadFile("openapi.yaml")
	require.NoError(t, err)
	handler, err := api.NewHandler(s.cfg.API, s.dependencies(s.cfg, t.TempDir(), contract, async, nil, nil))
	require.NoError(t, err)
	return handler
}

// upload returns a transcription request.
func upload(t *testing.T, clip string) *http.Request {
	t.Helper()
	data, err := os.ReadFile(clips + clip)
	require.NoError(t, err)
	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	part, err := form.CreateFormFile("file", clip)
	require.NoError(t, err)
	_, err = part.Write(data)
	require.NoError(t, err)
	require.NoError(t, form.Close())
	request := httptest.NewRequest(http.MethodPost, "http://127.0.0.1/v1/audio/transcriptions", &body)
	request.Header.Set("Content-Type", form.FormDataContentType())
	return request
}

// TestARequestIsPreparedOnceAndAJobTwice counts the calls of a service, and the model files
// opened for a request to a loaded model.
func TestARequestIsPreparedOnceAndAJobTwice(t *testing.T) {
	s := inProcess(t, nil)
	entry, err := s.registry.Lookup("echo")
	require.NoError(t, err)
	prepared := &entry.Service.(*echo).prepared
	handler := whole(t, s)
	send := func(request *http.Request) {
		recorder := httptest.NewRecorder()
		handler.ServeHTTP(recorder, request)
		require.Equal(t, http.StatusOK, recorder.Code, recorder.Body.String())
	}

	before := prepared.Load()
	_, err = s.orchestrator.Execute(t.Context(), services.Task{Service: "echo", Name: "say"}, services.DiscardSink{})
	require.NoError(t, err)
	require.Equal(t, before+1, prepared.Load())

	job := httptest.NewRequest(http.MethodPost, "http://127.0.0.1/v1/jobs", strings.NewReader(`{"service":"echo","params":{"words":"hello"}}`))
	job.Header.Set("Content-Type", "application/json")
	job.Header.Set("Prefer", "wait=30")
	before = prepared.Load()
	send(job)
	require.Equal(t, before+2, prepared.Load(), "when it is accepted and when it runs")

	send(upload(t, "clip09.wav"))
	opened := s.catalog.Opens()
	require.Positive(t, opened)
	send(upload(t, "clip01.wav"))
	require.Equal(t, opened, s.catalog.Opens())
}
