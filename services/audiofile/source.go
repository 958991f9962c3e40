package audiofile

import (
	"bufio"
	"bytes"
	"errors"
	"io"

	"github.com/grym-synth/grym-synth/services"
)

// source is the file under a decoder. It remembers an error that is the
// file's reader's and not the file's, because decoders mix the two.
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

// openSource reads a file from its beginning, so many bytes at a time. That is
// also how far it can be looked ahead.
func openSource(f file, buffer int) (*source, error) {
	if _, err := f.r.Seek(0, io.SeekStart); err != nil {
		return nil, readFault(err)
	}
	under := &watchedReader{r: f.r}
	return &source{bufio.NewReaderSize(under, buffer), under}, nil
}

// offset is the place in the file of the next byte.
func (s *source) offset() int64 { return s.under.n - int64(s.Buffered()) }

// skipTo passes over bytes, at least one, up to the next of the given value. It
// returns how many it passed over and how many of them were not zero.
func (s *source) skipTo(next byte) (passed, filled int64, err error) {
	for first := true; ; first = false {
		raw, err := s.Peek(1)
		if len(raw) == 0 {
			return passed, filled, err
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
		passed += int64(n)
		if _, err := s.Discard(n); err != nil || found {
			return passed, filled, err
		}
	}
}

// fault explains an error of a decoder that reads from s, at so many seconds
// into the sound.
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

// isEnd reports whether an error is that the file ends, and no error of its
// reader.
func (s *source) isEnd(err error) bool {
	return s.under.err == nil && (errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF))
}

// headerFault is fault before there is any sound.
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

// unexpected makes an end of the file one in the middle.
func unexpected(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}
