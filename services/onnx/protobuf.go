package onnx

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"google.golang.org/protobuf/encoding/protowire"
)

var errMalformed = errors.New("malformed protocol buffer")

// message is a protocol buffer message, or one field of it, inside a file. It reads
// only what is requested and skips the rest, so that a model of gigabytes costs a few
// reads. protowire reads the numbers; it has no reader of a file.
type message struct {
	file     *window
	pos, end int64
	// varint is the value of a field of that wire type.
	varint uint64
}

func newMessage(r io.ReaderAt, size int64) *message {
	return &message{file: &window{r: r}, end: size}
}

// each calls visit for every field of the message, in order. A field of wire type bytes
// is passed as a message over its content.
func (m *message) each(visit func(field int, m *message) error) error {
	for pos := m.pos; pos < m.end; {
		if m.file.fields++; m.file.fields > maxFields {
			return fmt.Errorf("%w: it must have at most %d fields, got more", errMalformed, maxFields)
		}
		key, next, err := m.file.uvarint(pos, m.end)
		if err != nil {
			return err
		}
		field := message{file: m.file, pos: next, end: next}
		number, kind := protowire.DecodeTag(key)
		if number < protowire.MinValidNumber {
			return fmt.Errorf("%w: no field's number at byte %d", errMalformed, pos)
		}
		switch kind {
		case protowire.VarintType:
			field.varint, next, err = m.file.uvarint(next, m.end)
		case protowire.Fixed64Type:
			next += 8
		case protowire.Fixed32Type:
			next += 4
		case protowire.BytesType:
			var length uint64
			length, next, err = m.file.uvarint(next, m.end)
			if err == nil && length > uint64(m.end-next) {
				err = fmt.Errorf("%w: a field of %d bytes ends beyond the file, which is cut short or not a model", errMalformed, length)
			}
			field.pos, field.end = next, next+int64(length)
			next = field.end
		default:
			err = fmt.Errorf("%w: wire type %d at byte %d", errMalformed, kind, pos)
		}
		if err == nil && next > m.end {
			err = fmt.Errorf("%w: a field ends beyond its message", errMalformed)
		}
		if err != nil {
			return err
		}
		if err := visit(int(number), &field); err != nil {
			return err
		}
		pos = next
	}
	return nil
}

// text returns the content of a string field.
func (m *message) text() (string, error) {
	length := m.end - m.pos
	if length > maxNameBytes {
		return "", fmt.Errorf("%w: a name must be at most %d bytes, got %d", errMalformed, maxNameBytes, length)
	}
	if m.file.names += length; m.file.names > maxNamesBytes {
		return "", fmt.Errorf("%w: its names must be at most %d bytes, got more", errMalformed, maxNamesBytes)
	}
	name := make([]byte, m.end-m.pos)
	if _, err := m.file.r.ReadAt(name, m.pos); err != nil && !errors.Is(err, io.EOF) {
		return "", err
	}
	return string(name), nil
}

// window is a buffered view of a file.
type window struct {
	r     io.ReaderAt
	buf   [4096]byte
	start int64
	n     int
	// fields and names are the number of fields and the bytes of names read so far.
	fields int
	names  int64
}

// uvarint reads an unsigned varint, which must end before end, and returns the position
// after it.
func (w *window) uvarint(pos, end int64) (value uint64, next int64, err error) {
	b, err := w.ahead(pos, min(end, pos+binary.MaxVarintLen64))
	if err != nil {
		return 0, 0, err
	}
	value, n := protowire.ConsumeVarint(b)
	if n < 0 {
		return 0, 0, fmt.Errorf("%w: %w in the number at byte %d", errMalformed, protowire.ParseError(n), pos)
	}
	return value, pos + int64(n), nil
}

// ahead returns the bytes from pos to end, fewer where the file ends before.
func (w *window) ahead(pos, end int64) ([]byte, error) {
	if pos < w.start || end > w.start+int64(w.n) {
		n, err := w.r.ReadAt(w.buf[:], pos)
		if n == 0 && pos < end {
			return nil, fmt.Errorf("read at byte %d: %w", pos, err)
		}
		w.start, w.n = pos, n
	}
	return w.buf[pos-w.start : min(end-w.start, int64(w.n))], nil
}
