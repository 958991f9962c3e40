package clap

import (
	"encoding/json"
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/grym-synth/grym-synth/services"
	"github.com/grym-synth/grym-synth/services/tasks"
)

// leastCosine is required between a vector and that of another implementation.
const leastCosine = 0.9999

// TestVectorsAreThoseOfTransformers compares sounds and texts with transformers, for
// folders with random weights in each layout.
func TestVectorsAreThoseOfTransformers(t *testing.T) {
	t.Parallel()
	s := randomService(t)
	for _, model := range []string{"unfused", "fused", "whole", "ast"} {
		g := readGolden(t, model+"/golden.json")
		rate := 48000
		if model == "ast" {
			rate = 16000
		}
		least := 1.0
		for _, c := range g.Clips {
			got, result := run[*tasks.Embedding](t, s, tasks.Embed, model, "", written(t, rate, made(rate, c.Seconds, c.Seed)))
			require.Equal(t, model, result.Model)
			require.Equal(t, len(c.Vector), got.Dimensions)
			require.InDelta(t, c.Seconds, got.DurationSeconds, 0.001)
			require.Greater(t, cosine(c.Vector, got.Vector), leastCosine, "%s, %v s", model, c.Seconds)
			require.InDelta(t, 1, length(got.Vector), 1e-5)
			least = min(least, cosine(g.Clips[0].Vector, got.Vector))
		}
		require.Less(t, least, 0.99, "the sounds of %s differ", model)
		for i, c := range g.Texts {
			params, err := json.Marshal(tasks.EmbedParams{Text: c.Text})
			require.NoError(t, err)
			if c.Text == "" {
				continue // a text is missing
			}
			got, _ := run[*tasks.Embedding](t, s, tasks.Embed, model, string(params), nil)
			require.Equal(t, tasks.SpaceCaption, got.Space)
			require.Greater(t, cosine(c.Vector, got.Vector), leastCosine, "%s, %s", model, c.Text)
			if i > 0 {
				require.Less(t, cosine(g.Texts[0].Vector, got.Vector), 0.999, "the texts of %s differ", model)
			}
		}
	}
}

func length(vector []float32) float64 {
	sum := 0.0
	for _, v := range vector {
		sum += float64(v) * float64(v)
	}
	return math.Sqrt(sum)
}

// TestClapTinyIsThatOfTransformers compares both spaces. The other implementation pads
// clips to ten seconds, which must not matter.
func TestClapTinyIsThatOfTransformers(t *testing.T) {
	t.Parallel()
	s := newService(t, t.TempDir())
	g := readGolden(t, "clap-tiny.json")
	for _, c := range g.Clips {
		sound := written(t, 16000, made(16000, c.Seconds, c.Seed))
		for params, want := range map[string][]float64{"": c.Vector, `{"space":"sound"}`: c.Pattern, `{"space":"caption"}`: c.Vector} {
			got, _ := run[*tasks.Embedding](t, s, tasks.Embed, "", params, sound)
			require.Greater(t, cosine(want, got.Vector), leastCosine, "%v s, %s", c.Seconds, params)
		}
	}
	m, done, err := s.pool.Acquire(t.Context(), "clap-tiny")
	require.NoError(t, err)
	defer done()
	for _, c := range g.Texts {
		ids, cut := m.encode(c.Text)
		require.Equal(t, c.IDs, ids)
		require.Zero(t, cut)
		if c.Text == "" {
			continue
		}
		params, err := json.Marshal(tasks.EmbedParams{Text: c.Text})
		require.NoError(t, err)
		got, _ := run[*tasks.Embedding](t, s, tasks.Embed, "", string(params), nil)
		require.Greater(t, cosine(c.Vector, got.Vector), leastCosine, c.Text)
	}
}

