package audiofile

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
)

const (
	// oggHeaderBytes is the size of a page before its segment table.
	oggHeaderBytes = 27
	// maxOggPage is the maximum size of a page. oggBuffer holds one page and the
	// beginning of the next.
	maxOggPage = oggHeaderBytes + 255 + 255*255
	oggBuffer  = 2 * maxOggPage
	// maxOggDoubt is the maximum number of bytes whose checksum is computed for invalid
	// pages.
	maxOggDoubt = 32 << 20
)

// Flags of a page.
const (
	oggContinued = 1 << iota
	oggFirst
	oggLast
)

var oggMark = []byte("OggS\x00")

// oggPage is one page. The slices are valid until the next one is read.
type oggPage struct {
	flags    byte
	granule  int64
	serial   uint32
	segments []byte
	body     []byte
}

// isFirst reports whether the page begins a stream.
func (p *oggPage) isFirst() bool { return p.flags&oggFirst != 0 }

// codec returns the codec of a stream by its first page; empty if it is not sound.
func (p *oggPage) codec() string {
	for mark, name := range map[string]string{
		"OpusHead": "Opus", "\x01vorbis": "Vorbis", "\x7fFLAC": "FLAC", "Speex   ": "Speex", "fLaC": "FLAC",
	} {
		if bytes.HasPrefix(p.body, []byte(mark)) {
			return name
		}
	}
	return ""
}

// isDecoded reports whether a first page is of a stream that is decoded natively. An
// early mapping of FLAC is not.
func (p *oggPage) isDecoded() bool {
	switch p.codec() {
	case "Opus", "Vorbis":
		return true
	case "FLAC":
		return p.body[0] == 0x7f
	}
	return false
}

// oggPages reads the pages of a file and resynchronises after damage.
type oggPages struct {
	src   *source
	page  oggPage
	raw   []byte
	junk  int64  // bytes since the latest page that belong to no page, except zeros
	read  int64  // pages
	doubt int64  // bytes of pages with a wrong checksum
	next  string // the kind of file that begins instead of a page; empty if unknown
}

// advance reads the next page. It returns io.EOF after the last one, and
// io.ErrUnexpectedEOF if the file ends inside one.
func (p *oggPages) advance() error {
	p.junk = 0
	for {
		head, err := p.src.Peek(oggHeaderBytes)
		if len(head) == 0 {
			return err
		}
		if bytes.HasPrefix(head, oggMark[:min(len(head), len(oggMark))]) {
			found, err := p.take()
			if found || err != nil {
				return err
			}
		} else if tag, err := p.src.skipTag(); err != nil {
			return err
		} else if tag {
			continue
		}
		if p.junk == 0 && p.read > 0 {
			raw, _ := p.src.Peek(sniffBytes)
			if p.next = another(raw); p.next != "" && !bytes.HasPrefix(raw, oggMark[:4]) {
				return io.EOF
			}
			p.next = ""
		}
		filled, err := p.src.skipTo(oggMark[0])
		if p.junk += filled; err != nil {
			return err
		}
	}
}

// take reads the page at the current position. It is invalid if its checksum is wrong
// and no page follows it.
func (p *oggPages) take() (bool, error) {
	raw, err := p.src.Peek(oggHeaderBytes)
	if err != nil {
		return false, p.cut(err)
	}
	table := int(raw[26])
	if raw, err = p.src.Peek(oggHeaderBytes + table); err != nil {
		return false, p.cut(err)
	}
	size := oggHeaderBytes + table
	for _, n := range raw[oggHeaderBytes:] {
		size += int(n)
	}
	raw, err = p.src.Peek(size + len(oggMark))
	if len(raw) < size {
		return false, p.cut(err)
	}
	follows := raw[size:]
	sum := binary.LittleEndian.Uint32(raw[22:26])
	if len(follows) > 0 && !bytes.HasPrefix(oggMark, follows[:min(len(follows), 4)]) && sum != 0 && sum != oggSum(raw[:size]) {
		if p.doubt += int64(size); p.doubt > maxOggDoubt {
			return false, errors.New("too many pages with a wrong checksum")
		}
		return false, nil
	}
	p.raw = append(p.raw[:0], raw[:size]...)
	p.read++
	p.page = oggPage{
		flags: p.raw[5], granule: int64(binary.LittleEndian.Uint64(p.raw[6:14])), serial: binary.LittleEndian.Uint32(p.raw[14:18]),
		segments: p.raw[oggHeaderBytes : oggHeaderBytes+table], body: p.raw[oggHeaderBytes+table:],
	}
	_, err = p.src.Discard(size)
	return true, err
}

// cut returns the error for a page that is truncated by the end of the file.
func (p *oggPages) cut(err error) error {
	if p.src.isEnd(err) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// oggSums is the table of the CRC polynomial.
var oggSums = func() (table [256]uint32) {
	for i := range table {
		sum := uint32(i) << 24
		for range 8 {
			top := sum >> 31
			sum = sum<<1 ^ top*0x04c11db7
		}
		table[i] = sum
	}
	return table
}()

// oggSum returns the checksum of a page, whose checksum field counts as zeros.
func oggSum(page []byte) uint32 {
	var sum uint32
	for i, b := range page {
		if i >= 22 && i < 26 {
			b = 0
		}
		sum = sum<<8 ^ oggSums[byte(sum>>24)^b]
	}
	return sum
}
