package wav2vec2

import (
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/grym-synth/grym-synth/services"
	"github.com/grym-synth/grym-synth/services/tasks"
)

// kinDir has folders of HuBERT and WavLM with random weights, and what transformers
// computes for one clip; models/export/kin_random.py writes it.
const kinDir = "testdata/kin"

// TestHubertAndWavLMEqualTransformers compares every value.
func TestHubertAndWavLMEqualTransformers(t *testing.T) {
	t.Parallel()
	dir, err := filepath.Abs(kinDir)
	require.NoError(t, err)
	s := newService(t, dir)
	for _, name := range []string{"hubert-features", "wavlm-features", "hubert-labels", "wavlm-labels"} {
		data, err := os.ReadFile(filepath.Join(kinDir, name, "golden.json"))
		require.NoError(t, err)
		var golden torchGolden
		require.NoError(t, json.Unmarshal(data, &golden))
		if golden.Shape[len(golden.Shape)-1] == 4 {
			result, err := services.ExecuteTask(t.Context(), s, headTask(tasks.Classify, name, "", golden.Clip), services.DiscardSink{})
			require.NoError(t, err, name)
			sum := 0.0
			for _, v := range golden.Values {
				sum += math.Exp(v)
			}
			for _, one := range result.Value.(*tasks.Classification).Labels {
				require.InDelta(t, math.Exp(golden.Values[one.Label[len("label_")]-'0'])/sum, one.Score, 1e-4, name)
			}
			continue
		}
		task := headTask(tasks.Embed, name, `{"pooling":"none"}`, golden.Clip)
		result, err := services.ExecuteTask(t.Context(), s, task, services.DiscardSink{})
		require.NoError(t, err, name)
		frames := result.Value.(*tasks.Embedding).Frames
		require.Len(t, frames, golden.Shape[1])
		for f, vector := range frames {
			for i, v := range vector {
				require.InDelta(t, golden.Values[f*len(vector)+i], float64(v), 1e-3, name)
			}
		}
	}
	require.Len(t, s.Models(), 5)
}
