package ngram

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
)

// maxLineBytes is the maximum length of a line.
const maxLineBytes = 1 << 16

// lines reads a text line by line.
type lines struct {
	reader *bufio.Reader
	number int
}

// next returns the next line without its end, valid until the next call. The error is io.EOF
// after the last one.
func (l *lines) next() ([]byte, error) {
	line, err := l.reader.ReadSlice('\n')
	l.number++
	switch {
	case errors.Is(err, bufio.ErrBufferFull) || len(line) > maxLineBytes:
		return nil, invalid("line %d must be at most %d bytes", l.number, maxLineBytes)
	case err != nil && (!errors.Is(err, io.EOF) || len(line) == 0):
		return nil, err
	}
	return bytes.TrimRight(line, "\r\n"), nil
}

// filled returns the next line that is not blank.
func (l *lines) filled() ([]byte, error) {
	for {
		line, err := l.next()
		if errors.Is(err, io.EOF) {
			return nil, invalid("it ends at line %d", l.number)
		}
		if err != nil || len(bytes.TrimSpace(line)) > 0 {
			return line, err
		}
	}
}

// wrong returns the error for the current line.
func (l *lines) wrong(format string, args ...any) error {
	return invalid("line %d: %s", l.number, fmt.Sprintf(format, args...))
}

// readARPAHead reads the numbers of n-grams.
func (f *File) readARPAHead() error {
	if _, err := f.arpaHead(&lines{reader: f.reader(0)}); err != nil {
		return err
	}
	// A line has at least a digit, a space and a letter for each word, and its end.
	return f.checkCounts(func(order uint64) uint64 { return 2*order + 2 })
}

// arpaHead reads the lines before the first n-gram and sets the counts.
func (f *File) arpaHead(l *lines) (*lines, error) {
	line, err := l.filled()
	for ; err == nil && line[0] == '#'; line, err = l.filled() {
	}
	if err != nil {
		return nil, err
	}
	if string(bytes.TrimSpace(line)) != `\data\` {
		return nil, l.wrong(`must be \data\, the begin of a file in ARPA format, or KenLM's binary head; got %.40q`, line)
	}
	f.counts = nil
	for {
		if line, err = l.next(); err != nil {
			return nil, invalid("line %d: %v", l.number, err)
		}
		text := strings.TrimSpace(string(line))
		if text == "" {
			return l, nil
		}
		order, count, ok := strings.Cut(strings.TrimSpace(strings.TrimPrefix(text, "ngram ")), "=")
		number, err := strconv.ParseUint(strings.TrimSpace(count), 10, 64)
		if !ok || err != nil || strings.TrimSpace(order) != strconv.Itoa(len(f.counts)+1) {
			return nil, l.wrong("must be ngram %d=NUMBER, got %.40q", len(f.counts)+1, text)
		}
		if f.counts = append(f.counts, number); len(f.counts) > MaxOrder {
			return nil, l.wrong("n-grams must have at most %d words", MaxOrder)
		}
	}
}

// loadARPA reads all n-grams.
func (f *File) loadARPA(ctx context.Context) (*Model, error) {
	l, err := f.arpaHead(&lines{reader: f.reader(0)})
	if err != nil {
		return nil, err
	}
	m := newModel(f.counts)
	for i, count := range f.counts {
		if err := m.readOrder(ctx, l, i+1, count); err != nil {
			return nil, err
		}
	}
	line, err := l.filled()
	if err == nil && string(bytes.TrimSpace(line)) != `\end\` {
		err = l.wrong(`must be \end\ after the last of %d %d-grams, got %.40q`, f.counts[len(f.counts)-1], len(f.counts), line)
	}
	if err != nil {
		return nil, err
	}
	m.finish()
	return m, nil
}

// ctxEvery is the number of n-grams between two looks at whether the load is cancelled.
const ctxEvery = 1 << 16

// readOrder reads the n-grams of one length.
func (m *Model) readOrder(ctx context.Context, l *lines, order int, count uint64) error {
	line, err := l.filled()
	if err != nil {
		return err
	}
	if want := fmt.Sprintf(`\%d-grams:`, order); string(bytes.TrimSpace(line)) != want {
		return l.wrong("must be %s, got %.40q", want, line)
	}
	for i := range count {
		if i%ctxEvery == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		if line, err = l.filled(); err != nil {
			return err
		}
		if err := m.readGram(l, line, order); err != nil {
			return err
		}
	}
	return nil
}

// readGram reads one n-gram: its log10 probability, its words and, if n-grams begin with it,
// its back-off weight.
func (m *Model) readGram(l *lines, line []byte, order int) error {
	fields := fieldsOf(line)
	if n := fields.count; n != order+1 && n != order+2 {
		return l.wrong("must have a number, %d words and at most one more number, got %.60q", order, line)
	}
	prob, err := number(fields.at[0])
	if err != nil || prob > 0 {
		return l.wrong("the probability must be a logarithm of at most 0, got %.40q", fields.at[0])
	}
	value := weights{prob: prob}
	if fields.count == order+2 {
		if value.backoff, err = number(fields.at[order+1]); err != nil {
			return l.wrong("the back-off weight must be a number, got %.40q", fields.at[order+1])
		}
	}
	if order == 1 {
		return m.addWord(l, fields.at[1], value)
	}
	key := uint64(0)
	for i := order; i > 0; i-- {
		word := fields.at[i]
		id := m.id(word)
		if id == unknown && !isUnknown(word) {
			return l.wrong("the word %.40q is not among the 1-grams", word)
		}
		if key = combine(key, id); i == order {
			key = uint64(id)
		}
	}
	if !m.grams[order-2].put(key, value) {
		return l.wrong("there are more %d-grams than the head says", order)
	}
	return nil
}

// addWord adds a word with its 1-gram.
func (m *Model) addWord(l *lines, word []byte, value weights) error {
	if isUnknown(word) {
		m.unigrams[unknown] = value
		return nil
	}
	hash := hashWord(word)
	if _, known := m.words.get(hash); known {
		return l.wrong("the word %.40q is there twice", word)
	}
	id := uint32(m.words.count + 1) //nolint:gosec // at most maxWords
	if !m.words.put(hash, id) {
		return l.wrong("there are more words than the head says")
	}
	m.unigrams[id] = value
	return nil
}

// isUnknown reports whether a word stands for all words that are not in the model.
func isUnknown(word []byte) bool { return string(word) == "<unk>" || string(word) == "<UNK>" }

// number reads a float as in ARPA files, where -inf is allowed.
func number(text []byte) (float32, error) {
	value, err := strconv.ParseFloat(string(text), 32)
	if errors.Is(err, strconv.ErrRange) && math.Abs(value) < 1 {
		err = nil // a number too small for 32 bits
	}
	if math.IsNaN(value) || math.IsInf(value, 1) {
		return 0, ErrFormat
	}
	return float32(value), err
}

// split has the fields of a line.
type split struct {
	at    [MaxOrder + 2][]byte
	count int // of all fields, those that are not kept included
}

// fieldsOf splits a line at spaces and tabs, the only spaces of ARPA files: a word may hold
// any other.
func fieldsOf(line []byte) (s split) {
	for start := 0; start < len(line); {
		if line[start] == ' ' || line[start] == '\t' || line[start] == '\r' {
			start++
			continue
		}
		end := start
		for end < len(line) && line[end] != ' ' && line[end] != '\t' && line[end] != '\r' {
			end++
		}
		if s.count < len(s.at) {
			s.at[s.count] = line[start:end]
		}
		s.count++
		start = end
	}
	return s
}
