package audiofile

import (
	"encoding/binary"
	"errors"
	"io"
	"math"
	"slices"
	"strings"

	"github.com/grym-synth/grym-synth/services"
)

const (
	// maxChunks is the maximum number of chunks before the samples. Real files have
	// fewer than twenty; a file of empty chunks would otherwise cost a seek for every
	// eight bytes.
	maxChunks = 1000
	// maxFormatBytes is the number of bytes read of a fmt chunk. The longest known
	// layout (extensible) has 40.
	maxFormatBytes = 64
	// riffHeaderBytes is the size of "RIFF", a size and "WAVE".
	riffHeaderBytes = 12
	// chunkHeaderBytes is the size of an id and a size.
	chunkHeaderBytes = 8
)

// wavLayout has the positions of the parts of a WAV file.
type wavLayout struct {
	fileBytes int64
	riffBytes uint64 // as stated after "RIFF", or in a ds64 chunk
	format    []byte // the beginning of the fmt chunk; nil until it is found
	dataAt    int64  // offset of the first sample; 0 until the data chunk is found
	dataBytes uint64 // as stated
	// longDataBytes is the size in a ds64 chunk; nil if there is none.
	longDataBytes *uint64
}

// findChunks reads the headers of a WAV file's chunks until both the format and the
// samples have been found, in either order.
func findChunks(r io.ReadSeeker, head []byte, fileBytes int64) (wavLayout, error) {
	layout := wavLayout{fileBytes: fileBytes, riffBytes: uint64(binary.LittleEndian.Uint32(head[4:8]))}
	at := int64(riffHeaderBytes)
	for n := 0; at <= fileBytes-chunkHeaderBytes; n++ {
		if n == maxChunks {
			return layout, services.Invalidf(field, "has more than %d chunks before its samples", maxChunks)
		}
		var header [chunkHeaderBytes]byte
		if err := readAt(r, at, header[:]); err != nil {
			return layout, err
		}
		id, claimed := string(header[:4]), int64(binary.LittleEndian.Uint32(header[4:]))
		body := at + chunkHeaderBytes
		if err := layout.note(r, id, body, claimed); err != nil {
			return layout, err
		}
		if layout.format != nil && layout.dataAt != 0 {
			return layout, nil
		}
		if claimed > fileBytes-body {
			if id != "data" { // its size is checked when the format is known
				return layout, services.Invalidf(field, "is cut short: its %q chunk promises %d bytes, %d are there; upload the whole file",
					id, claimed, fileBytes-body)
			}
			break
		}
		next, err := afterChunk(r, body+claimed, fileBytes)
		if err != nil {
			return layout, err
		}
		at = next
	}
	return layout, layout.missing()
}

// note records the relevant content of a chunk.
func (l *wavLayout) note(r io.ReadSeeker, id string, body, claimed int64) error {
	switch {
	case id == "fmt " && l.format == nil:
		raw := make([]byte, min(claimed, maxFormatBytes, l.fileBytes-body))
		if err := readAt(r, body, raw); err != nil {
			return err
		}
		l.format = raw
	case id == "ds64" && min(claimed, l.fileBytes-body) >= 16:
		var sizes [16]byte // of the RIFF, then of the data
		if err := readAt(r, body, sizes[:]); err != nil {
			return err
		}
		dataBytes := binary.LittleEndian.Uint64(sizes[8:])
		l.longDataBytes = &dataBytes
		if l.riffBytes == math.MaxUint32 {
			l.riffBytes = binary.LittleEndian.Uint64(sizes[:])
		}
	case id == "data" && l.dataAt == 0:
		l.dataAt, l.dataBytes = body, uint64(claimed)
		if claimed == math.MaxUint32 && l.longDataBytes != nil {
			l.dataBytes = *l.longDataBytes
		}
	}
	return nil
}

// missing returns the fault for chunks that were not found.
func (l *wavLayout) missing() error {
	var names []string
	if l.format == nil {
		names = append(names, `no "fmt " chunk (the description of its samples)`)
	}
	if l.dataAt == 0 {
		names = append(names, `no "data" chunk (the samples)`)
	}
	if len(names) == 0 {
		return nil
	}
	return services.Invalidf(field, "is a WAV file with %s; it is damaged or cut short", strings.Join(names, " and "))
}

// afterChunk returns the offset of the next chunk. Chunks are padded to an even size,
// but some writers omit the padding, which shows when a known id is in its place.
func afterChunk(r io.ReadSeeker, end, fileBytes int64) (int64, error) {
	if end%2 == 0 {
		return end, nil
	}
	if end+chunkHeaderBytes > fileBytes {
		return end + 1, nil
	}
	var id [4]byte
	if err := readAt(r, end, id[:]); err != nil {
		return 0, err
	}
	if slices.Contains([]string{"fmt ", "data", "LIST", "fact"}, string(id[:])) {
		return end, nil
	}
	return end + 1, nil
}

// sampleBytes determines the size of the samples. frame is the size of one frame.
func (l *wavLayout) sampleBytes(frameBytes int64, sampleRateHz int, notes *report) (int64, error) {
	there := l.fileBytes - l.dataAt
	claimed := int64(min(l.dataBytes, math.MaxInt64))
	switch {
	case claimed == 0 && !l.riffSizeFits():
		return there, nil // written to a pipe; the size was never set
	case claimed <= there:
		return claimed, nil
	case isUnknownSize(l.dataBytes):
		return there, nil
	}
	return notes.fewerSamples(claimed, there, frameBytes, sampleRateHz)
}

// riffSizeFits reports whether the size after "RIFF" is correct, which distinguishes an
// empty recording from a streamed one.
func (l *wavLayout) riffSizeFits() bool {
	end := l.riffBytes + chunkHeaderBytes
	return end == uint64(l.fileBytes) || end+end%2 == uint64(l.fileBytes)
}

// isUnknownSize reports whether a size is one that writers use if it is unknown: the
// largest number of 32, 63 or 64 bits (ffmpeg), or one a header's length below 2 or 4 GiB
// (sox, arecord).
func isUnknownSize(size uint64) bool {
	const slack = 64 << 10
	for _, limit := range []uint64{1 << 31, 1<<32 - 1, math.MaxInt64, math.MaxUint64} {
		if size <= limit && limit-size <= slack {
			return true
		}
	}
	return size == 0
}

// readAt reads len(buf) bytes at an offset. The caller has checked that they are within
// the stated size, so an early end means that the size is wrong.
func readAt(r io.ReadSeeker, at int64, buf []byte) error {
	n, err := peekAt(r, at, buf)
	if err == nil && n < len(buf) {
		return services.Invalidf(field, "is cut short: it ends after %d bytes, more were announced; upload the whole file", at+int64(n))
	}
	return err
}

// peekAt reads up to len(buf) bytes at an offset.
func peekAt(r io.ReadSeeker, at int64, buf []byte) (int, error) {
	if _, err := r.Seek(at, io.SeekStart); err != nil {
		return 0, readFault(err)
	}
	n, err := io.ReadFull(r, buf)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return n, readFault(err)
	}
	return n, nil
}
