package wav2vec2

import (
	"encoding/json"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/grym-synth/grym-synth/services"
	"github.com/grym-synth/grym-synth/services/tasks"
)

// TestWhatHasNoEffectIsReported has parameters that the model does not support.
func TestWhatHasNoEffectIsReported(t *testing.T) {
	t.Parallel()
	s := newService(t, t.TempDir())
	for params, want := range map[string][]string{
		`{}`: nil,
		`{"temperature":0,"language":"en","decoding":"beam","beam_width":5,"prompt":"one, two"}`: nil,
		`{"temperature":0.5}`:                                   {"value_ignored temperature"},
		`{"beam_width":5}`:                                      nil, // the model has a word list
		`{"patience":2,"length_penalty":0}`:                     {"value_ignored patience", "value_ignored length_penalty"},
		`{"decoding":"greedy","beam_width":5}`:                  {"value_ignored beam_width"},
		`{"decoding":"greedy","prompt":"7 one","beam_width":5}`: {"value_ignored prompt", "value_ignored beam_width"},
		`{"prompt":"Track 7, straße and one"}`:                  {"unknown_prompt prompt"},
		`{"prompt":"1 2 3 4 5 6 7 8"}`:                          {"unknown_prompt prompt"},
	} {
		task := transcribeTask(diskAudio(filepath.Join(clipsDir, "clip09.wav")))
		task.Params = json.RawMessage(params)
		result, err := services.ExecuteTask(t.Context(), s, task, services.DiscardSink{})
		require.NoError(t, err, params)
		var got []string
		for _, w := range result.Warnings {
			got = append(got, string(w.Code)+" "+w.Field)
			require.NotEmpty(t, w.Message)
		}
		require.Equal(t, want, got, params)
	}
	m, done, err := s.pool.Acquire(t.Context(), "wav2vec2-tiny")
	require.NoError(t, err)
	defer done()
	require.Contains(t, m.warnings(tasks.TranscribeParams{Prompt: "Track 7, 1 2 3 4 5 6"})[0].Message, `"7", "1", "2", "3", "4", others`)
}
