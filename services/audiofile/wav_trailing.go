package audiofile

import (
	"encoding/binary"
	"math"

	"github.com/grym-synth/grym-synth/services"
)

// judge checks the length of a file whose encoding is not supported natively, because
// ffmpeg does not report missing data. It returns the reason why the file is rejected
// or passed to ffmpeg.
func (l *wavLayout) judge(f file, reason error) error {
	if services.KindOf(reason) != services.KindUnsupported || len(l.format) < formatBytes {
		return reason
	}
	bytes, err := l.sampleBytes(1, int(binary.LittleEndian.Uint32(l.format[8:12])), f.notes)
	if err == nil {
		err = l.noteTrailing(f, bytes)
	}
	if err != nil {
		return err
	}
	return reason
}

// noteTrailing adds warnings about data after the samples that is not decoded: a second
// data chunk, bytes that are not a chunk, and data after the end of the RIFF.
func (l *wavLayout) noteTrailing(f file, sampleBytes int64) error {
	at, err := afterChunk(f.r, l.dataAt+sampleBytes, l.fileBytes)
	if err != nil {
		return err
	}
	end := l.riffEnd(at)
	for n := 0; n < maxChunks && at+chunkHeaderBytes <= end; n++ {
		var header [chunkHeaderBytes]byte
		if n, err := peekAt(f.r, at, header[:]); err != nil || n < len(header) {
			return err // shorter than announced, which shows at the end of the samples
		}
		size := int64(binary.LittleEndian.Uint32(header[4:]))
		if string(header[:4]) == "data" {
			f.notes.trailing("has a second data chunk of %d bytes, which is not decoded", min(size, l.fileBytes-at-chunkHeaderBytes))
			return nil
		}
		body := at + chunkHeaderBytes
		if !isChunkID(header[:4]) || size > end-body {
			end = at
			break
		}
		if at, err = afterChunk(f.r, body+size, l.fileBytes); err != nil {
			return err
		}
	}
	return noteBehind(f, min(end, l.fileBytes), "the end that its header states")
}

// riffEnd returns the end of the RIFF by its own size, or the end of the file if the
// size is invalid.
func (l *wavLayout) riffEnd(least int64) int64 {
	if isUnknownSize(l.riffBytes) || l.riffBytes > math.MaxInt64-2*chunkHeaderBytes {
		return l.fileBytes
	}
	end := int64(l.riffBytes) + chunkHeaderBytes
	end += end % 2
	if end < least || end > l.fileBytes {
		return l.fileBytes
	}
	return end
}

// isChunkID reports whether the bytes are ASCII characters, as in the id of a chunk.
func isChunkID(id []byte) bool {
	for _, b := range id {
		if b < ' ' || b > '~' {
			return false
		}
	}
	return true
}

// noteBehind adds a warning about data after an offset, except tags and zeros.
func noteBehind(f file, at int64, place string) error {
	head := make([]byte, sniffBytes)
	for range maxTags {
		n, err := peekAt(f.r, at, head)
		if err != nil {
			return err
		}
		size := tagBytes(head[:n])
		if size == 0 && n >= 3 && string(head[:3]) == "TAG" {
			size = id3v1Bytes
		}
		if size > 0 {
			at += size
			continue
		}
		if isZero(head[:n]) {
			return nil
		}
		what := ""
		if found := another(head[:n]); found != "" {
			what = ", beginning with " + found
		}
		f.notes.trailing("has %d bytes after %s%s, which are not decoded", f.size-at, place, what)
		return nil
	}
	return nil
}

// isZero reports whether all bytes are zero.
func isZero(raw []byte) bool {
	for _, b := range raw {
		if b != 0 {
			return false
		}
	}
	return true
}
