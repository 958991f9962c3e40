package audiofile

import (
	"encoding/binary"
	"math"

	"github.com/grym-synth/grym-synth/services"
)

// judge looks at the length of a file whose samples are coded in a way that is
// not decoded here, since ffmpeg does not report what is missing. It returns the
// reason why the file is refused or goes to ffmpeg.
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

// noteTrailing looks behind so many bytes of samples for more that nobody will
// hear: a second data chunk, bytes that are no chunk, and whatever stands
// behind the end of the RIFF.
func (l *wavLayout) noteTrailing(f file, sampleBytes int64) error {
	at, err := afterChunk(f.r, l.dataAt+sampleBytes, l.fileBytes)
	if err != nil {
		return err
	}
	end := l.riffEnd(at)
	for n := 0; n < maxChunks && at+chunkHeaderBytes <= end; n++ {
		var header [chunkHeaderBytes]byte
		if err := readAt(f.r, at, header[:]); err != nil {
			return nil // shorter than announced, which shows at the end of the samples
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

// riffEnd returns where the RIFF ends by its own size, or the end of the file
// where that size is none.
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

// isChunkID reports whether these bytes can name a chunk: characters of ASCII.
func isChunkID(id []byte) bool {
	for _, b := range id {
		if b < ' ' || b > '~' {
			return false
		}
	}
	return true
}

// noteBehind notes what stands behind a place in the file, tags and zeros
// aside.
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
		f.notes.trailing("has %d bytes behind %s%s, which are not decoded", f.size-at, place, what)
		return nil
	}
	return nil
}

// isZero reports whether there is nothing but zeros.
func isZero(raw []byte) bool {
	for _, b := range raw {
		if b != 0 {
			return false
		}
	}
	return true
}
