package wav2vec2

import (
	"cmp"
	"math"
	"slices"
	"unicode/utf8"

	"github.com/grym-synth/grym-synth/services/ngram"
	"github.com/grym-synth/grym-synth/services/tasks"
)

// Constants of pyctcdecode 0.5, whose scoring this search implements.
const (
	defaultBeamWidth = 100
	// beamPrune is the distance from the best prefix beyond which a prefix is dropped;
	// tokenFloor is the probability in a frame below which a token is ignored. Both are
	// natural logarithms.
	beamPrune  = -10.0
	tokenFloor = -5.0
	// lowestLogP is the logarithm of 1e-15, the minimum probability of a token.
	lowestLogP = -34.538776394910684
	// hotWeight is the score of a hot word.
	hotWeight = 10.0
	// wordBonus is beta, the score of each word. unknownPenalty is the score of a word
	// that is not in the list. lmWeight is alpha, converted from log10 to ln. Without a
	// language model the word list takes its place: all its words are equally likely.
	wordBonus      = 1.5
	unknownPenalty = -10.0
	lmWeight       = 0.5 * math.Ln10
	// averageWord is the length above which each further letter of an unknown word
	// start is penalised.
	averageWord = 6
)

// word is one word of a prefix, linked to the words before it.
type word struct {
	before *word
	depth  int
	text   string
	span   [2]int
	// state is the context of the next word; nil without a language model.
	state *ngram.State
}

// prefix is one reading of the frames so far.
type prefix struct {
	// said are the complete words, and hash is a hash of their text. score is the score
	// of these words from the word list and the hot words.
	said  *word
	hash  uint64
	score float64
	// part is the incomplete word, part.span the frames of its letters.
	part part
	// last is the token of the last frame, as its first id; blank or noToken.
	last int
	// logit is the log probability of the frames; total is the sum of all scores.
	logit, total float64
}

// part is an incomplete word with its positions in the word list and the hot words.
type part struct {
	text        string
	letters     int
	listed, hot node
	span        [2]int
}

const noToken = -1

// beamSearch is a CTC prefix beam search over frames that arrive in pieces. Prefixes
// with the same words, incomplete word and last token are merged by adding their
// probabilities (Hannun et al., "First-Pass Large Vocabulary Continuous Speech
// Recognition using Bi-Directional Recurrent DNNs", 2014). Scores and pruning are those
// of pyctcdecode. Not safe for concurrent use.
type beamSearch struct {
	decoder *ctcDecoder
	width   int
	// listed is nil without a word list; hot is empty without hot words.
	listed, hot *lexicon
	// lm scores words instead of the word list, which has its words; nil if there is none.
	lm *languageModel
	// unlisted is the score of the start of a word that is not in the list, and history is
	// how many complete words can influence what follows.
	unlisted float64
	history  int

	beams    []prefix
	frame    int
	returned *word // the last word that was returned
	// logp and grown are reused for each frame.
	logp  []float64
	grown []prefix
	found map[prefixKey]int
}

// prefixKey identifies prefixes to be merged.
type prefixKey struct {
	hash uint64
	part string
	last int
}

// newBeamSearch returns a search. A width of zero selects pyctcdecode's default.
func newBeamSearch(decoder *ctcDecoder, width int, listed *lexicon, hot []string) *beamSearch {
	s := &beamSearch{
		decoder: decoder, width: cmp.Or(width, defaultBeamWidth), listed: listed, hot: newLexicon(hot),
		logp: make([]float64, len(decoder.tokens)), found: make(map[prefixKey]int), unlisted: unknownPenalty, history: 1,
	}
	s.beams = []prefix{{last: noToken, part: s.noPart()}}
	return s
}

// useModel sets the language model.
func (s *beamSearch) useModel(lm *languageModel) *beamSearch {
	s.lm, s.listed, s.unlisted, s.history = lm, lm.words, lm.attrs.UnknownOffset, max(1, lm.model.Order()-1)
	s.beams = []prefix{{last: noToken, part: s.noPart()}}
	return s
}

// noPart is the state between two words.
func (s *beamSearch) noPart() part {
	p := part{hot: s.hot.root(), span: [2]int{-1, -1}}
	if s.listed != nil {
		p.listed = s.listed.root()
	}
	return p
}

// add processes further logits of shape [frames, vocabulary].
func (s *beamSearch) add(logits []float32) {
	vocabulary := len(s.decoder.tokens)
	for ; len(logits) >= vocabulary; logits = logits[vocabulary:] {
		logSoftmax(s.logp, logits[:vocabulary])
		s.step()
		s.frame++
	}
}

// logSoftmax returns the log probabilities of one frame, clamped at both ends as in
// pyctcdecode.
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

// step extends every prefix by one frame.
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

// extend returns the prefix extended by one frame of a token.
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
		s.finishWord(&next, false)
	default:
		s.spell(&next.part, s.decoder.tokens[token])
	}
	return next
}

