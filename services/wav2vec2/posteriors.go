package wav2vec2

import (
	"math"
	"slices"

	"github.com/grym-synth/grym-synth/services"
	"github.com/grym-synth/grym-synth/services/tasks"
)

// posteriors are the probabilities of the tokens in every frame, as far as a decoding can
// use them: the best token and those above tokenFloor. It scores the words of a decoding.
type posteriors struct {
	decoder *ctcDecoder
	// tokens has the ids of the tokens that words are spelled with, and longest the
	// length of the longest in bytes.
	tokens  map[string]int
	longest int

	entries []posterior
	// ends has the end of each frame's entries, and nothing the logarithm of the
	// probability that no letter is spoken: of blank or delimiter.
	ends    []uint32
	nothing []float32
	logp    []float64
}

// posterior is the logarithm of a token's probability in a frame.
type posterior struct {
	id   int32
	logp float32
}

// posteriorBytes bounds the memory of one frame, of which few have several tokens.
const posteriorBytes services.Bytes = 32

func newPosteriors(decoder *ctcDecoder) *posteriors {
	p := &posteriors{decoder: decoder, tokens: make(map[string]int), logp: make([]float64, len(decoder.tokens))}
	for id, token := range decoder.tokens {
		if same := decoder.same[id]; same == id && id != decoder.blankID && id != decoder.delimiterID && token != "" {
			p.tokens[decoder.letters(token)] = id
			p.longest = max(p.longest, len(token))
		}
	}
	return p
}

// add processes further logits of shape [frames, vocabulary].
func (p *posteriors) add(logits []float32) {
	vocabulary := len(p.decoder.tokens)
	for ; len(logits) >= vocabulary; logits = logits[vocabulary:] {
		logSoftmax(p.logp, logits[:vocabulary])
		best := argmax(logits[:vocabulary])
		none := 0.0
		for id, logp := range p.logp {
			same := p.decoder.same[id]
			if same == p.decoder.blankID || same == p.decoder.delimiterID {
				none += math.Exp(logp)
			}
			if logp >= tokenFloor || id == best {
				p.entries = append(p.entries, posterior{int32(same), float32(logp)}) //nolint:gosec // a vocabulary is smaller
			}
		}
		p.ends = append(p.ends, uint32(len(p.entries))) //nolint:gosec // a recording of the longest duration has fewer
		p.nothing = append(p.nothing, float32(math.Log(max(none, math.Exp(lowestLogP)))))
	}
}

// of returns the log probability of a token in a frame, tokenFloor if it is lower.
func (p *posteriors) of(frame, id int) float64 {
	from := uint32(0)
	if frame > 0 {
		from = p.ends[frame-1]
	}
	for _, one := range p.entries[from:p.ends[frame]] {
		if int(one.id) == id {
			return float64(one.logp)
		}
	}
	return tokenFloor
}

// frame returns the frame of a time.
func (p *posteriors) frame(seconds float64) int {
	return min(int(math.Round(seconds/p.decoder.secondsPerFrame)), len(p.ends))
}

// score sets the tokens of consecutive words. from is the end of the preceding word, -1 if
// there is none. It returns the end of the last word.
func (p *posteriors) score(words []tasks.Word, from int) int {
	for i := range words {
		word := &words[i]
		start, end := p.frame(word.Start), p.frame(word.End)
		if from >= 0 && p.decoder.delimiterID >= 0 {
			gap := tokenFloor
			for f := from; f < start; f++ {
				gap = max(gap, p.of(f, p.decoder.delimiterID))
			}
			word.Tokens = append(word.Tokens, tasks.Token{ID: p.decoder.delimiterID, Text: " ", LogProb: gap})
		}
		word.Tokens = append(word.Tokens, p.align(word.Text, start, end)...)
		for f := start; f < end; f++ {
			word.NoSpeech += float64(p.nothing[f])
		}
		from = end
	}
	return from
}

// arc is a token between two positions of a word's text, or the blank at one position.
type arc struct {
	id, from, to int
	// before are the arcs from which a path comes to this one, itself among them.
	before []int
}

// arcs returns all tokens that a word can be spelled with, and the blanks between them.
func (p *posteriors) arcs(text string) []arc {
	var all []arc
	ending := make([][]int, len(text)+1)
	for to := 1; to <= len(text); to++ {
		for from := max(0, to-p.longest); from < to; from++ {
			id, known := p.tokens[text[from:to]]
			if !known || from > 0 && ending[from] == nil {
				continue
			}
			one := arc{id: id, from: from, to: to}
			for _, before := range ending[from] {
				if all[before].id != id {
					one.before = append(one.before, before)
				}
			}
			one.before = append(one.before, len(all))
			ending[to] = append(ending[to], len(all))
			all = append(all, one)
		}
		if ending[to] != nil && to < len(text) {
			blank := arc{id: p.decoder.blankID, from: to, to: to, before: append(slices.Clone(ending[to]), len(all))}
			ending[to] = append(ending[to], len(all))
			all = append(all, blank)
		}
	}
	return all
}

// align returns the tokens of a word on the best path through the frames from start to end
// (Viterbi), each with its mean log probability; none if no path spells the word.
func (p *posteriors) align(text string, start, end int) []tasks.Token {
	all := p.arcs(text)
	best, next := make([]float64, len(all)), make([]float64, len(all))
	for i, one := range all {
		if best[i] = math.Inf(-1); one.from == 0 && start < end {
			best[i] = p.of(start, one.id)
		}
	}
	came := make([][]int, max(0, end-start)) // from which arc, by frame and arc
	for f := start + 1; f < end; f++ {
		from := make([]int, len(all))
		for i, one := range all {
			next[i] = math.Inf(-1)
			for _, before := range one.before {
				if best[before] >= next[i] {
					next[i], from[i] = best[before], before
				}
			}
			next[i] += p.of(f, one.id)
		}
		came[f-start] = from
		best, next = next, best
	}
	at := -1
	for i, one := range all {
		if one.to == len(text) && one.id != p.decoder.blankID && best[i] > math.Inf(-1) && (at < 0 || best[i] > best[at]) {
			at = i
		}
	}
	return p.trace(text, all, came, at, start)
}

// trace returns the tokens of the path that ends with an arc, none for -1.
func (p *posteriors) trace(text string, all []arc, came [][]int, at, start int) (tokens []tasks.Token) {
	frames := 0.0
	for f := len(came) - 1; f >= 0 && at >= 0; f-- {
		one, before := all[at], -1
		if f > 0 {
			before = came[f][at]
		}
		if one.id != p.decoder.blankID {
			if frames == 0 {
				tokens = append(tokens, tasks.Token{ID: one.id, Text: text[one.from:one.to]})
			}
			frames++
			last := &tokens[len(tokens)-1]
			last.LogProb += (p.of(start+f, one.id) - last.LogProb) / frames
		}
		if before != at {
			frames = 0
		}
		at = before
	}
	slices.Reverse(tokens)
	return tokens
}
