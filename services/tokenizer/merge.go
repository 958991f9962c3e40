package tokenizer

import (
	"container/heap"
	"unicode/utf8"
)

// ranker returns the rank of two neighbours and their joined text, and reports whether
// they can be merged.
type ranker interface {
	rank(left, right, joined string) (int, bool)
}

// pairRanks has the rank of each learnt pair.
type pairRanks map[pair]int

func (r pairRanks) rank(left, right, _ string) (int, bool) {
	rank, ok := r[pair{left, right}]
	return rank, ok
}

// joinedRanks has the rank of each token that a merge can produce, whatever its halves.
type joinedRanks map[string]int

func (r joinedRanks) rank(_, _, joined string) (int, bool) {
	rank, ok := r[joined]
	return rank, ok
}

// merge joins the characters of a word, always the neighbours with the lowest rank, and
// among equals the leftmost, until no pair has a rank. The method is that of Sennrich
// et al., "Neural Machine Translation of Rare Words with Subword Units" (2016). With a
// heap, a word of n characters costs n log n.
func merge(word string, ranks ranker) []string {
	m := merger{word: word, ranks: ranks}
	for i, r := range word {
		m.symbols = append(m.symbols, symbol{
			text: word[i : i+utf8.RuneLen(r)], start: i, before: len(m.symbols) - 1,
			after: len(m.symbols) + 1,
		})
	}
	for i := range m.symbols {
		m.offer(i)
	}
	for m.candidates.Len() > 0 {
		c, _ := heap.Pop(&m.candidates).(candidate)
		m.join(c)
	}
	var tokens []string
	for i := 0; i < len(m.symbols); i = m.symbols[i].after {
		tokens = append(tokens, m.symbols[i].text)
	}
	return tokens
}

// merger is the state of merging one word: a linked list of symbols and the candidate
// pairs.
type merger struct {
	word       string
	ranks      ranker
	symbols    []symbol
	candidates candidates
}

// symbol is a sequence of characters. The list ends at -1 and at its length. A symbol
// that was joined to its predecessor has no text.
type symbol struct {
	text string
	// start is its position in the word.
	start         int
	before, after int
}

// candidate is a pair that had a rank when it was added.
type candidate struct {
	rank, at    int
	left, right string
}

// offer adds the pair that begins at a symbol if it has a rank.
func (m *merger) offer(at int) {
	if at < 0 || m.symbols[at].after >= len(m.symbols) {
		return
	}
	left, right := m.symbols[at].text, m.symbols[m.symbols[at].after].text
	start := m.symbols[at].start
	if rank, ok := m.ranks.rank(left, right, m.word[start:start+len(left)+len(right)]); ok {
		heap.Push(&m.candidates, candidate{rank, at, left, right})
	}
}

// join joins a pair unless one of its halves has changed since it was added.
func (m *merger) join(c candidate) {
	s := &m.symbols[c.at]
	if s.text != c.left || s.after >= len(m.symbols) || m.symbols[s.after].text != c.right {
		return
	}
	gone := &m.symbols[s.after]
	s.text += gone.text
	s.after = gone.after
	gone.text = ""
	if s.after < len(m.symbols) {
		m.symbols[s.after].before = c.at
	}
	m.offer(s.before)
	m.offer(c.at)
}

// candidates is a heap ordered by rank, then by position.
type candidates []candidate

func (c candidates) Len() int { return len(c) }
func (c candidates) Less(i, j int) bool {
	return c[i].rank < c[j].rank || c[i].rank == c[j].rank && c[i].at < c[j].at
}
func (c candidates) Swap(i, j int) { c[i], c[j] = c[j], c[i] }
func (c *candidates) Push(x any)   { *c = append(*c, x.(candidate)) } //nolint:forcetypeassert // only merge pushes
func (c *candidates) Pop() any {
	last := (*c)[len(*c)-1]
	*c = (*c)[:len(*c)-1]
	return last
}
