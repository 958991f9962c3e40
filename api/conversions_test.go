package api

import (
	"bytes"
	"context"
	"errors"
	"mime/multipart"
	"net/http"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/grym-synth/grym-synth/services"
	"github.com/grym-synth/grym-synth/services/tasks"
)

// conversion sends a form with a file.
func conversion(t *testing.T, b *bundle, fields ...string) (*answer, string) {
	t.Helper()
	var body bytes.Buffer
	w := multipart.NewWriter(&body)
	for i := 0; i+1 < len(fields); i += 2 {
		require.NoError(t, w.WriteField(fields[i], fields[i+1]))
	}
	part, err := w.CreateFormFile("file", "x")
	require.NoError(t, err)
	_, err = part.Write([]byte("sound"))
	require.NoError(t, err)
	require.NoError(t, w.Close())
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, b.url+"/v1/audio/conversions", &body)
	require.NoError(t, err)
	request.Header.Set("Content-Type", w.FormDataContentType())
	request.Header.Set("Grym-Priority", "low")
	return b.do(t, request)
}

func TestConversionAnswersWithTheSoundAndRemovesIt(t *testing.T) {
	t.Parallel()
	for kind, name := range map[string]string{"audio/wav": "converted.wav", "audio/flac": "converted.flac", "audio/pcm;rate=8000;channels=2;encoding=pcm_s16le": "converted.pcm"} {
		path := filepath.Join(t.TempDir(), "sound")
		var got services.Task
		b := setup(t, executorFunc(func(_ context.Context, task services.Task) (services.TaskResult, error) {
			got = task
			require.NoError(t, os.WriteFile(path, []byte("converted"), 0o600))
			return services.TaskResult{Audio: &services.Artifact{Path: path, ContentType: kind, Bytes: 9}}, nil
		}))
		response, body := conversion(t, b, "container", "flac", "sample_rate", "16000", "channels", "2", "bit_depth", "24")
		require.Equal(t, http.StatusOK, response.StatusCode)
		require.Equal(t, "converted", body)
		require.Equal(t, kind, response.Header.Get("Content-Type"))
		require.Equal(t, "9", response.Header.Get("Content-Length"))
		require.Equal(t, "attachment; filename="+name, response.Header.Get("Content-Disposition"))
		require.NoFileExists(t, path)
		require.Empty(t, got.Service, "the executor finds the service")
		require.Equal(t, tasks.Convert, got.Name)
		require.Equal(t, services.PriorityLow, got.Priority)
		require.JSONEq(t, `{"container":"flac","sample_rate":16000,"channels":2,"bit_depth":"24"}`, string(got.Params))
		require.EqualValues(t, 5, got.Audio.Size())
		left, err := os.ReadDir(b.spool)
		require.NoError(t, err)
		require.Empty(t, left)
	}
}

func TestConversionRefusals(t *testing.T) {
	t.Parallel()
	b := setup(t, fails(services.Invalidf("bit_depth", "must be 16 or 24 for flac")))
	response, body := conversion(t, b, "sample_rate", "fast", "channels", "-1", "codec", "x")
	require.Equal(t, http.StatusBadRequest, response.StatusCode)
	require.Equal(t, "application/problem+json", response.Header.Get("Content-Type"))
	for _, text := range []string{`sample_rate must be a whole number, 8000 or above, got \"fast\"`, "channels must be a whole number", "codec is not known"} {
		require.Contains(t, body, text)
	}
	_, body = conversion(t, b)
	require.Contains(t, body, "bit_depth must be 16 or 24 for flac")

	// No sound where there should be some.
	for _, result := range []services.TaskResult{{}, {Audio: &services.Artifact{Path: "/nowhere/sound", ContentType: "audio/wav"}}} {
		b = setup(t, executorFunc(func(context.Context, services.Task) (services.TaskResult, error) { return result, nil }))
		response, _ = conversion(t, b)
		require.Equal(t, http.StatusInternalServerError, response.StatusCode)
	}
	b = setup(t, fails(errors.New("secret")))
	response, body = conversion(t, b)
	require.Equal(t, http.StatusInternalServerError, response.StatusCode)
	require.NotContains(t, body, "secret")
}
