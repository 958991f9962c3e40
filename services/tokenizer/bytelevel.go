package tokenizer

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/grym-synth/grym-synth/services/limits"
)

// ByteLevel is the byte-level BPE of GPT-2 and RoBERTa: text is split into words, each
// byte becomes a visible character, and neighbours are merged in the order in which the
// pairs were learnt. Every text can be encoded. Safe for concurrent use.
type ByteLevel struct {
	ids    map[string]int
	tokens map[int]string
	ranks  pairRanks
	// unknown is the id of tokens missing from the vocabulary; negative if there is
	// none.
	unknown int
}

// pair is a pair of adjacent tokens that can be merged.
type pair struct{ left, right string }

// alphabet maps each byte to the character that represents it: the byte itself if it is
// visible in Latin-1, otherwise a character from 256 upwards.
var alphabet, bytesOf = func() (alphabet [256]rune, bytesOf map[rune]byte) {
	bytesOf = make(map[rune]byte, 256)
	next := rune(256)
	for b := range 256 {
		r := rune(b)
		if visible := b >= '!' && b <= '~' || b >= 0xa1 && b <= 0xac || b >= 0xae; !visible {
			r = next
			next++
		}
		alphabet[b] = r
		bytesOf[r] = byte(b)
	}
	return alphabet, bytesOf
}()

// ErrFiles is wrapped by errors about invalid tokenizer files.
var ErrFiles = errors.New("tokenizer files do not fit")

// fileError is an error about one of the files. It wraps ErrFiles.
type fileError struct {
	file string
	err  error
}

func wrong(file string, err error) error { return &fileError{file, err} }

// Error returns the file's name and the reason.
func (e *fileError) Error() string { return e.file + ": " + e.err.Error() }

// Unwrap returns ErrFiles and the cause.
func (e *fileError) Unwrap() []error { return []error{ErrFiles, e.err} }

// NewByteLevel returns a tokenizer for the contents of vocab.json, which maps tokens to
// ids, and of merges.txt, which has one pair per line in order of rank. unknown is the
// token for characters missing from the vocabulary; empty for none.
func NewByteLevel(vocab, merges []byte, unknown string) (*ByteLevel, error) {
	t := &ByteLevel{ids: make(map[string]int), tokens: make(map[int]string), ranks: make(pairRanks), unknown: -1}
	if err := limits.Decode(vocab, &t.ids, limits.Index); err != nil {
		return nil, wrong("vocab.json", err)
	}
	for token, id := range t.ids {
		if err := checkToken(token, id); err != nil {
			return nil, wrong("vocab.json", err)
		}
		t.tokens[id] = token
	}
	if err := t.readMerges(merges); err != nil {
		return nil, wrong("merges.txt", err)
	}
	if id, ok := t.ids[unknown]; ok {
		t.unknown = id
	}
	return t, nil
}

func (t *ByteLevel) readMerges(merges []byte) error {
	i := 0
	for text := range bytes.Lines(merges) {
		i++
		if len(text) > 2*limits.TokenBytes {
			return fmt.Errorf("line %d must be at most %d bytes, got %d", i, 2*limits.TokenBytes, len(text))
		}
		line := strings.TrimSuffix(strings.TrimSuffix(string(text), "\n"), "\r")
		if line == "" || i == 1 && strings.HasPrefix(line, "#version") {
			continue
		}
		left, right, ok := strings.Cut(line, " ")
		if !ok || left == "" || right == "" || strings.Contains(right, " ") {
			return fmt.Errorf("line %d must hold two tokens, got %s", i, limits.Quote(line))
		}
		if _, ok := t.ranks[pair{left, right}]; ok {
			continue
		}
		if len(t.ranks) == maxMerges {
			return fmt.Errorf("must hold at most %d merges, got more", maxMerges)
		}
		t.ranks[pair{left, right}] = len(t.ranks)
	}
	return nil
}

// ID returns the id of a token, written as in vocab.json.
func (t *ByteLevel) ID(token string) (int, bool) {
	id, ok := t.ids[token]
	return id, ok
}

// Encode returns the ids of a text without special tokens.
func (t *ByteLevel) Encode(text string) []int {
	var ids []int
	for _, word := range split(text) {
		var spelled strings.Builder
		for i := range len(word) {
			spelled.WriteRune(alphabet[word[i]])
		}
		for _, token := range merge(spelled.String(), t.ranks) {
			if id, ok := t.ids[token]; ok {
				ids = append(ids, id)
			} else if t.unknown >= 0 {
				ids = append(ids, t.unknown)
			}
		}
	}
	return ids
}

// Decode returns the text of tokens. Special tokens are written as in the vocabulary,
// and unknown ids are dropped. Bytes that are not valid UTF-8 become U+FFFD.
func (t *ByteLevel) Decode(ids []int) string {
	var raw []byte
	for _, id := range ids {
		raw = append(raw, t.Bytes(id)...)
	}
	return strings.ToValidUTF8(string(raw), "\uFFFD")
}

// Bytes implements Text.
func (t *ByteLevel) Bytes(id int) []byte {
	var raw []byte
	for _, r := range t.tokens[id] {
		if b, ok := bytesOf[r]; ok {
			raw = append(raw, b)
		} else {
			raw = utf8.AppendRune(raw, r)
		}
	}
	return raw
}
