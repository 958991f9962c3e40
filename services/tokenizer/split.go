package tokenizer

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// contractions are split off the word before them.
var contractions = []string{"'s", "'t", "'re", "'ve", "'m", "'ll", "'d"}

// split cuts text into pre-tokens by GPT-2's rule, which is, as a pattern,
//
//	's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+
//
// It is written by hand because Go's regular expressions have no lookahead. The
// pieces joined are the text; bytes that are not UTF-8 count as other characters.
func split(text string) []string {
	var pieces []string
	for text != "" {
		n := piece(text)
		pieces = append(pieces, text[:n])
		text = text[n:]
	}
	return pieces
}

// piece gives the length in bytes of the first pre-token.
func piece(text string) int {
	for _, c := range contractions {
		if strings.HasPrefix(text, c) {
			return len(c)
		}
	}
	lead := 0
	if text[0] == ' ' {
		lead = 1
	}
	if lead < len(text) {
		r, _ := utf8.DecodeRuneInString(text[lead:])
		if class := classOf(r); class != space {
			return lead + run(text[lead:], class)
		}
	}
	n := run(text, space)
	if n == len(text) {
		return n
	}
	// A run of spaces before a word leaves its last one to the word.
	_, last := utf8.DecodeLastRuneInString(text[:n])
	if n > last {
		return n - last
	}
	return n
}

// class of a character.
type class int

const (
	letter class = iota
	number
	space
	other
)

func classOf(r rune) class {
	switch {
	case unicode.IsLetter(r):
		return letter
	case unicode.IsNumber(r):
		return number
	case isSpace(r):
		return space
	default:
		return other
	}
}

// isSpace is \s of the pattern: Unicode's White_Space, as in the tokenizers that
// checkpoints are trained with. JavaScript's differs in U+0085 and U+FEFF.
func isSpace(r rune) bool { return unicode.Is(unicode.White_Space, r) }

// run gives the length in bytes of the characters of one class that text begins with.
func run(text string, want class) int {
	for i, r := range text {
		if classOf(r) != want {
			return i
		}
	}
	return len(text)
}
