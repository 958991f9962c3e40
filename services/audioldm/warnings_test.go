package audioldm

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/grym-synth/grym-synth/services"
)

// TestPromptsThatAreCutAreReported has prompts with more tokens than the model reads.
func TestPromptsThatAreCutAreReported(t *testing.T) {
	t.Parallel()
	s, _ := newService(t)
	long := "rain " + strings.Repeat("zq ", 1000)
	for params, want := range map[string][]string{
		`"prompt":"rain","negative_prompt":"wind"`:                            nil,
		`"prompt":"` + long + `"`:                                             {"prompt_cut prompt"},
		`"prompt":"` + long + `","negative_prompt":"` + long + `"`:            {"prompt_cut prompt", "prompt_cut negative_prompt"},
		`"prompt":"a dog barking"`:                                            {"unknown_prompt prompt"},
		`"prompt":"rain","negative_prompt":"` + long + `","guidance_scale":1`: {"value_ignored negative_prompt"},
		`"prompt":"rain","guidance_scale":1`:                                  nil,
	} {
		result, err := services.ExecuteTask(t.Context(), s, task(`{"num_inference_steps":1,"audio_length_in_s":0.1,`+params+`}`),
			services.DiscardSink{})
		require.NoError(t, err)
		require.NoError(t, result.Audio.Remove())
		var got []string
		for _, w := range result.Warnings {
			got = append(got, string(w.Code)+" "+w.Field)
		}
		require.Equal(t, want, got, "%.80s", params)
	}
}
