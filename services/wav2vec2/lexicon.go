package wav2vec2

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// lexicon is a set of words, searched as a prefix tree. It is a sorted list: a node is
// the range of words with the same prefix, and a child is a narrower range, found by
// binary search. It takes no more memory than the words.
type lexicon struct {
	words []string
	// exact is set if words in another case are other words.
	exact bool
}

// node is a node of a lexicon: the words from low to high share their first depth
// bytes. Searches start at lexicon.root.
type node struct {
	low, high, depth int
}

// newLexicon folds the words' case, so that a list in lower case works with a model
// that spells in capitals.
func newLexicon(words []string) *lexicon { return makeLexicon(words, false) }

func makeLexicon(words []string, exact bool) *lexicon {
	l := &lexicon{words: make([]string, 0, len(words)), exact: exact}
	for _, word := range words {
		if word = l.key(word); word != "" {
			l.words = append(l.words, word)
		}
	}
	slices.Sort(l.words)
	l.words = slices.Compact(l.words)
	return l
}

// key returns a word, or letters of one, as they are in the lexicon.
func (l *lexicon) key(word string) string {
	if l.exact {
		return word
	}
	return fold(word)
}

// fold returns a word in a case that allows comparison.
func fold(text string) string { return strings.ToUpper(text) }

func (l *lexicon) root() node { return node{0, len(l.words), 0} }

// alive reports whether any word has the node's prefix.
func (n node) alive() bool { return n.low < n.high }

// walk returns the node for the prefix extended by the key of some letters.
func (l *lexicon) walk(n node, letters string) node {
	for i := 0; i < len(letters) && n.alive(); i++ {
		words, at, letter := l.words[n.low:n.high], n.depth, letters[i]
		first, _ := slices.BinarySearchFunc(words, letter, func(word string, letter byte) int { return compareAt(word, at, letter) })
		after, _ := slices.BinarySearchFunc(words, letter, func(word string, letter byte) int {
			if compareAt(word, at, letter) <= 0 {
				return -1
			}
			return 1
		})
		n = node{n.low + first, n.low + after, at + 1}
	}
	return n
}

// compareAt compares words by the byte at one position. A word that ends before it
// comes first.
func compareAt(word string, at int, letter byte) int {
	if len(word) <= at {
		return -1
	}
	return int(word[at]) - int(letter)
}

// ends reports whether the node's prefix is itself a word.
func (l *lexicon) ends(n node) bool { return n.alive() && len(l.words[n.low]) == n.depth }

// has reports whether a word is in the lexicon, in any case unless that is exact; never if it is
// nil.
func (l *lexicon) has(word string) bool {
	if l == nil {
		return false
	}
	_, found := slices.BinarySearch(l.words, l.key(word))
	return found
}

// all returns the words; none if the lexicon is nil.
func (l *lexicon) all() []string {
	if l == nil {
		return nil
	}
	return l.words
}

// shortest returns the length of the shortest word below the node.
func (l *lexicon) shortest(n node) int {
	least := 0
	for _, word := range l.words[n.low:n.high] {
		if length := utf8.RuneCountInString(word); least == 0 || length < least {
			least = length
		}
	}
	return least
}

// hotWords returns the words of a prompt without surrounding punctuation.
func hotWords(prompt string) []string {
	words := strings.Fields(prompt)
	for i, word := range words {
		words[i] = strings.Trim(word, ".,;:!?\"()[]{}«»„“”‘…")
	}
	return words
}

// unknownLetter returns a function that reports whether a folded letter occurs in no
// token.
func unknownLetter(tokens []string) func(rune) bool {
	letters := make(map[rune]bool)
	for _, token := range tokens {
		for _, letter := range fold(token) {
			letters[letter] = true
		}
	}
	return func(letter rune) bool { return !letters[letter] }
}

// Limits of a word list.
const (
	maxWords     = 2_000_000
	maxLineBytes = 4096
)

// readWords reads a word list with one word at the start of each line; the rest of a
// line is ignored. Words with letters that the model cannot spell are skipped because
// no search could find them.
func readWords(text []byte, tokens []string) ([]string, error) {
	unspelled := unknownLetter(tokens)
	var words []string
	number := 0
	for line := range bytes.Lines(text) {
		number++
		if len(line) > maxLineBytes {
			return nil, fmt.Errorf("line %d must be at most %d bytes, got %d", number, maxLineBytes, len(line))
		}
		fields := strings.Fields(string(line))
		if len(fields) == 0 {
			continue
		}
		if len(words) == maxWords {
			return nil, fmt.Errorf("must have at most %d words, got more", maxWords)
		}
		if word := fold(fields[0]); strings.IndexFunc(word, unspelled) < 0 {
			words = append(words, word)
		}
	}
	return words, nil
}

// wordsFile is the optional word list of a model.
const wordsFile = "words.txt"
