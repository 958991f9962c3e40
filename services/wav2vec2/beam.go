package wav2vec2

import (
	"cmp"
	"math"
	"slices"
	"unicode/utf8"

	"github.com/grym-synth/grym-synth/services/tasks"
)

// The constants of pyctcdecode 0.5, whose scoring this search has.
const (
	defaultBeamWidth = 100
	// beamPrune drops prefixes that are so far below the best one, tokenFloor
	// tokens that are less likely in a frame; both are natural logarithms.
	beamPrune  = -10.0
	tokenFloor = -5.0
	// lowestLogP is the logarithm of 1e-15, below which no token is taken to be.
	lowestLogP = -34.538776394910684
	// hotWeight is what a hot word adds.
	hotWeight = 10.0
	// wordBonus is beta, for each word; unknownPenalty is for one that is not in
	// the list, and lmWeight is alpha with the change from log10 to ln. The word
	// list stands where pyctcdecode has an n-gram model: every word of it is as
	// likely as any other.
	wordBonus      = 1.5
	unknownPenalty = -10.0
	lmWeight       = 0.5 * math.Ln10
	// averageWord is the length from which an unknown beginning is fined for
	// every further letter.
	averageWord = 6
)

// word is one word of a prefix, with those before it.
type word struct {
	before *word
	depth  int
	text   string
	span   [2]int
}

// prefix is what the search knows of one way to read the frames so far.
type prefix struct {
	// said are the complete words, hash stands for their text. score is what the
	// words add, by the word list and the hot words.
	said  *word
	hash  uint64
	score float64
	// part is the word that is being spelled, part.span the frames of its letters.
	part part
	// last is the token of the last frame, by its first id; blank or noToken.
	last int
	// logit is the log probability of the frames; total adds all scores.
	logit, total float64
}

// part is an incomplete word with its places in the word list and the hot words.
type part struct {
	text        string
	letters     int
	listed, hot node
	span        [2]int
}

const noToken = -1

// beamSearch is a CTC prefix beam search over frames that come piece by piece.
// Prefixes with the same words, the same incomplete word and the same last token
// are one, and their probabilities are added (Hannun et al., "First-Pass Large
// Vocabulary Continuous Speech Recognition using Bi-Directional Recurrent DNNs",
// 2014); scores and pruning are pyctcdecode's. Not safe for concurrent use.
type beamSearch struct {
	decoder *ctcDecoder
	width   int
	// listed is nil where there is no word list; hot is empty without hot words.
	listed, hot *lexicon

	beams []prefix
	frame int
	told  *word // the last word that was handed over
	// logp and grown are used again for each frame.
	logp  []float64
	grown []prefix
	found map[prefixKey]int
}

// prefixKey tells which prefixes are one.
type prefixKey struct {
	hash uint64
	part string
	last int
}

// newBeamSearch starts a search. A width of zero is pyctcdecode's.
func newBeamSearch(decoder *ctcDecoder, width int, listed *lexicon, hot []string) *beamSearch {
	s := &beamSearch{
		decoder: decoder, width: cmp.Or(width, defaultBeamWidth), listed: listed, hot: newLexicon(hot),
		logp: make([]float64, len(decoder.tokens)), found: make(map[prefixKey]int),
	}
	s.beams = []prefix{{last: noToken, part: s.noPart()}}
	return s
}

// noPart stands between two words.
func (s *beamSearch) noPart() part {
	p := part{hot: s.hot.root(), span: [2]int{-1, -1}}
	if s.listed != nil {
		p.listed = s.listed.root()
	}
	return p
}

// add takes further logits of shape [frames, vocabulary].
func (s *beamSearch) add(logits []float32) {
	vocabulary := len(s.decoder.tokens)
	for ; len(logits) >= vocabulary; logits = logits[vocabulary:] {
		logSoftmax(s.logp, logits[:vocabulary])
		s.step()
		s.frame++
	}
}

// logSoftmax is that of one frame, cut off at both ends as pyctcdecode does.
func logSoftmax(into []float64, logits []float32) {
	most := float64(slices.Max(logits))
	sum := 0.0
	for _, v := range logits {
		sum += math.Exp(float64(v) - most)
	}
	norm := most + math.Log(sum)
	for i, v := range logits {
		into[i] = min(max(float64(v)-norm, lowestLogP), 0)
	}
}

// step lengthens every prefix by one frame.
func (s *beamSearch) step() {
	best := 0
	for id, p := range s.logp {
		if p > s.logp[best] {
			best = id
		}
	}
	s.grown = s.grown[:0]
	clear(s.found)
	for id, p := range s.logp {
		if p < tokenFloor && id != best {
			continue
		}
		token := s.decoder.same[id]
		for i := range s.beams {
			s.put(s.extend(&s.beams[i], token, p))
		}
	}
	s.prune()
}

// extend gives the prefix with one more frame of a token.
func (s *beamSearch) extend(from *prefix, token int, p float64) prefix {
	next := *from
	next.logit += p
	next.last = token
	switch token {
	case s.decoder.blankID:
	case from.last:
		if next.part.text != "" {
			next.part.span[1] = s.frame + 1
		}
	case s.decoder.delimiterID:
		s.finishWord(&next)
	default:
		s.spell(&next.part, s.decoder.tokens[token])
	}
	return next
}

