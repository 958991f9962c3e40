package ngram

import (
	"context"
	"encoding/binary"
	"fmt"
	"math"
	"math/bits"
	"sort"
)

// trieLayout has the places of a trie's parts. A trie has reversed n-grams: the last word is at
// the root. Entries of an order are bit-packed: the word, its weights, and where the entries
// below it begin in the next order.
type trieLayout struct {
	vocabulary, unigrams, end int64
	// levels are the orders from 2.
	levels []trieLevel
}

// trieLevel is one order of a trie.
type trieLevel struct {
	count uint64
	// base is where the packed entries are, of total bits each.
	base               int64
	word, values, next uint
	total              uint
	probs, backoffs    []float32 // of a quantised trie
	probBits, backBits uint
	longest            bool
	offsets            int64 // of an array trie: where the high parts of next change
	offsetsN           uint64
}

// trieFlags are the parameters that a trie's own parts have.
type trieFlags struct {
	quantised, array              bool
	probBits, backBits, arrayMost uint
}

// layOutTrie returns where the parts of a trie are.
func (f *File) layOutTrie() (*trieLayout, error) {
	h, order := f.binary, len(f.counts)
	flags := trieFlags{
		quantised: h.kind == kindQuantTrie || h.kind == kindQuantArrayTrie,
		array:     h.kind == kindArrayTrie || h.kind == kindQuantArrayTrie,
	}
	words := int64(f.counts[0]) //nolint:gosec // at most maxWords
	l := &trieLayout{vocabulary: h.start}
	at := h.start + 8 + 8*words
	quantised := at
	if flags.quantised {
		var head [3]byte
		if err := f.peek(head[:], at); err != nil {
			return nil, err
		}
		flags.probBits, flags.backBits = uint(head[1]), uint(head[2])
		if head[0] != 2 || flags.probBits < 1 || flags.probBits > 25 || flags.backBits < 1 || flags.backBits > 25 {
			return nil, invalid("it has version %d of quantisation with %d and %d bits; %s", head[0], head[1], head[2], useARPA)
		}
		at += 8 + int64(order-2)*(4<<flags.probBits+4<<flags.backBits) + 4<<flags.probBits
	}
	l.unigrams = at
	at += 16 * (words + 2)
	if flags.array && order > 2 {
		var head [2]byte
		if err := f.peek(head[:], at); err != nil {
			return nil, err
		}
		if flags.arrayMost = uint(head[1]); head[0] != 0 || flags.arrayMost > 64 {
			return nil, invalid("it has version %d of compressed pointers with %d bits; %s", head[0], head[1], useARPA)
		}
	}
	for i := 1; i < order; i++ {
		level := trieLevel{count: f.counts[i], longest: i == order-1, word: uint(bits.Len64(f.counts[0]))} //nolint:gosec // below 64
		level.size(flags)
		if !level.longest {
			at = level.place(at, f.counts[i+1], flags)
		}
		level.base, level.total = at, level.word+level.values+level.next
		at += (int64(1+level.count)*int64(level.total)+7)/8 + 8 //nolint:gosec // at most maxGrams
		l.levels = append(l.levels, level)
	}
	l.end = at
	if flags.quantised && at <= f.size {
		if err := f.readBins(l, quantised+8); err != nil {
			return nil, err
		}
	}
	return l, nil
}

// size sets the bits of an entry's weights.
func (t *trieLevel) size(flags trieFlags) {
	switch {
	case flags.quantised:
		t.probBits, t.backBits = flags.probBits, flags.backBits
	default: // floats, of which the probability needs no sign
		t.probBits, t.backBits = 31, 32
	}
	if t.longest {
		t.backBits = 0
	}
	t.values = t.probBits + t.backBits
}

// place sets the bits of an entry's pointer to the next order, which has so many entries, and
// returns where the packed entries begin. An array trie stores the high bits of the pointers
// apart, as many as make the file smallest.
func (t *trieLevel) place(at int64, below uint64, flags trieFlags) int64 {
	required := uint(bits.Len64(below)) //nolint:gosec // at most 64
	t.next = required
	if !flags.array {
		return at
	}
	chop, lowest := uint(0), int64(math.MaxInt64)
	for c := uint(0); c <= min(required, flags.arrayMost); c++ {
		change := int64(below>>(required-c))*64 - int64(t.count+1)*int64(c) //nolint:gosec // at most maxGrams
		if change < lowest {
			chop, lowest = c, change
		}
	}
	t.next = required - chop
	t.offsetsN = below>>t.next + 1
	t.offsets = align8(at) + 8
	return at + 8*int64(1+t.offsetsN) + 7 //nolint:gosec // at most maxGrams
}

// peek reads a few bytes.
func (f *File) peek(into []byte, at int64) error {
	if _, err := f.source.ReadAt(into, at); err != nil {
		return invalid("it cannot be read at byte %d: %v", at, err)
	}
	return nil
}

