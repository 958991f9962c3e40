package tokenizer

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// contractions are split from the preceding word.
var contractions = []string{"'s", "'t", "'re", "'ve", "'m", "'ll", "'d"}

// split divides text into pre-tokens by GPT-2's rule, which is, as a pattern,
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

// piece returns the length in bytes of the first pre-token.
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
	// The last of several spaces before a word belongs to the word.
	_, last := utf8.DecodeLastRuneInString(text[:n])
	if n > last {
		return n - last
	}
	return n
}

// class is a class of characters.
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

// isSpace reports whether r matches \s of the pattern, which is Unicode's White_Space,
// as in the tokenizers that checkpoints are trained with. JavaScript's \s differs in
// U+0085 and U+FEFF.
func isSpace(r rune) bool { return unicode.Is(unicode.White_Space, r) }

// run returns the length in bytes of the characters of one class at the start of text.
func run(text string, want class) int {
	for i, r := range text {
		if classOf(r) != want {
			return i
		}
	}
	return len(text)
}
