package wav2vec2

import (
	"github.com/grym-synth/grym-synth/services/tasks"
)

// scoring judges the words of a decoding by the probabilities of the frames.
type scoring struct {
	*posteriors
	model *model
	// hot are the words that the request prefers, and constrained is set if the decoding
	// prefers the words of a list without a language model.
	hot         *lexicon
	constrained bool
	// tokens is set if the words get their tokens.
	tokens bool
	// decoded is the end of the last word of the decoding that was sent before the end, and
	// sent that of the last word that was sent instead; -1 if there is none.
	decoded, sent int
}

// judged is a word with its evidence.
type judged struct {
	tasks.Word
	evidence
}

// scoring returns the scoring for the parameters.
func (m *model) scoring(params tasks.TranscribeParams) *scoring {
	s := &scoring{
		posteriors: newPosteriors(m.spelling(params)), model: m, hot: newLexicon(nil), tokens: wantsScores(params), decoded: -1, sent: -1,
	}
	if m.searches(params) {
		s.hot, s.constrained = newLexicon(hotWords(wantedWords(params))), m.words != nil && m.lm == nil
	}
	return s
}

// wantsScores reports whether the result has the scores of tokens.
func wantsScores(params tasks.TranscribeParams) bool {
	return len(params.Include) > 0 || params.ResponseFormat == tasks.FormatVerbose
}

// part returns what is sent for further words of the decoding before the end.
func (s *scoring) part(decoded []tasks.Word) []tasks.Word {
	words := wordsOf(s.judge(decoded, s.decoded))
	if len(decoded) > 0 {
		s.decoded = s.frame(decoded[len(decoded)-1].End)
	}
	if s.tokens {
		s.sent = s.score(words, s.sent)
	}
	return words
}

// whole returns all words of the decoding with their confidence, and the confidence of the
// whole: the mean of the words' by their lengths, 1 if there are none.
func (s *scoring) whole(decoded []tasks.Word) (words []tasks.Word, confidence float64) {
	all := s.judge(decoded, -1)
	said := make([]evidence, len(all))
	for i := range all {
		said[i] = all[i].evidence
	}
	sum, letters := 0.0, 0.0
	for i := range all {
		one := s.model.calibration.confidence(said, i)
		all[i].Confidence = &one
		sum += said[i].letters * one
		letters += said[i].letters
	}
	if words, confidence = wordsOf(all), 1; letters > 0 {
		confidence = sum / letters
	}
	if s.tokens {
		s.score(words, -1)
	}
	return words, confidence
}

// wordsOf returns words without their evidence.
func wordsOf(all []judged) []tasks.Word {
	words := make([]tasks.Word, 0, len(all))
	for _, one := range all {
		words = append(words, one.Word)
	}
	return words
}

// judge returns words of the decoding with their evidence. Words of the list that do not fit
// their frames are replaced by the letters that these spell. Hot words stay, since the
// request wants them. from is the end of the word before them.
func (s *scoring) judge(decoded []tasks.Word, from int) []judged {
	all := make([]judged, 0, len(decoded))
	for _, word := range decoded {
		one := judged{word, s.about(word, from)}
		end := s.frame(word.End)
		if !s.constrained || one.listed == 0 || s.hot.has(word.Text) || s.model.calibration.fits(one.evidence) {
			all = append(all, one)
		} else {
			path, _ := s.greedy(s.begin(from, s.frame(word.Start)), end)
			for _, spelled := range s.decoder.words(path.spans) {
				all = append(all, judged{spelled, s.about(spelled, from)})
				from = s.frame(spelled.End)
			}
		}
		from = end
	}
	return all
}

// about returns the evidence about a word.
func (s *scoring) about(word tasks.Word, from int) evidence {
	e := s.gather(word, from)
	if s.model.knows(word.Text) || s.hot.has(word.Text) {
		e.listed = 1
	}
	if c := s.model.calibration; c != nil && c.has("lead") && len(s.model.words.all()) <= mostRivals {
		e.lead = s.lead(word, s.model.words.all(), from)
	}
	return e
}
