package whisper

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/grym-synth/grym-synth/services/decoding"
)

// TestLogitsAreTransformers compares the logits of the folder random with those of
// transformers, for tokens that are added at once and one after another, twice on the same
// window.
func TestLogitsAreTransformers(t *testing.T) {
	t.Parallel()
	want := golden[struct {
		Samples int         `json:"samples"`
		Tokens  []int       `json:"tokens"`
		Prompt  int         `json:"prompt"`
		Logits  [][]float64 `json:"logits"` // every third
	}](t, "random.json")
	m := loaded(t, "random")
	hidden, err := m.encode(t.Context(), m.extractor.features(made(want.Samples), m.folder.frames()))
	require.NoError(t, err)
	part, err := m.newRun(1)
	require.NoError(t, err)
	defer part.Close()
	require.NoError(t, part.hear(hidden))
	width := int(m.folder.Network.VocabSize)
	equal := func(position int, logits []float32) {
		require.Len(t, logits, width)
		for i, v := range want.Logits[position] {
			require.InDelta(t, v, logits[3*i], 1e-3, "position %d, token %d", position, 3*i)
		}
	}
	for range 2 {
		require.NoError(t, part.reset())
		all, err := part.add(t.Context(), want.Tokens[:want.Prompt])
		require.NoError(t, err)
		for i := range want.Prompt {
			equal(i, all[i*width:(i+1)*width])
		}
		for i, id := range want.Tokens[want.Prompt:] {
			logits, err := part.add(t.Context(), []int{id})
			require.NoError(t, err)
			equal(want.Prompt+i, logits)
		}
	}
	_, err = part.add(t.Context(), make([]int, m.folder.Network.TargetPosition))
	require.ErrorContains(t, err, "grew too long")
}

// TestDrawnTokensFollowTheTemperature draws tokens and compares how often each appears with
// its probability.
func TestDrawnTokensFollowTheTemperature(t *testing.T) {
	t.Parallel()
	logits := []float32{1, decoding.Never, 2, 0.5}
	const draws = 20000
	for _, temperature := range []float64{0.5, 1} {
		d := &decoder{random: rand.New(rand.NewPCG(3, 4))} //nolint:gosec // nothing secret
		counts, sum := make([]float64, len(logits)), 0.0
		for range draws {
			id, logProb := d.choose(logits, temperature)
			counts[id]++
			require.InDelta(t, float64(logits[id])-decoding.LogSum(logits), logProb, 1e-9)
		}
		for _, v := range logits {
			sum += math.Exp(float64(v) / temperature)
		}
		for i, v := range logits {
			require.InDelta(t, math.Exp(float64(v)/temperature)/sum, counts[i]/draws, 0.015, "token %d at %v", i, temperature)
		}
	}
	id, _ := new(decoder).choose(logits, 0)
	require.Equal(t, 2, id)
}

// TestTheBestOfBadAnswers does not repeat itself, and is the most probable.
func TestTheBestOfBadAnswers(t *testing.T) {
	t.Parallel()
	list := []answer{
		{average: -0.2, compression: 3}, {average: -1.5, compression: 1}, {average: -1.2, compression: 2, temperature: 0.4},
		{average: -4, compression: 1},
	}
	require.InDelta(t, 0.4, slices.MaxFunc(list, compareAnswers).temperature, 0)
	require.InDelta(t, -0.2, slices.MaxFunc(list[:1], compareAnswers).average, 0)
}

// TestAnswersOfTheReference has the thresholds of the reference implementation.
func TestAnswersOfTheReference(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		answer       answer
		silence, bad bool
	}{
		{answer{noSpeech: 0.1, average: -0.3, compression: 1.5}, false, false},
		{answer{noSpeech: 0.1, average: -0.3, compression: 2.5}, false, true},
		{answer{noSpeech: 0.1, average: -1.1, compression: 1.5}, false, true},
		{answer{noSpeech: 0.7, average: -1.1, compression: 1.5}, true, false},
		{answer{noSpeech: 0.7, average: -0.3, compression: 1.5}, false, false},
		{answer{noSpeech: 0.65, average: -0.9, compression: 1.5}, false, false},
		{answer{noSpeech: 0.8, average: -0.9, compression: 1.5}, true, false},
		{answer{noSpeech: 0.8, average: -0.7, compression: 1.5}, false, false},
		{answer{noSpeech: 0.7, average: -0.3, compression: 2.5}, false, true},
	} {
		require.Equal(t, c.silence, c.answer.isSilence(), "%+v", c.answer)
		require.Equal(t, c.bad, c.answer.isBad(), "%+v", c.answer)
	}
}