// readBins reads the tables of the values that quantised weights stand for.
func (f *File) readBins(l *trieLayout, at int64) error {
	read := func(width uint) ([]float32, error) {
		data := make([]byte, 4<<width)
		if err := f.peek(data, at); err != nil {
			return nil, err
		}
		at += int64(len(data))
		values := make([]float32, 1<<width)
		for i := range values {
			values[i] = math.Float32frombits(binary.LittleEndian.Uint32(data[4*i:]))
		}
		return values, nil
	}
	var err error
	for i := range l.levels {
		level := &l.levels[i]
		if level.probs, err = read(level.probBits); err == nil && !level.longest {
			level.backoffs, err = read(level.backBits)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// trieWalk converts a trie to the tables of a model.
type trieWalk struct {
	ctx    context.Context
	model  *Model
	data   []byte // of the whole file up to the end of the trie
	layout *trieLayout
	seen   uint64 // entries that were converted
}

// loadTrie reads the vocabulary and walks through the trie.
func (f *File) loadTrie(ctx context.Context, m *Model) error {
	l := f.binary.trie
	w := &trieWalk{ctx: ctx, model: m, layout: l, data: make([]byte, l.end)}
	for at := int64(0); at < l.end; at += readBuffer {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if _, err := f.source.ReadAt(w.data[at:min(at+readBuffer, l.end)], at); err != nil {
			return fmt.Errorf("byte %d: %w", at, err)
		}
	}
	words := binary.LittleEndian.Uint64(w.data[l.vocabulary:])
	if words > f.counts[0] {
		return invalid("there are more words than the head says")
	}
	for i := range words {
		hash := binary.LittleEndian.Uint64(w.data[l.vocabulary+8+8*int64(i):]) //nolint:gosec // at most maxWords
		m.words.put(hash, uint32(i+1))                                         //nolint:gosec // at most maxWords
	}
	for id := range words + 1 {
		entry := w.data[l.unigrams+16*int64(id):] //nolint:gosec // at most maxWords
		m.unigrams[id] = weightsOf(entry[:8])
		if err := w.below(0, id, binary.LittleEndian.Uint64(entry[8:]), binary.LittleEndian.Uint64(entry[24:])); err != nil {
			return err
		}
	}
	return nil
}

// below converts the entries of a level from begin to end, all of which have the same last
// words with the key. Each begins where the one before it ends, so that no entry is converted
// twice, whatever the file says.
func (w *trieWalk) below(level int, key, begin, end uint64) error {
	t := &w.layout.levels[level]
	if begin > end || end > t.count {
		return invalid("the %d-grams from %d to %d are not among %d", level+2, begin, end, t.count)
	}
	for i := begin; i < end; i++ {
		if w.seen++; w.seen%ctxEvery == 0 && w.ctx.Err() != nil {
			return w.ctx.Err()
		}
		bit := i * uint64(t.total)
		word := uint32(w.bits(t, bit, t.word)) //nolint:gosec // at most 57 bits of an id
		own := combine(key, word)
		if !w.model.grams[level].put(own, w.weights(t, bit+uint64(t.word))) {
			return invalid("there are more %d-grams than the head says", level+2)
		}
		if t.longest {
			continue
		}
		if err := w.below(level+1, own, w.pointer(t, i), w.pointer(t, i+1)); err != nil {
			return err
		}
	}
	return nil
}

// bits returns up to 57 bits of a level's entries.
func (w *trieWalk) bits(t *trieLevel, from uint64, count uint) uint64 {
	at := t.base + int64(from/8) //nolint:gosec // within the file
	return binary.LittleEndian.Uint64(w.data[at:]) >> (from % 8) & (1<<count - 1)
}

// weights returns those of an entry. Where they are quantised, the back-off weight is first.
func (w *trieWalk) weights(t *trieLevel, bit uint64) (one weights) {
	if t.probs == nil {
		one.prob = math.Float32frombits(uint32(w.bits(t, bit, t.probBits)) | 1<<31) //nolint:gosec // 31 bits
		one.backoff = math.Float32frombits(uint32(w.bits(t, bit+uint64(t.probBits), t.backBits)))
		return one
	}
	one.prob = t.probs[w.bits(t, bit+uint64(t.backBits), t.probBits)]
	if !t.longest {
		one.backoff = t.backoffs[w.bits(t, bit, t.backBits)]
	}
	return one
}

// pointer returns where the entries below one begin in the next order.
func (w *trieWalk) pointer(t *trieLevel, i uint64) uint64 {
	low := w.bits(t, i*uint64(t.total)+uint64(t.word+t.values), t.next)
	if t.offsetsN == 0 {
		return low
	}
	// The high part is how many offsets after the first are at most i.
	high := sort.Search(int(t.offsetsN), func(n int) bool { //nolint:gosec // at most maxGrams
		return binary.LittleEndian.Uint64(w.data[t.offsets+8*int64(n):]) > i
	})
	return uint64(max(high, 1)-1)<<t.next | low //nolint:gosec // not negative
}
