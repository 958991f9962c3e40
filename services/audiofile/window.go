package audiofile

import (
	"encoding/binary"
	"io"
)

// window reads parts of a file through a buffer, mostly in ascending order.
type window struct {
	f    file
	room int    // least size of the buffer
	at   int64  // of the buffer in the file
	raw  []byte // what was read there
}

// tableBuffer is the size of the buffer for a table.
const tableBuffer = 4 << 10

// bytes returns n bytes at an offset, valid until the next call. It returns
// io.ErrUnexpectedEOF if the file ends before. The buffer never exceeds the file.
func (w *window) bytes(at int64, n int) ([]byte, error) {
	if at < 0 || n < 0 || at > w.f.size || int64(n) > w.f.size-at {
		return nil, io.ErrUnexpectedEOF
	}
	if at < w.at || at+int64(n) > w.at+int64(len(w.raw)) {
		size := int(min(int64(max(n, w.room)), w.f.size-at))
		if cap(w.raw) < size {
			w.raw = make([]byte, size)
		}
		got, err := peekAt(w.f.r, at, w.raw[:size])
		w.at, w.raw = at, w.raw[:got]
		if err != nil {
			return nil, err
		}
		if got < n {
			return nil, io.ErrUnexpectedEOF
		}
	}
	return w.raw[at-w.at:][:n], nil
}

// table is a list of entries of one size in a file.
type table struct {
	window
	from  int64
	entry int // bytes of an entry
	count int64
}

// newTable returns the table between two offsets of at most count entries.
func newTable(f file, from, to int64, entry int, count uint32) *table {
	return &table{
		window: window{f: f, room: tableBuffer}, from: from, entry: entry,
		count: min(int64(count), max(0, min(to, f.size)-from)/int64(entry)),
	}
}

// number returns the 32-bit number at an offset of an entry.
func (t *table) number(index int64, offset int) (uint32, error) {
	if index >= t.count {
		return 0, io.ErrUnexpectedEOF
	}
	raw, err := t.bytes(t.from+index*int64(t.entry)+int64(offset), 4)
	if err != nil {
		return 0, err
	}
	return binary.BigEndian.Uint32(raw), nil
}
