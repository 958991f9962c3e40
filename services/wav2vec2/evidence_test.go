package wav2vec2

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/grym-synth/grym-synth/services"
	"github.com/grym-synth/grym-synth/services/tasks"
)

// TestEvidenceOfClips writes the features of the words of every clip to evidence.json, for
// models/train/wav2vec2/confidence.py. It is skipped unless CONFIDENCE_CLIPS names the
// folder of the clips. CONFIDENCE_DECODING is the decoding.
func TestEvidenceOfClips(t *testing.T) {
	dir := os.Getenv("CONFIDENCE_CLIPS")
	if dir == "" {
		t.Skip("CONFIDENCE_CLIPS is not set")
	}
	s := newService(t, t.TempDir())
	m, done, err := s.pool.Acquire(t.Context(), "wav2vec2-tiny")
	require.NoError(t, err)
	defer done()
	type spoken struct {
		Text     string    `json:"text"`
		Features []float64 `json:"features"`
		Alone    []float64 `json:"alone"`
	}
	clips := map[string][]spoken{}
	files, err := filepath.Glob(filepath.Join(dir, "*.wav"))
	require.NoError(t, err)
	params := tasks.TranscribeParams{Decoding: os.Getenv("CONFIDENCE_DECODING")}
	for _, file := range files {
		logits := logitsOf(t, m, file)
		decoding, scores := m.decoding(params), m.scoring(params)
		decoding.add(logits)
		scores.add(logits)
		_, words := decoding.answer()
		clip := []spoken{}
		all := scores.judge(words, -1)
		said := make([]evidence, len(all))
		for i := range all {
			said[i] = all[i].evidence
		}
		for i := range all {
			clip = append(clip, spoken{strings.ToLower(all[i].Text), features(said, i), features(said[i:i+1], 0)})
		}
		clips[filepath.Base(file)] = clip
	}
	data, err := json.Marshal(map[string]any{"names": featureNames, "clips": clips})
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "evidence"+params.Decoding+".json"), data, 0o600))
}

// logitsOf returns the logits of a file, in one window.
func logitsOf(t testing.TB, m *model, file string) []float32 {
	t.Helper()
	reader, closer, err := (&Service{cfg: DefaultConfig()}).openAudio(diskAudio(file), 0, services.Reading{Strict: true})
	require.NoError(t, err)
	defer func() { _ = closer.Close() }()
	cut, err := newWindows(reader, m.folder.Preprocessor.SamplingRate, 0, 0, 0)
	require.NoError(t, err)
	w, err := cut.next(t.Context())
	require.NoError(t, err)
	logits, err := m.infer(t.Context(), w.samples)
	require.NoError(t, err)
	return logits
}