// spell appends a token's letters to an incomplete word.
func (s *beamSearch) spell(p *part, token string) {
	p.text += token
	p.letters += utf8.RuneCountInString(token)
	p.hot = s.hot.walk(p.hot, s.hot.key(token))
	if s.listed != nil {
		p.listed = s.listed.walk(p.listed, s.listed.key(token))
	}
	if p.span[0] < 0 {
		p.span[0] = s.frame
	}
	p.span[1] = s.frame + 1
}

// finishWord moves the incomplete word, if there is one, to the complete ones. last is set for
// the last word of the recording.
func (s *beamSearch) finishWord(p *prefix, last bool) {
	if p.part.text == "" {
		if last && s.lm != nil {
			// As in pyctcdecode, where what comes after the last delimiter is a word, too.
			score, _ := s.lm.score(p.said, p.part.text, last)
			p.score += score
		}
		return
	}
	said := &word{before: p.said, depth: 1, text: p.part.text, span: p.part.span}
	if p.said != nil {
		said.depth += p.said.depth
	}
	if s.lm != nil {
		var score float64
		score, said.state = s.lm.score(p.said, p.part.text, last)
		p.score += score
	}
	p.score += s.wordScore(p.part)
	p.said, p.hash = said, mix(p.hash, p.part.text)
	p.part = s.noPart()
}

// mix extends the hash of a text by one word: FNV-1a, with a byte after the word that
// no text contains.
func mix(hash uint64, text string) uint64 {
	const prime = 1099511628211
	hash ^= 14695981039346656037
	for i := range len(text) {
		hash = (hash ^ uint64(text[i])) * prime
	}
	return (hash ^ 0xff) * prime
}

// wordScore returns the score of a complete word from the word list and the hot words.
func (s *beamSearch) wordScore(p part) float64 {
	score := 0.0
	hot := s.hot.ends(p.hot)
	if s.listed != nil && s.lm == nil {
		score = wordBonus
		// A hot word is known even if it is not in the list.
		if !hot && !s.listed.ends(p.listed) {
			score += lmWeight * unknownPenalty
		}
	}
	if hot {
		score += hotWeight
	}
	return score
}

// partScore returns the score of an incomplete word.
func (s *beamSearch) partScore(p part) float64 {
	switch {
	case p.text == "":
		return 0
	case p.hot.alive():
		return hotWeight * float64(p.letters) / float64(s.hot.shortest(p.hot))
	case s.listed == nil || p.listed.alive():
		return 0
	case p.letters > averageWord:
		return s.unlisted * float64(p.letters) / averageWord
	}
	return s.unlisted
}

// put adds a prefix to the new ones, or adds its probability to an equal one.
func (s *beamSearch) put(p prefix) {
	key := prefixKey{p.hash, p.part.text, p.last}
	if at, ok := s.found[key]; ok {
		logit := addLog(s.grown[at].logit, p.logit)
		if s.lm != nil { // pyctcdecode keeps the frames and the words of the last one
			s.grown[at] = p
		}
		s.grown[at].logit = logit
		return
	}
	s.found[key] = len(s.grown)
	s.grown = append(s.grown, p)
}

// addLog returns the logarithm of the sum of two probabilities given as logarithms.
func addLog(a, b float64) float64 {
	if a < b {
		a, b = b, a
	}
	return a + math.Log1p(math.Exp(b-a))
}

// prune keeps the best prefixes. Of prefixes that differ only in words before the last
// ones it keeps the best, because nothing that follows can distinguish them.
func (s *beamSearch) prune() {
	s.rank()
	clear(s.found)
	s.beams = s.beams[:0]
	for _, p := range s.grown {
		key := prefixKey{part: p.part.text, last: p.last}
		for i, w := 0, p.said; i < s.history && w != nil; i, w = i+1, w.before {
			key.hash = mix(key.hash, w.text)
		}
		if _, seen := s.found[key]; !seen {
			s.found[key] = 0
			s.beams = append(s.beams, p)
		}
	}
}

// rank sorts the new prefixes and drops those too far from the best.
func (s *beamSearch) rank() {
	for i := range s.grown {
		p := &s.grown[i]
		p.total = p.logit + p.score + s.partScore(p.part)
	}
	slices.SortStableFunc(s.grown, func(a, b prefix) int { return cmp.Compare(b.total, a.total) })
	count := min(len(s.grown), s.width)
	for count > 1 && s.grown[count-1].total < s.grown[0].total+beamPrune {
		count--
	}
	s.grown = s.grown[:count]
}

// finish completes the last word of every prefix and returns the prefixes, the best
// first.
func (s *beamSearch) finish() []prefix {
	s.grown = s.grown[:0]
	clear(s.found)
	for _, p := range s.beams {
		s.finishWord(&p, true)
		p.last = noToken
		s.put(p)
	}
	s.rank()
	return s.grown
}

// words returns the words of a prefix after the given one, or all of them for nil.
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

// agreed returns the last word that all prefixes have in common. It and the words
// before it can no longer change.
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
