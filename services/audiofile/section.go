package audiofile

import (
	"bytes"
	"errors"
	"fmt"
	"io"
)

// file is what a decoder is opened on: the bytes of one file without the tags
// before and behind its sound.
type file struct {
	r      io.ReadSeeker
	size   int64
	whole  int64 // size with the tags behind the sound
	notes  *report
	tagged bool // there was a tag before the sound
}

// section is a part of a file that reads as a file of its own. The reader
// under it is used by nothing else.
type section struct {
	r        io.ReadSeeker
	from, to int64
	at       int64 // from the beginning of the file
}

// part returns the bytes of f between two places.
func (f file) part(from, to int64) file {
	if under, ok := f.r.(*section); ok {
		f.r = &section{r: under.r, from: under.from + from, to: under.from + to, at: -1}
	} else {
		f.r = &section{r: f.r, from: from, to: to, at: -1}
	}
	f.size = to - from
	return f
}

// Read implements io.Reader.
func (s *section) Read(p []byte) (int, error) {
	if s.at < 0 {
		if _, err := s.Seek(0, io.SeekStart); err != nil {
			return 0, err
		}
	}
	if s.at >= s.to {
		return 0, io.EOF
	}
	n, err := s.r.Read(p[:min(int64(len(p)), s.to-s.at)])
	s.at += int64(n)
	return n, err
}

// Seek implements io.Seeker, from the start only.
func (s *section) Seek(offset int64, whence int) (int64, error) {
	if whence != io.SeekStart || offset < 0 {
		return 0, fmt.Errorf("seek to %d from %d: %w", offset, whence, errors.ErrUnsupported)
	}
	if _, err := s.r.Seek(s.from+offset, io.SeekStart); err != nil {
		return 0, err
	}
	s.at = s.from + offset
	return offset, nil
}

// contains reports whether one of the marks stands in the file from a place on.
func (f file) contains(from int64, marks ...[]byte) (bool, error) {
	overlap := 0
	for _, mark := range marks {
		overlap = max(overlap, len(mark)-1)
	}
	block := make([]byte, 8*bufferBytes)
	carried := 0
	for at := from; at < f.size; {
		n, err := peekAt(f.r, at, block[carried:])
		if err != nil {
			return false, err
		}
		if n == 0 {
			break
		}
		for _, mark := range marks {
			if bytes.Contains(block[:carried+n], mark) {
				return true, nil
			}
		}
		at += int64(n)
		carried = copy(block, block[max(0, carried+n-overlap):carried+n])
	}
	return false, nil
}
