package decoding

import (
	"container/heap"
	"math"
	"testing"

	"github.com/stretchr/testify/require"
)

// greedy has every rule switched off.
func greedy() Sampling { return Sampling{TopP: 1, RepetitionPenalty: 1, EOS: []int{0}} }

func TestTokensThatOccurredAreLessLikely(t *testing.T) {
	t.Parallel()
	s := greedy()
	s.RepetitionPenalty = 2
	// The prompt has a token twice, a position without a token, and one beyond the vocabulary.
	sampler := NewSampler(s, []int64{-1, 1, 2, 1, 5, 6})
	logits := []float32{3, 8, -1, 5, 0, 1}
	require.Equal(t, 3, sampler.Choose(logits))
	require.Equal(t, []float32{3, 4, -2, 5, 0, 0.5}, logits)
	logits = []float32{3, 2, -1, 5, 0, 1}
	require.Equal(t, 0, sampler.Choose(logits), "the one that was chosen counts too")
	require.Equal(t, []float32{3, 1, -2, 2.5, 0, 0.5}, logits)

	same := NewSampler(greedy(), []int64{1, 2})
	logits = []float32{3, 8, -1}
	require.Equal(t, 1, same.Choose(logits))
	require.Equal(t, []float32{3, 8, -1}, logits, "a penalty of 1 changes nothing")
}

// chosen returns the first tokens of a sampler for logits that fall from the first token on.
func chosen(s Sampling, prompt []int64, count int) (ids []int) {
	sampler := NewSampler(s, prompt)
	for range count {
		ids = append(ids, sampler.Choose([]float32{9, 8, 7, 6, 5, 4}))
	}
	return ids
}

func TestForbiddenTokens(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change func(*Sampling)
		prompt []int64
		want   []int
	}{
		"none":             {func(*Sampling) {}, []int64{1}, []int{0, 0, 0}},
		"always":           {func(s *Sampling) { s.Suppress = []int{0, -1, 6, 99} }, nil, []int{1, 1, 1}},
		"the last one too": {func(s *Sampling) { s.Suppress = []int{0, 1, 2, 3, 4} }, nil, []int{5, 5, 5}},
		"at the beginning": {func(s *Sampling) { s.BeginSuppress = []int{0, 1} }, nil, []int{2, 0, 0}},
		"the end before 2 new tokens": {func(s *Sampling) { s.MinNewTokens = 2 }, []int64{1, 1, 1},
			[]int{1, 1, 0}},
		"the end before 4 tokens": {func(s *Sampling) { s.MinLength = 4 }, []int64{-1, 3, 3}, []int{1, 1, 0}},
		"the end before 4 positions": {func(s *Sampling) { s.MinLength, s.CountAll = 4, true }, []int64{-1, 3, 3},
			[]int{1, 0, 0}},
		"both ends before 1 token": {func(s *Sampling) { s.MinNewTokens, s.EOS = 1, []int{0, 1} }, nil, []int{2, 0, 0}},
		"a token twice":            {func(s *Sampling) { s.NoRepeatNgram = 1 }, []int64{1, 3}, []int{0, 2, 4}},
		"a pair twice":             {func(s *Sampling) { s.NoRepeatNgram = 2 }, []int64{0, 0}, []int{1, 0, 2}},
		"a pair, nothing before":   {func(s *Sampling) { s.NoRepeatNgram = 2 }, nil, []int{0, 0, 1}},
		"a triple twice":           {func(s *Sampling) { s.NoRepeatNgram = 3 }, []int64{4, 0, 0, 1, 0, 0}, []int{0, 2, 0}},
		"a triple that ends now":   {func(s *Sampling) { s.NoRepeatNgram = 3 }, []int64{0, 0, 0}, []int{1, 0, 0}},
	} {
		s := greedy()
		c.change(&s)
		require.Equal(t, c.want, chosen(s, c.prompt, 3), name)
	}
}

