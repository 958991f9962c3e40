package wav2vec2

import (
	"encoding/json"
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/grym-synth/grym-synth/services"
	"github.com/grym-synth/grym-synth/services/tasks"
)

// TestSilenceIsARecording has samples that are all the same, as a muted microphone has
// them, and the noise of dither. Nothing is heard in them.
func TestSilenceIsARecording(t *testing.T) {
	t.Parallel()
	s := headsService(t)
	for _, level := range []float32{0, 0.25} {
		samples := make([]float32, 16000*25)
		for i := range samples {
			samples[i] = level
		}
		audio := written(t, samples)
		for _, params := range []string{
			`{}`, `{"decoding":"greedy"}`, `{"stream":true}`, `{"decoding":"greedy","stream":true,"window_seconds":2}`,
		} {
			task := services.Task{Name: tasks.Transcribe, Model: "wav2vec2-tiny", Audio: audio, Params: json.RawMessage(params)}
			var sink deltas
			result, err := services.ExecuteTask(t.Context(), s, task, &sink)
			require.NoError(t, err, params)
			require.Equal(t, &tasks.Transcription{Words: []tasks.Word{}, DurationSeconds: 25}, result.Value)
			require.Empty(t, sink.words)
		}
		result, err := services.ExecuteTask(t.Context(), s, services.Task{Name: tasks.Embed, Audio: audio}, services.DiscardSink{})
		require.NoError(t, err)
		for _, v := range result.Value.(*tasks.Embedding).Vector {
			require.False(t, math.IsNaN(float64(v)))
		}
		result, err = services.ExecuteTask(t.Context(), s, services.Task{Name: tasks.Classify, Model: "sequence-group", Audio: audio},
			services.DiscardSink{})
		require.NoError(t, err)
		require.NotEmpty(t, result.Value.(*tasks.Classification).Labels)
	}
}

// TestAModelThatHearsWordsInSilence has random weights, so its text for silence is left out.
func TestAModelThatHearsWordsInSilence(t *testing.T) {
	t.Parallel()
	s := headsService(t)
	silence, noise := make([]float32, 16000*3), make([]float32, 16000*3)
	noise[7] = 1.0 / 32768
	transcribed := func(samples []float32) (*tasks.Transcription, deltas) {
		var sink deltas
		task := services.Task{Name: tasks.Transcribe, Model: "ctc-layer-mask", Audio: written(t, samples), Params: []byte(`{"stream":true}`)}
		result, err := services.ExecuteTask(t.Context(), s, task, &sink)
		require.NoError(t, err)
		return result.Value.(*tasks.Transcription), sink
	}
	answer, sink := transcribed(silence)
	require.Empty(t, answer.Text)
	require.Empty(t, answer.Words)
	require.Empty(t, sink.words)
	answer, _ = transcribed(noise)
	require.NotEmpty(t, answer.Text, "one bit of noise is passed to the model")
}
