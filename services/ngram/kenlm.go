package ngram

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"math"
)

// The begin of a file in KenLM's binary format, version 5. It is followed by values that show
// the byte order, and by the parameters.
const (
	binaryName  = "mmap lm http://kheafield.com/code"
	binaryMagic = binaryName + " format version 5\n\x00"
	sanityBytes = 88
	fixedBytes  = 20
)

// Kinds of binary files: values of model_type in their head.
const (
	kindProbing        = 0
	kindRestProbing    = 1
	kindTrie           = 2
	kindQuantTrie      = 3
	kindArrayTrie      = 4
	kindQuantArrayTrie = 5
)

// kinds are their names.
var kinds = []string{"probing", "rest probing", "trie", "quantized trie", "array trie", "quantized array trie"}

// useARPA ends the errors about files that cannot be read.
const useARPA = "put the ARPA file that it was built from in its place"

// binaryHead is the head of a file in KenLM's format.
type binaryHead struct {
	kind       uint32
	multiplier float32
	// start is the offset of what follows the head: the vocabulary, then the n-grams.
	start int64
	trie  *trieLayout // nil for probing
}

// buffer returns the memory that the file takes while it is converted.
func (h *binaryHead) buffer() int64 {
	if h.trie == nil {
		return readBuffer
	}
	return h.trie.end
}

// sanity returns the values that follow the magic, as a machine with 64 bits and the lowest
// byte first writes them.
func sanity() []byte {
	head := make([]byte, 56, sanityBytes)
	copy(head, binaryMagic)
	for _, value := range []float32{0, 1, -0.5} {
		head = binary.LittleEndian.AppendUint32(head, math.Float32bits(value))
	}
	for _, value := range []uint32{1, math.MaxUint32, 0} {
		head = binary.LittleEndian.AppendUint32(head, value)
	}
	return binary.LittleEndian.AppendUint64(head, 1)
}

// readBinaryHead reads the head and checks it against the size of the file.
func (f *File) readBinaryHead() error {
	head := make([]byte, sanityBytes+fixedBytes+8*MaxOrder)
	n, err := io.ReadFull(f.section(0), head)
	if err != nil && n < sanityBytes+fixedBytes {
		return invalid("its head ends at byte %d", n)
	}
	if !bytes.Equal(head[:sanityBytes], sanity()) {
		return invalid("it has another version of KenLM's binary format or another byte order; %s", useARPA)
	}
	fixed := head[sanityBytes:]
	order := int(fixed[0])
	h := &binaryHead{
		multiplier: math.Float32frombits(binary.LittleEndian.Uint32(fixed[4:])),
		kind:       binary.LittleEndian.Uint32(fixed[8:]),
		start:      align8(int64(sanityBytes + fixedBytes + 8*order)),
	}
	if order < 2 || order > MaxOrder || n < sanityBytes+fixedBytes+8*order {
		return invalid("its n-grams must have from 2 to %d words, got %d", MaxOrder, order)
	}
	for i := range order {
		f.counts = append(f.counts, binary.LittleEndian.Uint64(fixed[fixedBytes+8*i:]))
	}
	if !(h.multiplier >= 1 && h.multiplier <= 100) {
		return invalid("its probing multiplier must be from 1 to 100, got %v", h.multiplier)
	}
	// The size of the longer n-grams is that of the layout.
	if err := f.checkCounts(func(order uint64) uint64 { return 8 / order / order }); err != nil {
		return err
	}
	f.binary = h
	return f.layOut(binary.LittleEndian.Uint32(fixed[16:]))
}

func align8(n int64) int64 { return (n + 7) / 8 * 8 }

// layOut checks the kind of the file and the size of its parts.
func (f *File) layOut(version uint32) error {
	switch h := f.binary; h.kind {
	case kindProbing:
		if version != 0 {
			return invalid("it has version %d of probing tables, of which 0 can be read; %s", version, useARPA)
		}
		end := h.start + 8 + 12*f.probingBuckets(0) + 8*(int64(f.counts[0])+1) //nolint:gosec // at most maxWords
		for i := 1; i < len(f.counts); i++ {
			end += f.probingBuckets(i) * int64(f.probingEntry(i))
		}
		return f.holds(end)
	case kindTrie, kindQuantTrie, kindArrayTrie, kindQuantArrayTrie:
		if version != 1 {
			return invalid("it has version %d of a trie, of which 1 can be read; %s", version, useARPA)
		}
		layout, err := f.layOutTrie()
		if err != nil {
			return err
		}
		h.trie = layout
		return f.holds(layout.end)
	case kindRestProbing:
		return invalid("it has rest costs, which are not supported; %s", useARPA)
	default:
		return invalid("it is of the unknown kind %d of KenLM's binary format; %s", h.kind, useARPA)
	}
}

