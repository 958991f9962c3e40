package e2e

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// speakerOfManyLanguages is a data folder with a Whisper model of random weights.
func speakerOfManyLanguages(t *testing.T) string {
	t.Helper()
	data := t.TempDir()
	from := filepath.Join("services", "whisper", "testdata", "random")
	require.NoError(t, os.CopyFS(filepath.Join(data, "models", "many"), os.DirFS(from)))
	return data
}

// TestTranslations translates over OpenAI's route, as a job, and from the command line, with
// and without the name of a model.
func TestTranslations(t *testing.T) {
	t.Parallel()
	data := speakerOfManyLanguages(t)
	s := startWith(t, options{dataDir: data})
	all, ready := s.can(t)
	require.True(t, ready["translate"])
	for _, c := range all.Capabilities {
		if c.Task == "translate" {
			require.Equal(t, []string{"whisper", "many"}, []string{c.Service, c.DefaultModel})
			require.Equal(t, []string{"many"}, c.Models)
		}
	}
	speech := clip(t, "clip09.wav")
	const route = "/v1/audio/translations"
	status, body := s.sendForm(t, "/v1/audio/transcriptions", speech, "model", "many", "translate", "true", "response_format", "verbose_json")
	require.Equal(t, http.StatusOK, status, body)
	want := body
	var verbose struct {
		Task, Language, Text string
		Segments             []struct{ Text string }
	}
	require.NoError(t, json.Unmarshal([]byte(want), &verbose))
	require.Equal(t, "translate", verbose.Task)
	status, body = s.sendForm(t, "/v1/audio/transcriptions", speech, "translate", "true", "response_format", "verbose_json")
	require.Equal(t, http.StatusOK, status, body)
	require.JSONEq(t, want, body, "a model that can translate is chosen")
	for _, model := range []string{"", "many", "whisper-1"} {
		status, body := s.sendForm(t, route, speech, "model", model, "response_format", "verbose_json")
		require.Equal(t, http.StatusOK, status, body)
		require.JSONEq(t, want, body)
	}
	for format, begins := range map[string]string{"json": `{"text":"`, "text": "", "srt": "1\n00:00:", "vtt": "WEBVTT\n\n00:00:"} {
		status, body := s.sendForm(t, route, speech, "response_format", format)
		require.Equal(t, http.StatusOK, status, body)
		require.Contains(t, body, begins)
		require.NotEmpty(t, body)
	}
	status, body = s.sendForm(t, route, speech, "stream", "true")
	require.Contains(t, body, `{"type":"transcript.text.done","text":`, "status %d", status)

	status, body = s.sendForm(t, route, speech, "model", "wav2vec2-tiny")
	require.Equal(t, http.StatusBadRequest, status, body)
	require.Contains(t, body, "wav2vec2-tiny")
	status, body = s.sendForm(t, route, speech, "language", "fr")
	require.Equal(t, http.StatusBadRequest, status, body)
	require.Contains(t, body, "it knows de, en")

	requireTranslations(t, s, data, want)
}

// requireTranslations translates as a job and from the command line.
func requireTranslations(t *testing.T, s *server, data, want string) {
	t.Helper()
	speech := clip(t, "clip09.wav")
	done := s.submit(t, `{"task":"translate","params":{"language":"de","response_format":"verbose_json"}}`, speech)
	ended := s.endOf(t, done.ID)
	require.Equal(t, "succeeded", ended.Status)
	code, _ := s.postJob(t, `{"task":"translate","params":{"window_seconds":3}}`, speech)
	require.Equal(t, http.StatusBadRequest, code)

	out, err := runProgram(t, "transcribe", "--translate", "--format", "verbose_json", "--data-dir", data, clips+"clip09.wav").CombinedOutput()
	require.NoError(t, err, string(out))
	require.JSONEq(t, want, string(out))
	out, err = runProgram(t, "transcribe", "--translate", "--format", "verbose_json", "--server", s.url, clips+"clip09.wav").CombinedOutput()
	require.NoError(t, err, string(out))
	require.JSONEq(t, want, string(out))
}

// TestTranslationsNeedAModel has the embedded models only.
func TestTranslationsNeedAModel(t *testing.T) {
	t.Parallel()
	s := start(t)
	for _, model := range []string{"", "whisper-1"} {
		status, body := s.sendForm(t, "/v1/audio/translations", clip(t, "clip09.wav"), "model", model)
		require.Equal(t, http.StatusNotFound, status, body)
		require.Contains(t, body, "whisper-base")
	}
}
