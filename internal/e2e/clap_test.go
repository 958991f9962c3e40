package e2e

import (
	"encoding/json"
	"math"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestSoundsAndTextsShareASpace asks the embedded model for vectors of sounds and texts, and
// for labels, over HTTP.
func TestSoundsAndTextsShareASpace(t *testing.T) {
	t.Parallel()
	s := start(t)
	vector := func(sound []byte, fields ...string) (v []float64, space string) {
		status, body := s.analyse(t, "embeddings", sound, fields...)
		require.Equal(t, http.StatusOK, status, body)
		var got struct {
			Model, Space string
			Embedding    []float64
		}
		require.NoError(t, json.Unmarshal([]byte(body), &got))
		require.Equal(t, "clap-tiny", got.Model)
		require.Len(t, got.Embedding, 192)
		return got.Embedding, got.Space
	}
	siren := soundClip(t, "clip00.wav") // a bell, then a siren
	sound, space := vector(siren)
	require.Equal(t, "caption", space)
	_, space = vector(siren, "space", "sound")
	require.Equal(t, "sound", space)
	right, space := vector(nil, "text", "a siren")
	require.Equal(t, "caption", space)
	wrong, _ := vector(nil, "text", "a snare drum")
	require.Greater(t, product(sound, right), product(sound, wrong))

	status, body := s.analyse(t, "embeddings", siren, "frames", "true", "frame_windows", "0.5,1", "frame_hop", "0.25")
	require.Equal(t, http.StatusOK, status, body)
	var framed struct {
		Duration        float64
		FrameEmbeddings []struct {
			Hop, Window float64
			Embeddings  [][]float64
		} `json:"frame_embeddings"`
	}
	require.NoError(t, json.Unmarshal([]byte(body), &framed))
	require.Len(t, framed.FrameEmbeddings, 2)
	for _, track := range framed.FrameEmbeddings {
		require.InDelta(t, 1+(framed.Duration-track.Window)/track.Hop, len(track.Embeddings), 1.01)
	}

	status, body = s.analyse(t, "classifications", siren, "labels[]", "a snare drum", "labels[]", "a siren", "labels[]", "rain")
	require.Equal(t, http.StatusOK, status, body)
	var labels struct{ Labels []struct{ Label string } }
	require.NoError(t, json.Unmarshal([]byte(body), &labels))
	require.Len(t, labels.Labels, 3)
	require.Equal(t, "a siren", labels.Labels[0].Label)
}

// TestRequestsForSharedSpacesAreChecked sends forms that lack what the model needs.
func TestRequestsForSharedSpacesAreChecked(t *testing.T) {
	t.Parallel()
	s := start(t)
	for _, c := range []struct {
		path   string
		fields []string
		says   string
	}{
		{"embeddings", nil, "file is missing"},
		{"embeddings", []string{"text", "x", "frames", "true"}, "frames must be left out for a text"},
		{"classifications", []string{"labels", "a"}, "file is missing"},
	} {
		status, body := s.analyse(t, c.path, nil, c.fields...)
		require.Equal(t, http.StatusBadRequest, status, body)
		require.Contains(t, body, c.says)
	}
	status, body := s.analyse(t, "classifications", soundClip(t, "clip00.wav"))
	require.Equal(t, http.StatusBadRequest, status, body)
	require.Contains(t, body, "labels are missing")
}

func product(a, b []float64) (sum float64) {
	for i := range a {
		sum += a[i] * b[i]
	}
	return math.Round(sum*1e6) / 1e6
}
