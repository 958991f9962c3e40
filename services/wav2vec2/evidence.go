package wav2vec2

import (
	"math"
	"strings"
	"unicode/utf8"

	"github.com/grym-synth/grym-synth/services/tasks"
)

// evidence has what the frames say about one word. The frames of a word begin at the end
// of the word before it.
type evidence struct {
	letters float64
	// misfit is the logarithm of how much less likely the word's best path through its
	// frames is than the best path of any letters; 0 if the word is what they spell.
	misfit float64
	// edits is the edit distance between the word and the letters that the frames spell
	// without a word list, and spelled the number of the latter.
	edits, spelled float64
	// mean and least are those of the logarithms of the letters' probabilities.
	mean, least float64
	// clarity is the mean logarithm of the best token's probability over the frames in
	// which a letter is more likely than none.
	clarity float64
	// lead is the logarithm of how much likelier the word's path is than that of any other
	// word of the list; 0 if there is none.
	lead float64
	// listed is 1 if the word is in the word list or a hot word.
	listed float64
}

// worstMisfit is the misfit of a word that no path spells.
const worstMisfit = 1000

// gather returns the evidence about a word in the frames from the end of the word before it.
func (p *posteriors) gather(word tasks.Word, from int) evidence {
	start, end := p.frame(word.Start), p.frame(word.End)
	from = p.begin(from, start)
	e := evidence{letters: float64(max(1, utf8.RuneCountInString(word.Text)))}
	tokens := p.align(word.Text, start, end)
	for _, token := range tokens {
		e.mean += token.LogProb / float64(len(tokens))
		e.least = min(e.least, token.LogProb)
	}
	if len(tokens) == 0 {
		e.mean, e.least = tokenFloor, tokenFloor
	}
	path, total := p.greedy(from, end)
	e.misfit = min(max(total-p.constrained(word.Text, from, end), 0), worstMisfit)
	spelled := p.decoder.letters(strings.Join(wordTexts(p.decoder.words(path.spans)), ""))
	e.edits, e.spelled = float64(editDistance([]rune(word.Text), []rune(spelled))), float64(utf8.RuneCountInString(spelled))
	if path.voiced > 0 {
		e.clarity = path.clarity / float64(path.voiced)
	}
	return e
}

// begin returns the first frame from the given one in which a letter is best, at most start.
func (p *posteriors) begin(from, start int) int {
	for from = max(from, 0); from < start && !p.voiced(p.best(from)); from++ {
	}
	return min(from, start)
}

// voiced reports whether a token is a letter.
func (p *posteriors) voiced(one posterior) bool {
	return int(one.id) != p.decoder.blankID && int(one.id) != p.decoder.delimiterID
}

// lead returns by how much the best path of a word is likelier than that of any other of the
// given words; at least -mostLead and at most mostLead.
func (p *posteriors) lead(word tasks.Word, others []string, from int) float64 {
	start, end := p.frame(word.Start), p.frame(word.End)
	from = p.begin(from, start)
	rival := math.Inf(-1)
	for _, other := range others {
		if other = p.decoder.letters(other); other != word.Text {
			rival = max(rival, p.constrained(other, from, end))
		}
	}
	return min(max(p.constrained(word.Text, from, end)-rival, -mostLead), mostLead)
}

// mostLead is the largest lead, and mostRivals the number of words in a list above which
// there is none.
const (
	mostLead   = 20
	mostRivals = 1000
)

// wordTexts returns the texts of words.
func wordTexts(words []tasks.Word) []string {
	list := make([]string, len(words))
	for i, word := range words {
		list[i] = word.Text
	}
	return list
}

// unlistedPath is the path of the best token of each frame.
type unlistedPath struct {
	spans []span
	// voiced is the number of frames in which a letter is best, clarity the sum of the
	// logarithms of their probabilities.
	voiced  int
	clarity float64
}

// greedy returns the path of the best tokens, and the logarithm of its probability.
func (p *posteriors) greedy(from, to int) (path unlistedPath, total float64) {
	ids := make([]int, 0, to-from)
	for f := from; f < to; f++ {
		best := p.best(f)
		ids = append(ids, int(best.id))
		logp := float64(best.logp)
		total += max(logp, float64(p.nothing[f]))
		if p.voiced(best) {
			path.voiced++
			path.clarity += logp
		}
	}
	path.spans = p.decoder.merge(ids)
	for i := range path.spans {
		path.spans[i].start += from
		path.spans[i].end += from
	}
	return path, total
}

// best returns the best token of a frame.
func (p *posteriors) best(frame int) posterior {
	from := uint32(0)
	if frame > 0 {
		from = p.ends[frame-1]
	}
	best := p.entries[from]
	for _, one := range p.entries[from+1 : p.ends[frame]] {
		if one.logp > best.logp {
			best = one
		}
	}
	return best
}

// constrained returns the logarithm of the probability of the best path that spells a text
// between the frames from and to and nothing else (Viterbi); minus infinity if there is none.
func (p *posteriors) constrained(text string, from, to int) float64 {
	all := p.arcs(text)
	best, next := make([]float64, len(all)), make([]float64, len(all))
	for i := range best {
		best[i] = math.Inf(-1)
	}
	lead, tail := 0.0, math.Inf(-1) // before the first letter and after the last
	for f := from; f < to; f++ {
		nothing := float64(p.nothing[f])
		tail = max(tail, ended(text, all, best, p.decoder.blankID)) + nothing
		for i, one := range all {
			next[i] = math.Inf(-1)
			if one.from == 0 && one.id != p.decoder.blankID {
				next[i] = lead
			}
			for _, before := range one.before {
				next[i] = max(next[i], best[before])
			}
			next[i] += p.of(f, one.id)
		}
		lead += nothing
		best, next = next, best
	}
	return max(tail, ended(text, all, best, p.decoder.blankID))
}

// ended returns the best score of the paths that end with a text's last letter.
func ended(text string, all []arc, scores []float64, blank int) float64 {
	best := math.Inf(-1)
	for i, one := range all {
		if one.to == len(text) && one.id != blank {
			best = max(best, scores[i])
		}
	}
	return best
}

// editDistance returns the number of insertions, deletions and substitutions between two
// texts (Levenshtein).
func editDistance(a, b []rune) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range a {
		diagonal := row[0]
		row[0] = i + 1
		for j := range b {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(row[j+1]+1, row[j]+1, cost)
		}
	}
	return row[len(b)]
}
