package e2e

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func (s *server) analyse(t *testing.T, what string, audio []byte, fields ...string) (int, string) {
	t.Helper()
	body, contentType := form(t, audio, fields...)
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.url+"/v1/audio/"+what, body)
	require.NoError(t, err)
	request.Header.Set("Content-Type", contentType)
	return do(t, request)
}

// TestVectorsAndLabelsOverHTTP drops model folders into a running server, and asks
// for the output of each head. The services' own tests compare the numbers.
func TestVectorsAndLabelsOverHTTP(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := start(t, "--data-dir", dir)
	status, body := s.analyse(t, "embeddings", clip(t, "clip09.wav"))
	require.Equal(t, http.StatusOK, status)
	require.Contains(t, body, `"model":"clap-tiny"`)

	require.NoError(t, os.CopyFS(filepath.Join(dir, "models"), os.DirFS("services/wav2vec2/testdata/heads")))
	status, body = s.analyse(t, "embeddings", encoded(t, "speech.mp3"))
	require.Equal(t, http.StatusOK, status, body)
	var vector struct {
		Model      string
		Dimensions int
		Embedding  []float64
		Frames     [][]float64
	}
	require.NoError(t, json.Unmarshal([]byte(body), &vector))
	require.Equal(t, "features-group", vector.Model)
	require.Len(t, vector.Embedding, vector.Dimensions)
	status, body = s.analyse(t, "embeddings", clip(t, "clip09.wav"), "pooling", "none", "model", "features-layer-mask-fp16")
	require.Equal(t, http.StatusOK, status, body)
	require.NoError(t, json.Unmarshal([]byte(body), &vector))
	require.Len(t, vector.Frames, 55)

	status, body = s.analyse(t, "classifications", clip(t, "clip09.wav"), "model", "frames-layer", "top_k", "1")
	require.Equal(t, http.StatusOK, status, body)
	var found struct {
		Labels, Segments []struct{ Label string }
	}
	require.NoError(t, json.Unmarshal([]byte(body), &found))
	require.Len(t, found.Labels, 1)
	require.NotEmpty(t, found.Segments)

	status, body = s.analyse(t, "classifications", clip(t, "clip09.wav"), "model", "wav2vec2-tiny")
	require.Equal(t, http.StatusBadRequest, status)
	require.Contains(t, body, "has the head Wav2Vec2ForCTC; classify needs")
	silence := clip(t, "clip09.wav")
	clear(silence[44:])
	for _, route := range []string{"embeddings", "classifications", "transcriptions"} {
		status, body = s.analyse(t, route, silence)
		require.Equal(t, http.StatusOK, status, "%s: %s", route, body)
	}
}
