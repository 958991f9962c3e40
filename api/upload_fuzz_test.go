package api

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"testing"

	"github.com/grym-synth/grym-synth/orchestrator"
	"github.com/grym-synth/grym-synth/services"
	"github.com/grym-synth/grym-synth/services/tasks"
)

// FuzzUpload sends any bytes as a form: the answer is never a fault of the
// server's, the executor gets what was spooled, and nothing is left on disk.
func FuzzUpload(f *testing.F) {
	part := func(header, body string) string {
		return "--b\r\nContent-Disposition: form-data; " + header + "\r\n\r\n" + body + "\r\n"
	}
	file := part(`name="file"; filename="x.wav"`, "sound")
	for _, seed := range []string{
		"", "--b--\r\n", file + "--b--\r\n", file, file + file + "--b--\r\n",
		part(`name="model"`, "m") + file + part(`name="response_format"`, "srt") + "--b--\r\n",
		part(`name="stream"`, "true") + file + "--b--\r\n",
		part(`name="timestamp_granularities[]"`, "word") + part(`name="timestamp_granularities[]"`, "segment") + part(`name="response_format"`, "verbose_json") + file + "--b--\r\n",
		part(`name="window_seconds"`, "NaN") + part(`name="beam_width"`, "-1") + part(`name="temperature"`, "1e999") + file + "--b--\r\n",
		part(`name="include[]"`, "logprobs") + "--b--\r\n", part(`filename="x"`, "no name") + "--b--\r\n",
		"--b\r\nContent-Disposition: form-data; name=\"file\"\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n=4\r\n--b--\r\n",
		"preamble\r\n" + file + "--b--\r\nepilogue", "--b\n\n--b--",
	} {
		f.Add([]byte(seed))
	}
	contract, err := os.ReadFile("../openapi.yaml")
	if err != nil {
		f.Fatal(err)
	}
	log := slog.New(slog.DiscardHandler)
	spool := f.TempDir()
	executor := executorFunc(func(_ context.Context, task services.Task) (services.TaskResult, error) {
		source, err := task.Audio.Open()
		if err != nil {
			return services.TaskResult{}, err
		}
		defer source.Close()
		data, err := io.ReadAll(source)
		if int64(len(data)) != task.Audio.Size() {
			f.Errorf("the file has %d bytes, its size is %d", len(data), task.Audio.Size())
		}
		return services.TaskResult{Value: &tasks.Transcription{Text: "HELLO"}}, err
	})
	registry := orchestrator.NewRegistry(log)
	handler, err := NewHandler(DefaultConfig(), Dependencies{
		Executor: executor, Services: registry, Models: orchestrator.NewResolver(registry), SpoolDir: spool, Contract: contract, Log: log,
		Views: draining{}, Metrics: http.NotFoundHandler(),
	})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		request := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "http://127.0.0.1/v1/audio/transcriptions", bytes.NewReader(body))
		request.Header.Set("Content-Type", "multipart/form-data; boundary=b")
		recorder := httptest.NewRecorder()
		handler.ServeHTTP(recorder, request)
		if !slices.Contains([]int{200, 400, 413, 415}, recorder.Code) {
			t.Errorf("status %d: %s", recorder.Code, recorder.Body)
		}
		if left, err := os.ReadDir(spool); err != nil || len(left) > 0 {
			t.Errorf("left in the spool: %v %v", left, err)
		}
	})
}
