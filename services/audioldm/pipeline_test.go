package audioldm

import (
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/grym-synth/grym-synth/services"
	"github.com/grym-synth/grym-synth/services/audiofile"
	"github.com/grym-synth/grym-synth/services/modelstore"
	"github.com/grym-synth/grym-synth/services/modelstore/modeltest"
	"github.com/grym-synth/grym-synth/services/onnx"
)

// TestSoundsAreThoseOfPyTorch compares whole sounds, from the prompt to the samples,
// with those of PyTorch with its own noise, schedule and networks;
// models/export/audioldm_golden.py writes both. The folder was written by the exporter:
// a scalar timestep, tokenizer.json alone, latents with an odd number of rows.
func TestSoundsAreThoseOfPyTorch(t *testing.T) {
	t.Parallel()
	data, err := os.ReadFile(filepath.Join("testdata", "golden.json"))
	require.NoError(t, err)
	var golden []struct {
		Request json.RawMessage
		Length  int
		Every   int
		Sounds  [][]float64
	}
	require.NoError(t, json.Unmarshal(data, &golden))
	require.NotEmpty(t, golden)
	for _, room := range []services.Bytes{unlimited, 1} {
		s := New(DefaultConfig(), modelstore.NewCatalog(os.DirFS("testdata"), ""), rt, onnx.SessionConfig{Threads: 1},
			modeltest.FreeMemory{}, func() services.Bytes { return room }, t.TempDir())
		for _, g := range golden {
			var params map[string]any
			require.NoError(t, json.Unmarshal(g.Request, &params))
			params["response_format"], params["bit_depth"] = "wav", "float"
			raw, err := json.Marshal(params)
			require.NoError(t, err)
			request := task(string(raw))
			request.Model = "nano"
			result, err := services.ExecuteTask(t.Context(), s, request, services.DiscardSink{})
			require.NoError(t, err, string(raw))
			sounds := result.Audio.All()
			require.Len(t, sounds, len(g.Sounds))
			for i, sound := range sounds {
				samples := read(t, sound)
				require.Len(t, samples, g.Length)
				worst := 0.0
				for k, want := range g.Sounds[i] {
					worst = max(worst, math.Abs(want-float64(samples[k*g.Every])))
				}
				t.Logf("%s, sound %d: at most %.1e off", g.Request, i, worst)
				require.Less(t, worst, 1e-3, string(g.Request))
			}
			require.NoError(t, result.Audio.Remove())
		}
		_, loaded := s.pool.Loaded("nano")
		require.Equal(t, room == unlimited, loaded, "parts of a staged task do not stay")
		require.NoError(t, s.Shutdown(t.Context()))
	}
}

// read decodes a mono file.
func read(t *testing.T, sound *services.Artifact) []float32 {
	t.Helper()
	file, err := sound.Open()
	require.NoError(t, err)
	defer file.Close()
	reader, err := audiofile.Open(file, sound.Bytes, audiofile.DefaultConfig().Limits())
	require.NoError(t, err)
	samples := make([]float32, reader.Format().Frames)
	for n := 0; n < len(samples); {
		got, err := reader.ReadFrames(samples[n:])
		require.NoError(t, err)
		n += got
	}
	return samples
}
