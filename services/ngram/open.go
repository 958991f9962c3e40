package ngram

import (
	"bufio"
	"bytes"
	"context"
	"io"
)

// File is a model's file, of which the head has been read.
type File struct {
	source io.ReaderAt
	size   int64
	// counts are the numbers of n-grams by their length.
	counts []uint64
	// binary is the head of a file in KenLM's format, nil for ARPA.
	binary *binaryHead
}

// Open reads the head of a file. The error wraps ErrFormat if it is not that of a model.
func Open(source io.ReaderAt, size int64) (*File, error) {
	f := &File{source: source, size: size}
	start := make([]byte, len(binaryMagic))
	n, err := io.ReadFull(f.section(0), start)
	if err != nil && n == 0 && size > 0 {
		return nil, err
	}
	if bytes.HasPrefix(start, []byte(binaryName)) {
		err = f.readBinaryHead()
	} else {
		err = f.readARPAHead()
	}
	if err != nil {
		return nil, err
	}
	return f, nil
}

// section reads the file from an offset.
func (f *File) section(from int64) *io.SectionReader {
	return io.NewSectionReader(f.source, from, f.size-from)
}

// Bytes returns the memory that the model takes, and its maximum while it is loaded.
func (f *File) Bytes() (loaded, loading int64) {
	loaded = size(f.counts)
	if f.binary != nil {
		return loaded, loaded + f.binary.buffer()
	}
	return loaded, loaded
}

// Load reads the whole file. The error wraps ErrFormat if its content is not that of a model.
func (f *File) Load(ctx context.Context) (*Model, error) {
	if f.binary != nil {
		return f.loadBinary(ctx)
	}
	return f.loadARPA(ctx)
}

// readBuffer is the size of the pieces in which a file is read.
const readBuffer = 1 << 20

func (f *File) reader(from int64) *bufio.Reader {
	return bufio.NewReaderSize(f.section(from), readBuffer)
}

// checkCounts checks the numbers of n-grams. least is the size of the shortest n-gram of a
// length in the file.
func (f *File) checkCounts(least func(order uint64) uint64) error {
	if n := len(f.counts); n < 2 || n > MaxOrder {
		return invalid("its n-grams must have from 2 to %d words, got %d", MaxOrder, n)
	}
	if f.counts[0] > maxWords {
		return invalid("it must have at most %d words, got %d", maxWords, f.counts[0])
	}
	needed := uint64(0)
	for i, count := range f.counts {
		if count > maxGrams {
			return invalid("it must have at most %d %d-grams, got %d", uint64(maxGrams), i+1, count)
		}
		needed += count * least(uint64(i+1))
	}
	if needed > uint64(f.size) { //nolint:gosec // a size is not negative
		return invalid("its head says that there are n-grams of at least %d bytes, but the file has %d", needed, f.size)
	}
	return nil
}
