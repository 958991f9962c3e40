package audiofile

import (
	"encoding/binary"
	"io"
	"strconv"

	"github.com/grym-synth/grym-synth/services"
)

// Sizes of tags and of their headers.
const (
	id3HeaderBytes = 10
	apeHeaderBytes = 32
	id3v1Bytes     = 128
	// lyricsBytes ends a Lyrics3 tag: its size in six digits and a mark.
	lyricsBytes = 15
	// tagHeadBytes are enough to recognise any tag.
	tagHeadBytes = apeHeaderBytes
)

const (
	// maxTags that may stand before or behind the sound.
	maxTags = 100
	// maxPadding of zeros behind the tags before the sound.
	maxPadding = 1 << 20
)

// tagBytes returns the size of the tag that begins here, which holds pictures
// as often as titles; 0 where none does.
func tagBytes(head []byte) int64 {
	switch {
	case len(head) >= id3HeaderBytes && string(head[:3]) == "ID3" && head[3] >= 2 && head[3] <= 4 && head[4] != 0xff:
		size := int64(id3HeaderBytes)
		for i, b := range head[6:10] { // seven bits each
			size += int64(b&0x7f) << (7 * (3 - i))
		}
		if head[3] == 4 && head[5]&0x10 != 0 {
			size += id3HeaderBytes // a footer
		}
		return size
	case len(head) >= apeHeaderBytes && string(head[:8]) == "APETAGEX" && head[23]&0x20 != 0:
		return apeHeaderBytes + int64(binary.LittleEndian.Uint32(head[12:16]))
	}
	return 0
}

// tagBytesBefore returns the size of the tag whose last bytes these are.
func tagBytesBefore(end []byte) int64 {
	if n := len(end); n >= id3v1Bytes && string(end[n-id3v1Bytes:n-id3v1Bytes+3]) == "TAG" {
		return id3v1Bytes
	}
	if n := len(end); n >= apeHeaderBytes && string(end[n-apeHeaderBytes:n-apeHeaderBytes+8]) == "APETAGEX" {
		foot := end[n-apeHeaderBytes:]
		size := int64(binary.LittleEndian.Uint32(foot[12:16])) // of the items and the footer
		if foot[23]&0x80 != 0 {
			size += apeHeaderBytes
		}
		return size
	}
	if n := len(end); n >= lyricsBytes && string(end[n-9:]) == "LYRICS200" {
		if size, err := strconv.ParseUint(string(end[n-lyricsBytes:n-9]), 10, 32); err == nil {
			return int64(size) + lyricsBytes
		}
	}
	if n := len(end); n >= id3HeaderBytes && string(end[n-id3HeaderBytes:n-id3HeaderBytes+3]) == "3DI" {
		foot := append([]byte("ID3"), end[n-id3HeaderBytes+3:]...)
		foot[5] |= 0x10
		return tagBytes(foot)
	}
	return 0
}

// skipTags returns where the file begins behind the tags before its sound, and
// behind zeros that pad the last of them.
func skipTags(f file, head []byte) (int64, error) {
	begin := int64(0)
	for n := 0; ; n++ {
		size := tagBytes(head)
		if size == 0 {
			break
		}
		if n == maxTags {
			return 0, services.Invalidf(field, "has more than %d tags before its sound", maxTags)
		}
		if begin += size; begin >= f.size {
			what := "ID3"
			if head[0] == 'A' {
				what = "APE"
			}
			return 0, services.Invalidf(field, "is cut short: it ends within its %s tag, before any sound; upload the whole file", what)
		}
		head = make([]byte, min(tagHeadBytes, f.size-begin))
		if err := readAt(f.r, begin, head); err != nil {
			return 0, err
		}
	}
	if begin == 0 {
		return 0, nil
	}
	return skipPadding(f, begin)
}

// skipPadding passes over a run of zeros. A short one belongs to what follows.
func skipPadding(f file, begin int64) (int64, error) {
	const least = 16
	for at := begin; at < f.size && at-begin < maxPadding; {
		block := make([]byte, min(sniffBytes, f.size-at))
		n, err := peekAt(f.r, at, block)
		if err != nil || n == 0 {
			return begin, err
		}
		for i, b := range block[:n] {
			if b == 0 {
				continue
			}
			if found := at + int64(i); found-begin >= least {
				return found, nil
			}
			return begin, nil
		}
		at += int64(n)
	}
	return begin, nil
}

// withoutTagsBehind returns the file up to the tags behind its sound.
func withoutTagsBehind(f file) (file, error) {
	end := f.size
	for range maxTags {
		raw := make([]byte, min(id3v1Bytes, end))
		n, err := peekAt(f.r, end-int64(len(raw)), raw)
		if err != nil || n < len(raw) { // shorter than announced
			return f, err
		}
		size := tagBytesBefore(raw)
		if size == 0 || size >= end {
			break
		}
		end -= size
	}
	if end == f.size {
		return f, nil
	}
	return f.part(0, end), nil
}

// skipTag passes over the tag at which s stands, and reports whether there is
// one. A tag that the file ends in takes the rest of it.
func (s *source) skipTag() (bool, error) {
	head, err := s.Peek(tagHeadBytes)
	size := tagBytes(head)
	if size == 0 && len(head) >= 3 && string(head[:3]) == "TAG" {
		size = id3v1Bytes
	}
	if size == 0 {
		if !s.isEnd(err) && err != nil {
			return false, err
		}
		return false, nil
	}
	if _, err := io.CopyN(io.Discard, s, size); err != nil && !s.isEnd(err) {
		return true, err
	}
	return true, nil
}
