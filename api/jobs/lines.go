package jobs

import (
	"bufio"
	"bytes"
	"errors"
	"io"

	"github.com/grym-synth/grym-synth/services"
)

// maxLine bounds a line of JSON.
const maxLine = 1 << 20

// lineReader reads JSON lines: values that are separated by line feeds. Empty lines are
// skipped.
type lineReader struct {
	r *bufio.Reader
	// line is the number of the last line, from 1.
	line int
}

func newLineReader(r io.Reader) *lineReader { return &lineReader{r: bufio.NewReaderSize(r, 64<<10)} }

// next returns the next line that is not empty, without the space around it, or io.EOF. The
// error for a line that is too long is a fault, after which the next line can be read; an
// error of the reader is returned as it is.
func (l *lineReader) next() ([]byte, error) {
	for {
		var whole []byte
		long := false
		for {
			part, err := l.r.ReadSlice('\n')
			if len(whole) == 0 && len(part) > 0 {
				l.line++
			}
			if long = long || len(whole)+len(part) > maxLine; !long {
				whole = append(whole, part...)
			} else if len(whole) == 0 {
				whole = append(whole, part[:1]...) // the line has begun
			}
			if err == nil || errors.Is(err, io.EOF) && len(whole) > 0 {
				break
			}
			if !errors.Is(err, bufio.ErrBufferFull) {
				return nil, err
			}
		}
		if l.line == 1 {
			whole = bytes.TrimPrefix(whole, []byte("\ufeff"))
		}
		whole = bytes.Trim(whole, " \t\r\n")
		if long {
			return nil, services.Invalidf("", "has more than %d bytes", maxLine)
		}
		if len(whole) > 0 {
			return whole, nil
		}
	}
}
