package whisper

import (
	"math"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/grym-synth/grym-synth/services/tasks"
)

// piece is a segment of a window: its times in steps of timestamps from the beginning of
// the window, and its tokens of text.
type piece struct {
	start, end int
	tokens     []token
}

// ids returns the ids of the tokens.
func (p piece) ids() []int {
	ids := make([]int, len(p.tokens))
	for i, t := range p.tokens {
		ids[i] = t.id
	}
	return ids
}

// split splits the text of a window at its timestamps. next is where the next window
// begins, in steps; steps is the length of the window's sound.
func split(a answer, special specialTokens, steps int) (pieces []piece, next int) {
	stamp := func(t token) bool { return t.id >= special.firstTimestamp }
	at := func(t token) int { return t.id - special.firstTimestamp }
	n := len(a.tokens)
	single := n >= 2 && stamp(a.tokens[n-1]) && !stamp(a.tokens[n-2])
	var cuts []int
	for i := 1; i < n; i++ {
		if stamp(a.tokens[i-1]) && stamp(a.tokens[i]) {
			cuts = append(cuts, i)
		}
	}
	if len(cuts) == 0 {
		end := steps
		for _, t := range a.tokens {
			if stamp(t) && at(t) > 0 {
				end = at(t)
			}
		}
		return keep(piece{0, end, a.tokens}, special, nil), steps
	}
	if single {
		cuts = append(cuts, n)
	}
	from := 0
	for _, to := range cuts {
		part := a.tokens[from:to]
		pieces = keep(piece{at(part[0]), at(part[len(part)-1]), part}, special, pieces)
		from = to
	}
	if single {
		return pieces, steps
	}
	return pieces, at(a.tokens[from-1])
}

// keep appends a piece that has text and a length.
func keep(p piece, special specialTokens, pieces []piece) []piece {
	var spoken []token
	for _, t := range p.tokens {
		if t.id < special.end {
			spoken = append(spoken, t)
		}
	}
	if p.tokens = spoken; len(spoken) == 0 || p.start == p.end {
		return pieces
	}
	return append(pieces, p)
}

// words returns the words of a piece. Their times divide that of the piece by their
// lengths, where there is no attention to align them by.
func (m *model) words(p piece, a answer, offset float64) []tasks.Word {
	step := m.folder.secondsPerToken()
	start, length := offset+float64(p.start)*step, float64(p.end-p.start)*step
	groups := m.group(p.tokens)
	total := 0
	for _, g := range groups {
		total += len([]rune(strings.TrimSpace(g.text)))
	}
	words := make([]tasks.Word, 0, len(groups))
	passed := 0
	at := func() float64 { return round(start + length*float64(passed)/float64(max(1, total))) }
	for _, g := range groups {
		word := tasks.Word{Text: strings.TrimSpace(g.text), Start: at(), Tokens: g.tokens}
		passed += len([]rune(word.Text))
		word.End = at()
		words = append(words, word)
	}
	if len(words) > 0 {
		words[0].NoSpeech = math.Log(max(a.noSpeech, 1e-9))
	}
	return words
}

// round rounds to milliseconds.
func round(seconds float64) float64 { return math.Round(seconds*1000) / 1000 }

// group is a word with its tokens.
type group struct {
	text   string
	tokens []tasks.Token
}

// group joins tokens to words, which begin with a space. A token that ends within a
// character is joined with the next; languages without spaces have one word for each token
// of whole characters.
func (m *model) group(list []token) []group {
	var groups []group
	var raw []byte
	var pending []tasks.Token
	for i, t := range list {
		raw = append(raw, m.text.Bytes(t.id)...)
		pending = append(pending, tasks.Token{ID: t.id, Text: string(m.text.Bytes(t.id)), LogProb: t.logProb})
		if len(raw) == 0 || endsWithin(raw) && i < len(list)-1 {
			continue
		}
		text := strings.ToValidUTF8(string(raw), "\uFFFD")
		raw = raw[:0]
		if n := len(groups); n == 0 || beginsWord(text, groups[n-1].text) {
			groups = append(groups, group{})
		}
		last := &groups[len(groups)-1]
		last.text += text
		last.tokens = append(last.tokens, pending...)
		pending = nil
	}
	return groups
}

// endsWithin reports whether bytes end with a part of a character.
func endsWithin(raw []byte) bool {
	for n := 1; n <= min(utf8.UTFMax, len(raw)); n++ {
		if tail := raw[len(raw)-n:]; utf8.RuneStart(tail[0]) {
			return !utf8.FullRune(tail)
		}
	}
	return false
}

// beginsWord reports whether a text begins a new word after another.
func beginsWord(text, before string) bool {
	first, last := []rune(text)[0], []rune(before)[len([]rune(before))-1]
	return unicode.IsSpace(first) || isUnspaced(first) && !unicode.IsPunct(first) || isUnspaced(last) && unicode.IsLetter(first)
}

// isUnspaced reports whether a character belongs to a script that has no spaces between
// words.
func isUnspaced(r rune) bool {
	return unicode.In(r, unicode.Han, unicode.Hiragana, unicode.Katakana, unicode.Thai, unicode.Lao, unicode.Myanmar, unicode.Khmer)
}