// TestLabelsAreTheSoftmaxOfTheProducts computes the probabilities from golden vectors.
func TestLabelsAreTheSoftmaxOfTheProducts(t *testing.T) {
	t.Parallel()
	s := randomService(t)
	for _, model := range []string{"unfused", "whole"} {
		g := readGolden(t, model+"/golden.json")
		scale := g.Scale
		if model == "unfused" {
			scale = 1 / 0.07 // the files do not have the learnt one
		}
		clip := g.Clips[1]
		labels := []string{g.Texts[0].Text, g.Texts[3].Text}
		sum, want := 0.0, make(map[string]float64)
		for _, text := range []int{0, 3} {
			dot := 0.0
			for i, v := range g.Texts[text].Vector {
				dot += v * clip.Vector[i]
			}
			want[g.Texts[text].Text] = math.Exp(scale * dot)
			sum += math.Exp(scale * dot)
		}
		params, err := json.Marshal(tasks.ClassifyParams{Labels: labels, Template: "{}"})
		require.NoError(t, err)
		sound := written(t, 48000, made(48000, clip.Seconds, clip.Seed))
		got, _ := run[*tasks.Classification](t, s, tasks.Classify, model, string(params), sound)
		require.Len(t, got.Labels, 2)
		require.Nil(t, got.Segments)
		for i, one := range got.Labels {
			require.InDelta(t, want[one.Label]/sum, one.Score, 2e-3, model)
			require.True(t, i == 0 || one.Score <= got.Labels[i-1].Score)
		}
	}
	g := readGolden(t, "ast-labels/golden.json")
	got, _ := run[*tasks.Classification](t, s, tasks.Classify, "ast-labels", "", written(t, 16000, made(16000, g.Clips[0].Seconds, 1)))
	sum := 0.0
	for _, v := range g.Clips[0].Vector {
		sum += math.Exp(v)
	}
	require.Len(t, got.Labels, 5)
	for _, one := range got.Labels {
		require.InDelta(t, math.Exp(g.Clips[0].Vector[one.Label[len("label_")]-'0'])/sum, one.Score, 1e-3)
	}
}

// TestClapTinyNamesSounds classifies sounds that anybody would name.
func TestClapTinyNamesSounds(t *testing.T) {
	t.Parallel()
	s := newService(t, t.TempDir())
	noise := made(16000, 2, 5)
	state := uint32(9)
	for i := range noise {
		state = state*1664525 + 1013904223
		noise[i] = 0.2 * (float32(state>>8)/(1<<23) - 1)
	}
	tone := make([]float32, 32000)
	for i := range tone {
		tone[i] = 0.3 * float32(math.Sin(2*math.Pi*660*float64(i)/16000))
	}
	for want, samples := range map[string][]float32{"white noise": noise, "a sine tone": tone} {
		params := `{"labels":["a dog barking","white noise","a sine tone","a church bell","a snare drum"]}`
		got, result := run[*tasks.Classification](t, s, tasks.Classify, "", params, written(t, 16000, samples))
		require.Equal(t, want, got.Labels[0].Label, "%+v", got.Labels)
		require.Equal(t, "clap-tiny", result.Model)
		require.Len(t, got.Labels, 5)
	}
}

func TestTasksSayWhatTheModelNeeds(t *testing.T) {
	t.Parallel()
	s := randomService(t)
	sound := written(t, 16000, made(16000, 0.5, 1))
	for _, c := range []struct {
		task, model, params string
		audio               services.AudioSource
		says                string
	}{
		{tasks.Classify, "", "", sound, `labels are missing: model "clap-tiny" compares`},
		{tasks.Classify, "ast-labels", `{"labels":["x"]}`, sound, "labels must be left out"},
		{tasks.Classify, "ast", "", sound, `model "ast" has the head ASTModel, which cannot classify`},
		{tasks.Embed, "ast-labels", "", sound, "cannot embed"},
		{tasks.Embed, "ast", `{"text":"x"}`, nil, "text must be left out"},
		{tasks.Embed, "ast", `{"space":"caption"}`, sound, "space must be sound"},
		{tasks.Embed, "", "", nil, "file is missing"},
		{tasks.Embed, "", `{"text":"x"}`, sound, "text must be left out where there is a recording"},
		{tasks.Embed, "", `{"text":"x","space":"sound","frames":true}`, nil, "space must be caption for a text; frames must be left out"},
		{tasks.Embed, "", `{"pooling":"none"}`, sound, "pooling must be mean"},
		{tasks.Embed, "", `{"frames":true,"frame_windows":[11]}`, sound, "frame_windows must be from"},
		{tasks.Classify, "", `{"labels":[" "],"template":"x"}`, sound, "labels must each have 1 to 512 bytes"},
		{tasks.Classify, "", `{"template":"a {}"}`, sound, "template has no effect without labels"},
	} {
		err := refused(t, s, c.task, c.model, c.params, c.audio)
		require.ErrorContains(t, err, c.says)
		require.Equal(t, services.KindInvalid, services.KindOf(err), c.says)
	}
}
