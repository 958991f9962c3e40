package audiofile

import (
	"bytes"
	"errors"
	"fmt"
	"io"
)

// file is the input of a decoder: the bytes of one file without the tags before and
// after its sound.
type file struct {
	r      io.ReadSeeker
	size   int64
	whole  int64 // size including the tags after the sound
	notes  *report
	tagged bool // a tag precedes the sound
	junk   bool // as do other bytes
}

// section is a part of a file as an io.ReadSeeker. Nothing else may use the underlying
// reader.
type section struct {
	r        io.ReadSeeker
	from, to int64
	at       int64 // from the beginning of the file
}

// part returns the bytes of f between two offsets.
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

// Seek implements io.Seeker, from the start or the current position.
func (s *section) Seek(offset int64, whence int) (int64, error) {
	if whence == io.SeekCurrent && s.at >= 0 {
		offset, whence = offset+s.at-s.from, io.SeekStart
	}
	if whence != io.SeekStart || offset < 0 {
		return 0, fmt.Errorf("seek to %d from %d: %w", offset, whence, errors.ErrUnsupported)
	}
	if _, err := s.r.Seek(s.from+offset, io.SeekStart); err != nil {
		return 0, err
	}
	s.at = s.from + offset
	return offset, nil
}

// contains reports whether one of the marks occurs in the file after an offset.
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