// TestDrawnTokensHaveTheirShares compares shares with the probabilities that remain.
func TestDrawnTokensHaveTheirShares(t *testing.T) {
	t.Parallel()
	// The probabilities of the tokens at a temperature of 1; the last is forbidden.
	p := []float64{0.1, 0.4, 0.2, 0.25, 0.05, 0}
	squares := 0.01 + 0.16 + 0.04 + 0.0625 + 0.0025
	for name, c := range map[string]struct {
		change func(*Sampling)
		want   []float64
	}{
		"all":                 {func(*Sampling) {}, p},
		"more than there are": {func(s *Sampling) { s.TopK = 100 }, p},
		"half the temperature": {func(s *Sampling) { s.Temperature = 0.5 },
			[]float64{0.01 / squares, 0.16 / squares, 0.04 / squares, 0.0625 / squares, 0.0025 / squares, 0}},
		"the best":        {func(s *Sampling) { s.TopK = 1 }, []float64{0, 1, 0, 0, 0, 0}},
		"the best three":  {func(s *Sampling) { s.TopK = 3 }, []float64{0, 0.4 / 0.85, 0.2 / 0.85, 0.25 / 0.85, 0, 0}},
		"a share of 0.64": {func(s *Sampling) { s.TopP = 0.64 }, []float64{0, 0.4 / 0.65, 0, 0.25 / 0.65, 0, 0}},
		"a share of 0.66": {func(s *Sampling) { s.TopP = 0.66 }, []float64{0, 0.4 / 0.85, 0.2 / 0.85, 0.25 / 0.85, 0, 0}},
		"no share":        {func(s *Sampling) { s.TopP = 0 }, []float64{0, 1, 0, 0, 0, 0}},
		"a share of the best three": {func(s *Sampling) { s.TopK, s.TopP = 3, 0.7 },
			[]float64{0, 0.4 / 0.65, 0, 0.25 / 0.65, 0, 0}},
		"a quarter of the best": {func(s *Sampling) { s.MinP = 0.26 }, []float64{0, 0.4 / 0.85, 0.2 / 0.85, 0.25 / 0.85, 0, 0}},
		"less than a quarter":   {func(s *Sampling) { s.MinP = 0.24 }, []float64{0.1 / 0.95, 0.4 / 0.95, 0.2 / 0.95, 0.25 / 0.95, 0, 0}},
		"more than the best":    {func(s *Sampling) { s.MinP = 2 }, []float64{0, 1, 0, 0, 0, 0}},
	} {
		s := greedy()
		s.Temperature, s.Seed = 1, 42
		c.change(&s)
		const draws = 6000
		counts := make([]float64, len(p))
		sampler := NewSampler(s, nil)
		for range draws {
			logits := make([]float32, len(p))
			for i, v := range p {
				logits[i] = float32(math.Log(v) + 3)
			}
			counts[sampler.Choose(logits)]++
		}
		for i, want := range c.want {
			require.InDelta(t, want, counts[i]/draws, 0.025, "%s, token %d", name, i)
			if want == 0 {
				require.Zero(t, counts[i], "%s, token %d", name, i)
			}
		}
	}
}

func TestASeedRepeatsAText(t *testing.T) {
	t.Parallel()
	s := greedy()
	s.Temperature, s.Seed = 3, 5
	first := chosen(s, nil, 40)
	require.Equal(t, first, chosen(s, nil, 40))
	s.Seed = 6
	require.NotEqual(t, first, chosen(s, nil, 40))
}

func TestWhenEveryTokenIsForbiddenTheTextEnds(t *testing.T) {
	t.Parallel()
	s := greedy()
	s.Temperature, s.EOS = 1, []int{4, 5}
	require.Equal(t, 4, NewSampler(s, nil).Choose([]float32{Never, Never}))
}

func TestTheHeapHasTheWorstAtTheTop(t *testing.T) {
	t.Parallel()
	var work worstFirst
	for i, v := range []float64{3, 1, 2, 1, 5} {
		heap.Push(&work, scored{i, v})
	}
	var order []int
	for work.Len() > 0 {
		one, ok := heap.Pop(&work).(scored)
		require.True(t, ok)
		order = append(order, one.id)
	}
	require.Equal(t, []int{3, 1, 2, 0, 4}, order, "of equals the last is worse")
}