// spell adds a token's letters to an incomplete word.
func (s *beamSearch) spell(p *part, token string) {
	p.text += token
	p.letters += utf8.RuneCountInString(token)
	folded := fold(token)
	p.hot = s.hot.walk(p.hot, folded)
	if s.listed != nil {
		p.listed = s.listed.walk(p.listed, folded)
	}
	if p.span[0] < 0 {
		p.span[0] = s.frame
	}
	p.span[1] = s.frame + 1
}

// finishWord moves the incomplete word, where there is one, to the complete ones.
func (s *beamSearch) finishWord(p *prefix) {
	if p.part.text == "" {
		return
	}
	depth := 1
	if p.said != nil {
		depth += p.said.depth
	}
	p.said = &word{before: p.said, depth: depth, text: p.part.text, span: p.part.span}
	p.hash = mix(p.hash, p.part.text)
	p.score += s.wordScore(p.part)
	p.part = s.noPart()
}

// mix makes the hash of a text with one more word: FNV-1a, the word ended by a
// byte that no text has.
func mix(hash uint64, text string) uint64 {
	const prime = 1099511628211
	hash ^= 14695981039346656037
	for i := range len(text) {
		hash = (hash ^ uint64(text[i])) * prime
	}
	return (hash ^ 0xff) * prime
}

// wordScore is what a complete word adds.
func (s *beamSearch) wordScore(p part) float64 {
	score := 0.0
	hot := s.hot.ends(p.hot)
	if s.listed != nil {
		score = wordBonus
		// A hot word is known though the list lacks it.
		if !hot && !s.listed.ends(p.listed) {
			score += lmWeight * unknownPenalty
		}
	}
	if hot {
		score += hotWeight
	}
	return score
}

// partScore is what an incomplete word adds until it ends.
func (s *beamSearch) partScore(p part) float64 {
	switch {
	case p.text == "":
		return 0
	case p.hot.alive():
		return hotWeight * float64(p.letters) / float64(s.hot.shortest(p.hot))
	case s.listed == nil || p.listed.alive():
		return 0
	case p.letters > averageWord:
		return unknownPenalty * float64(p.letters) / averageWord
	}
	return unknownPenalty
}

// put adds a prefix to the new ones, or its probability to one that is the same.
func (s *beamSearch) put(p prefix) {
	key := prefixKey{p.hash, p.part.text, p.last}
	if at, ok := s.found[key]; ok {
		s.grown[at].logit = addLog(s.grown[at].logit, p.logit)
		return
	}
	s.found[key] = len(s.grown)
	s.grown = append(s.grown, p)
}

// addLog adds two probabilities given by their logarithms.
func addLog(a, b float64) float64 {
	if a < b {
		a, b = b, a
	}
	return a + math.Log1p(math.Exp(b-a))
}

// prune keeps the best prefixes; of those that differ only in words before the
// last one, the best alone, because nothing that follows can tell them apart.
func (s *beamSearch) prune() {
	s.rank()
	clear(s.found)
	s.beams = s.beams[:0]
	for _, p := range s.grown {
		key := prefixKey{part: p.part.text, last: p.last}
		if p.said != nil {
			key.hash = mix(0, p.said.text)
		}
		if _, seen := s.found[key]; !seen {
			s.found[key] = 0
			s.beams = append(s.beams, p)
		}
	}
}

// rank sorts the new prefixes and drops those that are too far behind.
func (s *beamSearch) rank() {
	for i := range s.grown {
		p := &s.grown[i]
		p.total = p.logit + p.score + s.partScore(p.part)
	}
	slices.SortStableFunc(s.grown, func(a, b prefix) int { return cmp.Compare(b.total, a.total) })
	kept := min(len(s.grown), s.width)
	for kept > 1 && s.grown[kept-1].total < s.grown[0].total+beamPrune {
		kept--
	}
	s.grown = s.grown[:kept]
}

// finish ends the last word of every prefix and gives them, the best first.
func (s *beamSearch) finish() []prefix {
	s.grown = s.grown[:0]
	clear(s.found)
	for _, p := range s.beams {
		s.finishWord(&p)
		p.last = noToken
		s.put(p)
	}
	s.rank()
	return s.grown
}

// words gives the words of a prefix that follow another of its words, nil for all.
func (s *beamSearch) words(last, after *word) []tasks.Word {
	list := []tasks.Word{}
	for w := last; w != nil && w != after; w = w.before {
		list = append(list, tasks.Word{
			Text:  s.decoder.letters(w.text),
			Start: s.decoder.seconds(w.span[0]),
			End:   s.decoder.seconds(w.span[1]),
		})
	}
	slices.Reverse(list)
	return list
}

// agreed is the last word that all prefixes have in common: nothing can change it
// or what stands before it.
func (s *beamSearch) agreed() *word {
	common := s.beams[0].said
	for _, p := range s.beams[1:] {
		other := p.said
		for common != other {
			switch {
			case common == nil || other == nil:
				return nil
			case common.depth > other.depth:
				common = common.before
			case common.depth < other.depth:
				other = other.before
			default:
				common, other = common.before, other.before
			}
		}
	}
	return common
}
