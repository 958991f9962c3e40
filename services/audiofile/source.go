package audiofile

import (
	"bufio"
	"bytes"
	"errors"
	"io"

	"github.com/grym-synth/grym-synth/services"
)

// source is the file under a decoder. It remembers errors of the underlying reader,
// because decoders do not distinguish them from errors in the file.
type source struct {
	*bufio.Reader
	under *watchedReader
}

type watchedReader struct {
	r   io.Reader
	n   int64 // bytes that were read
	err error
}

func (w *watchedReader) Read(p []byte) (int, error) {
	n, err := w.r.Read(p)
	w.n += int64(n)
	if err != nil && !errors.Is(err, io.EOF) {
		w.err = err
	}
	return n, err
}

// openSource returns a source at the beginning of a file with a buffer of the given
// size, which also limits how far it can peek.
func openSource(f file, buffer int) (*source, error) {
	if _, err := f.r.Seek(0, io.SeekStart); err != nil {
		return nil, readFault(err)
	}
	under := &watchedReader{r: f.r}
	return &source{bufio.NewReaderSize(under, buffer), under}, nil
}

// offset returns the offset of the next byte.
func (s *source) offset() int64 { return s.under.n - int64(s.Buffered()) }

// skipTo passes over bytes, at least one, up to the next of the given value. It
// returns how many of them were not zero.
func (s *source) skipTo(next byte) (filled int64, err error) {
	for first := true; ; first = false {
		raw, err := s.Peek(1)
		if len(raw) == 0 {
			return filled, err
		}
		raw, _ = s.Peek(s.Buffered())
		from := 0
		if first {
			from = 1
		}
		n := bytes.IndexByte(raw[from:], next)
		found := n >= 0
		if n += from; !found {
			n = len(raw)
		}
		for _, b := range raw[:n] {
			if b != 0 {
				filled++
			}
		}
		if _, err := s.Discard(n); err != nil || found {
			return filled, err
		}
	}
}

// fault returns the fault for an error of a decoder that reads from s, at the given
// time in seconds.
func (s *source) fault(err error, seconds float64) error {
	var fault *services.Fault
	switch {
	case s.under.err != nil:
		return readFault(s.under.err)
	case errors.As(err, &fault):
		return err
	}
	damaged := services.Invalidf(field, "is damaged at %.2f s", seconds)
	damaged.Err = err
	return damaged
}

// isEnd reports whether an error means that the file has ended, as opposed to an error
// of its reader.
func (s *source) isEnd(err error) bool {
	return s.under.err == nil && (errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF))
}

// headerFault is fault for errors before any sound.
func (s *source) headerFault(err error, what string) error {
	var fault *services.Fault
	switch {
	case s.under.err != nil:
		return readFault(s.under.err)
	case errors.As(err, &fault):
		return err
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF):
		return services.Invalidf(field, "is cut short: it ends within the header of %s; upload the whole file", what)
	}
	damaged := services.Invalidf(field, "is %s with a header that cannot be read", what)
	damaged.Err = err
	return damaged
}

// unexpected converts io.EOF to io.ErrUnexpectedEOF.
func unexpected(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}