// holds returns an error if the file is shorter than its head says.
func (f *File) holds(end int64) error {
	if end > f.size {
		return invalid("its head says that it has at least %d bytes, but it has %d", end, f.size)
	}
	return nil
}

// loadBinary reads the vocabulary and the n-grams.
func (f *File) loadBinary(ctx context.Context) (*Model, error) {
	m := newModel(f.counts)
	var err error
	if f.binary.trie != nil {
		err = f.loadTrie(ctx, m)
	} else {
		err = f.loadProbing(ctx, m)
	}
	if err != nil {
		return nil, err
	}
	m.finish()
	return m, nil
}

// probingBuckets returns the size of a hash table of KenLM, that of the words for 0. The
// product is one of 32 bits there, too.
func (f *File) probingBuckets(i int) int64 {
	count := f.counts[i]
	return int64(max(count+1, uint64(f.binary.multiplier*float32(count)))) //nolint:gosec // at most 100*maxGrams
}

// probingEntry returns the size of an entry of the n-grams of an order, counted from 0: key,
// probability and, except for the longest, back-off weight.
func (f *File) probingEntry(i int) int {
	if i == len(f.counts)-1 {
		return 12
	}
	return 16
}

// loadProbing reads hash tables, whose keys are those of Model.
func (f *File) loadProbing(ctx context.Context, m *Model) error {
	r := f.reader(f.binary.start)
	var head [8]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return fmt.Errorf("the vocabulary: %w", err)
	}
	if version := binary.LittleEndian.Uint32(head[:]); version != 0 {
		return invalid("it has version %d of the vocabulary, of which 0 can be read; %s", version, useARPA)
	}
	err := entries(ctx, r, f.probingBuckets(0), 12, func(entry []byte) error {
		key, id := binary.LittleEndian.Uint64(entry), binary.LittleEndian.Uint32(entry[8:])
		switch {
		case key == 0:
			return nil
		case id == unknown || uint64(id) > f.counts[0]:
			return invalid("a word has the id %d of at most %d", id, f.counts[0])
		case !m.words.put(key, id):
			return invalid("there are more words than the head says")
		}
		return nil
	})
	if err != nil {
		return err
	}
	id := 0
	err = entries(ctx, r, int64(f.counts[0])+1, 8, func(entry []byte) error { //nolint:gosec // at most maxWords
		m.unigrams[id] = weightsOf(entry)
		id++
		return nil
	})
	for i := 1; i < len(f.counts) && err == nil; i++ {
		width := f.probingEntry(i)
		err = entries(ctx, r, f.probingBuckets(i), width, func(entry []byte) error {
			key := binary.LittleEndian.Uint64(entry)
			if key != 0 && !m.grams[i-1].put(key, weightsOf(entry[8:])) {
				return invalid("there are more %d-grams than the head says", i+1)
			}
			return nil
		})
	}
	return err
}

// weightsOf reads a probability and, if there is one, a back-off weight. The sign of the former
// says whether longer n-grams end with this one; it is a logarithm of at most 0.
func weightsOf(entry []byte) weights {
	w := weights{prob: math.Float32frombits(binary.LittleEndian.Uint32(entry) | 1<<31)}
	if len(entry) >= 8 {
		w.backoff = math.Float32frombits(binary.LittleEndian.Uint32(entry[4:]))
	}
	return w
}

// entries calls take for each of so many entries of a width.
func entries(ctx context.Context, r io.Reader, count int64, width int, take func(entry []byte) error) error {
	entry := make([]byte, width)
	for i := range count {
		if i%ctxEvery == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		if _, err := io.ReadFull(r, entry); err != nil {
			return invalid("entry %d of %d: %v", i, count, err)
		}
		if err := take(entry); err != nil {
			return err
		}
	}
	return nil
}

// Kind returns the format of the file, for people.
func (f *File) Kind() string {
	if f.binary == nil {
		return "ARPA"
	}
	return "KenLM " + kinds[f.binary.kind]
}
