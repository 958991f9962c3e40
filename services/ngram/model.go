package ngram

import (
	"errors"
	"fmt"
)

// Limits of a model.
const (
	// MaxOrder is the length of the longest n-grams. KenLM is compiled for 6 by default.
	MaxOrder = 8
	// maxWords is the maximum size of the vocabulary, and maxGrams that of each order.
	maxWords = 1 << 28
	maxGrams = 1 << 36
)

// ErrFormat is wrapped by errors about the content of a file.
var ErrFormat = errors.New("not a usable language model")

func invalid(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrFormat, fmt.Sprintf(format, args...))
}

// unknownLogProb is the log10 probability of an unknown word in a model without <unk>, as in
// KenLM.
const unknownLogProb = -100

// unknown is the id of <unk>, which stands for every word that the model does not have.
const unknown uint32 = 0

// weights are those of an n-gram, as log10.
type weights struct {
	prob, backoff float32
}

// Model is an n-gram model with back-off (Katz, "Estimation of Probabilities from Sparse
// Data for the Language Model Component of a Speech Recognizer", 1987). Safe for concurrent
// use.
type Model struct {
	order int
	// words has the ids of the words by their hashes; <unk> is not among them.
	words    *table[uint32]
	unigrams []weights
	// grams has the n-grams of each order from 2. The key of one begins with its last word.
	grams      []*table[weights]
	begin, end uint32
}

// State is the context of the next word: the words before it, the last one first, and their
// back-off weights.
type State struct {
	count   uint8
	words   [MaxOrder - 1]uint32
	backoff [MaxOrder - 1]float32
}

// newModel returns a model without n-grams, for the given numbers of them.
func newModel(counts []uint64) *Model {
	m := &Model{order: len(counts), words: newTable[uint32](counts[0]), unigrams: make([]weights, counts[0]+1)}
	for _, count := range counts[1:] {
		m.grams = append(m.grams, newTable[weights](count))
	}
	m.unigrams[unknown].prob = unknownLogProb
	return m
}

// size returns the memory of a model with the given numbers of n-grams.
func size(counts []uint64) int64 {
	bytes := int64(12*buckets(counts[0]) + 8*(counts[0]+1))
	for _, count := range counts[1:] {
		bytes += int64(16 * buckets(count))
	}
	return bytes
}

// finish sets what follows from the words.
func (m *Model) finish() {
	m.begin, m.end = m.id([]byte("<s>")), m.id([]byte("</s>"))
}

// id returns the id of a word.
func (m *Model) id(word []byte) uint32 {
	id, _ := m.words.get(hashWord(word))
	return id
}

// Order returns the length of the longest n-grams.
func (m *Model) Order() int { return m.order }

// Has reports whether the model has a word.
func (m *Model) Has(word string) bool { return m.id([]byte(word)) != unknown }

// Begin returns the context at the beginning of a sentence.
func (m *Model) Begin() State {
	s := State{count: 1}
	s.words[0], s.backoff[0] = m.begin, m.unigrams[m.begin].backoff
	return s
}

// Empty returns the context without any words.
func (m *Model) Empty() State { return State{} }

// Score returns the log10 probability of a word after a context, and the context of the next
// word.
func (m *Model) Score(from State, word string) (float32, State) {
	return m.score(from, m.id([]byte(word)))
}

// End returns the log10 probability that a sentence ends after a context.
func (m *Model) End(from State) float32 {
	score, _ := m.score(from, m.end)
	return score
}

// score looks up the longest n-gram of the model that ends with the word, and adds the back-off
// weights of the contexts that are longer than that.
func (m *Model) score(from State, id uint32) (float32, State) {
	next := State{count: uint8(min(int(from.count)+1, m.order-1))} //nolint:gosec // at most MaxOrder
	one := m.unigrams[id]
	if next.count > 0 {
		next.words[0], next.backoff[0] = id, one.backoff
	}
	prob, matched, key := one.prob, 0, uint64(id)
	for i := range int(from.count) {
		key = combine(key, from.words[i])
		gram, found := m.grams[i].get(key)
		if found {
			prob, matched = gram.prob, i+1
		}
		if i+1 < m.order-1 {
			next.words[i+1], next.backoff[i+1] = from.words[i], gram.backoff
		}
	}
	for i := matched; i < int(from.count); i++ {
		prob += from.backoff[i]
	}
	return prob, next
}
