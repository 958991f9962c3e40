package decoding

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestTheBestOfAVocabularyAreThoseOfASort has equal logits and excluded tokens.
func TestTheBestOfAVocabularyAreThoseOfASort(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(3, 4)) //nolint:gosec // no secret depends on it
	for range 50 {
		logits := make([]float32, 1+random.IntN(300))
		want := make([]int, 0, len(logits))
		for i := range logits {
			logits[i] = float32(random.IntN(20))
			if random.IntN(5) == 0 {
				logits[i] = float32(math.Inf(-1))
				continue
			}
			want = append(want, i)
		}
		slices.SortStableFunc(want, func(a, b int) int { return int(logits[b] - logits[a]) })
		for _, topK := range []int{0, 1, 7, 50, 1000} {
			s := NewSampler(Sampling{Temperature: 1, TopK: topK}, nil)
			s.rank(logits)
			got := make([]int, 0, len(s.work))
			for _, one := range s.work {
				got = append(got, one.id)
			}
			if topK > 0 && topK < len(want) {
				require.Equal(t, want[:topK], got)
			} else {
				require.Equal(t, want, got)
			}
		}
	}
}

// BenchmarkDraw chooses from Llama 2's 32,000 tokens with GAMA's default settings.
func BenchmarkDraw(b *testing.B) {
	random := rand.New(rand.NewPCG(1, 2)) //nolint:gosec // no secret depends on it
	logits := make([]float32, 32000)
	for i := range logits {
		logits[i] = float32(4 * random.NormFloat64())
	}
	s := NewSampler(Sampling{Temperature: 0.1, TopK: 500, TopP: 0.95, RepetitionPenalty: 1.1, EOS: []int{2}}, make([]int64, 200))
	work := make([]float32, len(logits))
	for b.Loop() {
		copy(work, logits)
		s.Choose(work)
	}
}
