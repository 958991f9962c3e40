package decoding

import (
	"container/heap"
	"math"
	"math/rand/v2"
	"slices"
)

// Sampling has the settings for choosing the next token, named as in transformers.
type Sampling struct {
	// Temperature 0 is greedy: the most likely token, and the first of equals.
	Temperature       float64
	TopK              int // 0 for unlimited
	TopP              float64
	RepetitionPenalty float64
	NoRepeatNgram     int
	MinNewTokens      int
	MinLength         int // of prompt and answer
	MinP              float64
	BeginSuppress     []int // forbidden as the first token
	Suppress          []int
	// CountAll reports whether MinLength includes the positions without a token.
	CountAll bool
	EOS      []int
	Seed     uint64
}

// Sampler chooses the tokens of one text. Not safe for concurrent use.
type Sampler struct {
	Sampling
	random *rand.Rand
	// seen are the ids of prompt and text so far; negative keys are no tokens.
	seen []int
	made int
	// prompt is the number of tokens before the text.
	prompt int
	work   worstFirst
}

type scored struct {
	id    int
	logit float64
}

// NewSampler returns a sampler for the text after a prompt, of whose keys those from 0 on are
// tokens.
func NewSampler(s Sampling, prompt []int64) *Sampler {
	out := &Sampler{Sampling: s, random: rand.New(rand.NewPCG(s.Seed, s.Seed^0x9e3779b97f4a7c15))} //nolint:gosec // no secret depends on it
	for _, key := range prompt {
		if key >= 0 {
			out.seen = append(out.seen, int(key))
		}
	}
	out.prompt = len(out.seen)
	if s.CountAll {
		out.prompt = len(prompt)
	}
	return out
}

// Choose chooses a token from the logits of one position, which it modifies. The order
// is that of transformers: repetition penalty, forbidden tokens, temperature, top-k,
// top-p.
func (s *Sampler) Choose(logits []float32) int {
	s.penalise(logits)
	s.forbid(logits)
	id := 0
	if s.Temperature == 0 {
		id = Best(logits)
	} else {
		id = s.draw(logits)
	}
	s.seen = append(s.seen, id)
	s.made++
	return id
}

// penalise lowers the score of each token that has occurred.
func (s *Sampler) penalise(logits []float32) {
	if s.RepetitionPenalty == 1 {
		return
	}
	done := make(map[int]bool, len(s.seen))
	for _, id := range s.seen {
		if done[id] || id >= len(logits) {
			continue
		}
		done[id] = true
		if logits[id] > 0 {
			logits[id] = float32(float64(logits[id]) / s.RepetitionPenalty)
		} else {
			logits[id] = float32(float64(logits[id]) * s.RepetitionPenalty)
		}
	}
}

// forbid excludes tokens.
func (s *Sampler) forbid(logits []float32) {
	rule := func(id int) {
		if id >= 0 && id < len(logits) {
			logits[id] = Never
		}
	}
	for _, id := range s.Suppress {
		rule(id)
	}
	if s.made == 0 {
		for _, id := range s.BeginSuppress {
			rule(id)
		}
	}
	if s.made < s.MinNewTokens || s.prompt+s.made < s.MinLength {
		for _, id := range s.EOS {
			rule(id)
		}
	}
	// Exclude tokens that would complete an n-gram that has occurred.
	if n := s.NoRepeatNgram; n > 0 && len(s.seen) >= n {
		tail := s.seen[len(s.seen)-n+1:]
		for i := 0; i+n <= len(s.seen); i++ {
			if slices.Equal(s.seen[i:i+n-1], tail) {
				rule(s.seen[i+n-1])
			}
		}
	}
}

// draw samples from the tokens left by top-k, top-p and min-p.
func (s *Sampler) draw(logits []float32) int {
	s.rank(logits)
	if len(s.work) == 0 {
		return s.EOS[0]
	}
	at := s.random.Float64() * s.cut()
	for _, one := range s.work {
		if at -= one.logit; at < 0 {
			return one.id
		}
	}
	return s.work[len(s.work)-1].id
}

// rank fills work with allowed tokens, the most likely first, and at most top-k of
// them.
func (s *Sampler) rank(logits []float32) {
	most := len(logits)
	if s.TopK > 0 {
		most = min(most, s.TopK)
	}
	s.work = s.work[:0]
	for id, v := range logits {
		one := scored{id, float64(v) / s.Temperature}
		switch {
		case math.IsInf(float64(v), -1):
		case len(s.work) < most:
			if s.work = append(s.work, one); len(s.work) == most {
				heap.Init(&s.work)
			}
		case one.before(s.work[0]):
			s.work[0] = one
			heap.Fix(&s.work, 0)
		}
	}
	slices.SortFunc(s.work, func(a, b scored) int {
		if a.before(b) {
			return -1
		}
		return 1
	})
}

// before reports whether a token precedes another: the more likely one, and the first
// of equals.
func (a scored) before(b scored) bool {
	return a.logit > b.logit || a.logit == b.logit && a.id < b.id
}

// worstFirst is a heap with the last token at the top, which avoids sorting the whole
// vocabulary.
type worstFirst []scored

func (w worstFirst) Len() int           { return len(w) }
func (w worstFirst) Less(i, j int) bool { return w[j].before(w[i]) }
func (w worstFirst) Swap(i, j int)      { w[i], w[j] = w[j], w[i] }
func (w *worstFirst) Push(x any)        { *w = append(*w, x.(scored)) } //nolint:forcetypeassert // only scored is pushed
func (w *worstFirst) Pop() any {
	last := (*w)[len(*w)-1]
	*w = (*w)[:len(*w)-1]
	return last
}

// cut shortens work, converts its logits to weights relative to the most likely token,
// and returns their sum.
func (s *Sampler) cut() float64 {
	best, total := s.work[0].logit, 0.0
	for i := range s.work {
		s.work[i].logit = math.Exp(s.work[i].logit - best)
		total += s.work[i].logit
	}
	if s.TopP < 1 {
		// The smallest number of most likely tokens that together reach top_p.
		sum, keep := 0.0, 0
		for keep < len(s.work) && (keep == 0 || sum < s.TopP*total) {
			sum += s.work[keep].logit
			keep++
		}
		s.work, total = s.work[:keep], sum
	}
	for last := len(s.work) - 1; last > 0 && s.work[last].logit < s.MinP; last-- {
		total -= s.work[last].logit
		s.work = s.work[:last]
	}
	return total
}
