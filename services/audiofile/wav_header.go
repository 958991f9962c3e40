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
	// maxChunks before the samples. Real files have fewer than twenty; a file
	// of empty chunks would otherwise cost a seek for every eight bytes.
	maxChunks = 1000
	// maxFormatBytes of a fmt chunk that are read: the longest layout known
	// (extensible) has 40.
	maxFormatBytes = 64
	// riffHeaderBytes are "RIFF", a size and "WAVE".
	riffHeaderBytes = 12
	// chunkHeaderBytes are an id and a size.
	chunkHeaderBytes = 8
)

// wavLayout is where things stand in a WAV file.
type wavLayout struct {
	fileBytes int64
	riffBytes uint64 // as claimed after "RIFF", or in a ds64 chunk
	format    []byte // the beginning of the fmt chunk; nil before it is found
	dataAt    int64  // of the first sample; 0 before the data chunk is found
	dataBytes uint64 // as claimed
	// longDataBytes is the size in a ds64 chunk, nil where there is none.
	longDataBytes *uint64
}

// findChunks walks the chunks of a WAV file by their headers until both the
// format and the samples are found, in either order.
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
			if id != "data" { // its size is judged when the format is known
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

// note takes from a chunk what is needed of it.
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

// missing names the chunks that a finished walk has not found.
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

// afterChunk gives where the next chunk begins. Chunks are padded to an even
// size, but some writers forget it, which shows when a known id stands where
// the padding should be.
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

// sampleBytes decides how many bytes of samples there are, given the bytes of
// one frame and of frames in a second.
func (l *wavLayout) sampleBytes(frameBytes int64, sampleRateHz int, notes *report) (int64, error) {
	there := l.fileBytes - l.dataAt
	claimed := int64(min(l.dataBytes, math.MaxInt64))
	switch {
	case claimed == 0 && !l.riffSizeFits():
		return there, nil // written to a pipe: the size was never filled in
	case claimed <= there:
		return claimed, nil
	case isUnknownSize(l.dataBytes):
		return there, nil
	case claimed/frameBytes == there/frameBytes:
		return there, nil // only part of an incomplete last frame is missing
	}
	promised := duration(claimed/frameBytes, sampleRateHz).Seconds()
	const text = "its header promises %d bytes of samples (%.2f s), %d are there"
	if there < frameBytes {
		return 0, services.Invalidf(field, "is cut short: "+text+"; upload the whole file", claimed, promised, there)
	}
	return there, notes.truncated(text, claimed, promised, there)
}

// riffSizeFits tells whether the size after "RIFF" was filled in rightly,
// which tells an empty recording from a streamed one.
func (l *wavLayout) riffSizeFits() bool {
	end := l.riffBytes + chunkHeaderBytes
	return end == uint64(l.fileBytes) || end+end%2 == uint64(l.fileBytes)
}

// isUnknownSize recognises what writers put for a size that they do not know
// yet: the largest number of 32 or 64 bits (ffmpeg), or one a header's length
// below 2 or 4 GiB (sox, arecord).
func isUnknownSize(size uint64) bool {
	const slack = 64 << 10
	for _, limit := range []uint64{1 << 31, 1<<32 - 1, math.MaxUint64} {
		if size <= limit && limit-size <= slack {
			return true
		}
	}
	return size == 0
}

// readAt fills buf from a place in the file. The caller has checked that the
// place is within the announced size, so an early end is a wrong size.
func readAt(r io.ReadSeeker, at int64, buf []byte) error {
	n, err := peekAt(r, at, buf)
	if err == nil && n < len(buf) {
		return services.Invalidf(field, "is cut short: it ends after %d bytes, more were announced; upload the whole file", at+int64(n))
	}
	return err
}

// peekAt reads from a place in the file as much of buf as there is.
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
