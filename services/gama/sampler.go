package gama

import (
	"container/heap"
	"math"
	"math/rand/v2"
	"slices"
)

// sampling has the settings for choosing the next token.
type sampling struct {
	// temperature 0 is greedy: the most likely token, and the first of equals.
	temperature       float64
	topK              int // 0 for unlimited
	topP              float64
	repetitionPenalty float64
	noRepeatNgram     int
	minNewTokens      int
	minLength         int // of prompt and answer
	minP              float64
	beginSuppress     []int // forbidden as the first token
	suppress          []int
	// countSound reports whether minLength includes the sound.
	countSound bool
	eos        []int
	seed       uint64
}

// sampler chooses the tokens of one answer. Not safe for concurrent use.
type sampler struct {
	sampling
	random *rand.Rand
	// seen are the text ids of prompt and answer so far; audio has none.
	seen []int
	made int
	// prompt is the number of tokens before the answer.
	prompt int
	work   worstFirst
}

type scored struct {
	id    int
	logit float64
}

func newSampler(s sampling, prompt []int64) *sampler {
	out := &sampler{sampling: s, random: rand.New(rand.NewPCG(s.seed, s.seed^0x9e3779b97f4a7c15))} //nolint:gosec // no secret depends on it
	for _, key := range prompt {
		if key >= 0 {
			out.seen = append(out.seen, int(key))
		}
	}
	out.prompt = len(out.seen)
	if s.countSound {
		out.prompt = len(prompt)
	}
	return out
}

// choose chooses a token from the logits of one position, which it modifies. The order
// is that of transformers: repetition penalty, forbidden tokens, temperature, top-k,
// top-p.
func (s *sampler) choose(logits []float32) int {
	s.penalise(logits)
	s.forbid(logits)
	id := 0
	if s.temperature == 0 {
		for i, v := range logits {
			if v > logits[id] {
				id = i
			}
		}
	} else {
		id = s.draw(logits)
	}
	s.seen = append(s.seen, id)
	s.made++
	return id
}

// penalise lowers the score of each token that has occurred.
func (s *sampler) penalise(logits []float32) {
	if s.repetitionPenalty == 1 {
		return
	}
	done := make(map[int]bool, len(s.seen))
	for _, id := range s.seen {
		if done[id] || id >= len(logits) {
			continue
		}
		done[id] = true
		if logits[id] > 0 {
			logits[id] = float32(float64(logits[id]) / s.repetitionPenalty)
		} else {
			logits[id] = float32(float64(logits[id]) * s.repetitionPenalty)
		}
	}
}

// forbid excludes tokens.
func (s *sampler) forbid(logits []float32) {
	never := float32(math.Inf(-1))
	rule := func(id int) {
		if id >= 0 && id < len(logits) {
			logits[id] = never
		}
	}
	for _, id := range s.suppress {
		rule(id)
	}
	if s.made == 0 {
		for _, id := range s.beginSuppress {
			rule(id)
		}
	}
	if s.made < s.minNewTokens || s.prompt+s.made < s.minLength {
		for _, id := range s.eos {
			rule(id)
		}
	}
	// Exclude tokens that would complete an n-gram that has occurred.
	if n := s.noRepeatNgram; n > 0 && len(s.seen) >= n {
		tail := s.seen[len(s.seen)-n+1:]
		for i := 0; i+n <= len(s.seen); i++ {
			if slices.Equal(s.seen[i:i+n-1], tail) {
				rule(s.seen[i+n-1])
			}
		}
	}
}

// draw samples from the tokens left by top-k, top-p and min-p.
func (s *sampler) draw(logits []float32) int {
	s.rank(logits)
	if len(s.work) == 0 {
		return s.eos[0]
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
func (s *sampler) rank(logits []float32) {
	most := len(logits)
	if s.topK > 0 {
		most = min(most, s.topK)
	}
	s.work = s.work[:0]
	for id, v := range logits {
		one := scored{id, float64(v) / s.temperature}
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
func (s *sampler) cut() float64 {
	best, total := s.work[0].logit, 0.0
	for i := range s.work {
		s.work[i].logit = math.Exp(s.work[i].logit - best)
		total += s.work[i].logit
	}
	if s.topP < 1 {
		// The smallest number of most likely tokens that together reach top_p.
		sum, keep := 0.0, 0
		for keep < len(s.work) && (keep == 0 || sum < s.topP*total) {
			sum += s.work[keep].logit
			keep++
		}
		s.work, total = s.work[:keep], sum
	}
	for last := len(s.work) - 1; last > 0 && s.work[last].logit < s.minP; last-- {
		total -= s.work[last].logit
		s.work = s.work[:last]
	}
	return total
}
