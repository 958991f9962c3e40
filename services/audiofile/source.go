package audiofile

import (
	"bufio"
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
	err error
}

func (w *watchedReader) Read(p []byte) (int, error) {
	n, err := w.r.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		w.err = err
	}
	return n, err
}

// openSource reads from a place in the file on.
func openSource(r io.ReadSeeker, at int64) (*source, error) {
	if _, err := r.Seek(at, io.SeekStart); err != nil {
		return nil, readFault(err)
	}
	under := &watchedReader{r: r}
	return &source{bufio.NewReaderSize(under, bufferBytes), under}, nil
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
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF):
		return services.Invalidf(field, "is cut short: it ends within the sound, after %.2f s; upload the whole file", seconds)
	}
	damaged := services.Invalidf(field, "is damaged at %.2f s", seconds)
	damaged.Err = err
	return damaged
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
