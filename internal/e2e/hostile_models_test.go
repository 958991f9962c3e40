package e2e

import (
	"bytes"
	"encoding/json"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/grym-synth/grym-synth/services/modelstore/modeltest"
)

// mostResident is the maximum resident memory in bytes after every hostile folder has been
// listed and requested. The embedded models use half of it.
const mostResident = 1 << 30

// askKind sends the request for a model of a hostile folder's kind.
func (s *server) askKind(t *testing.T, base, model string) (int, string) {
	t.Helper()
	switch base {
	case "wav2vec2-tiny":
		return s.transcribe(t, clip(t, "clip09.wav"), "model", model, "response_format", "text")
	case "clap-tiny":
		return s.analyse(t, "embeddings", wav(16000, 1, 16000), "model", model)
	case "gama-tiny":
		body, contentType := form(t, wav(16000, 1, 16000), "model", model)
		return s.send(t, http.MethodPost, "/v1/audio/captions", contentType, body)
	default:
		body, err := json.Marshal(map[string]any{"model": model, "prompt": "a beep", "audio_length_in_s": 0.5, "num_inference_steps": 2})
		require.NoError(t, err)
		return s.send(t, http.MethodPost, "/v1/audio/generations", "application/json", bytes.NewReader(body))
	}
}

// problems of the models listed, by name.
func (s *server) problems(t *testing.T) map[string]string {
	t.Helper()
	status, body := s.get(t, "/v1/models")
	require.Equal(t, http.StatusOK, status)
	var list struct {
		Data []struct{ ID, Problem string }
	}
	require.NoError(t, json.Unmarshal([]byte(body), &list))
	problems := make(map[string]string)
	for _, m := range list.Data {
		problems[m.ID] = m.Problem
	}
	return problems
}

// TestHostileModelFoldersHarmNobody has all hostile folders in one models folder: the
// server starts, lists each with its reason, refuses each by name, and continues to serve
// the embedded models.
func TestHostileModelFoldersHarmNobody(t *testing.T) {
	data := t.TempDir()
	folders := modeltest.HostileFolders()
	require.GreaterOrEqual(t, len(folders), 60)
	for _, h := range folders {
		h.Write(t, "models", filepath.Join(data, "models"))
	}
	s := start(t, "--data-dir", data)
	healthy := func() {
		for _, probe := range []string{"/livez", "/readyz"} {
			status, body := s.get(t, probe)
			require.Equal(t, http.StatusOK, status, body)
		}
		for _, model := range []string{"wav2vec2-tiny", "audioldm-tiny", "gama-tiny", "clap-tiny"} {
			status, body := s.askKind(t, model, model)
			require.Equal(t, http.StatusOK, status, body)
		}
	}
	healthy()
	problems := s.problems(t)
	for _, h := range folders {
		require.Contains(t, problems, h.Name)
		require.Contains(t, problems[h.Name], h.Name)
		require.Contains(t, problems[h.Name], h.Says)
		status, body := s.askKind(t, h.Base, h.Name)
		require.Equal(t, http.StatusBadRequest, status, "%s: %.1000s", h.Says, body)
		var answer any
		require.NoError(t, json.Unmarshal([]byte(body), &answer))
		require.Contains(t, texts(answer), "cannot be loaded: ", h.Says)
		require.Contains(t, texts(answer), h.Says)
	}
	healthy()
	began := time.Now()
	status, body := s.get(t, "/readyz")
	require.Equal(t, http.StatusOK, status, body)
	t.Logf("a probe beside %d hostile folders took %s", len(folders), time.Since(began))
	peak := s.resident(t, "VmHWM")
	t.Logf("%d folders, at most %d MiB resident", len(folders), peak>>20)
	require.Less(t, peak, int64(mostResident))
	require.NoError(t, s.stop(t))
}

// texts joins all texts of a JSON value.
func texts(value any) string {
	var b strings.Builder
	switch value := value.(type) {
	case string:
		return value + "\n"
	case []any:
		for _, one := range value {
			b.WriteString(texts(one))
		}
	case map[string]any:
		for _, one := range value {
			b.WriteString(texts(one))
		}
	}
	return b.String()
}
