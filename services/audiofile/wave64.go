package audiofile

import (
	"bytes"
	"encoding/binary"
	"math"

	"github.com/grym-synth/grym-synth/services"
)

// wave64Mark is the beginning of a Wave64 file: the identifier of a RIFF.
const wave64Mark = "riff\x2e\x91\xcf\x11\xa5\xd6\x28\xdb\x04\xc1\x00\x00"

// wave64Tail is the end of the identifiers of chunks, which begin with those of WAV.
const wave64Tail = "\xf3\xac\xd3\x11\x8c\xd1\x00\xc0\x4f\x8e\xdb\x8a"

const (
	// wave64Chunk is the size of an identifier and a size, which includes them.
	wave64Chunk = 24
	// wave64Header is the size of the first chunk's header and the type.
	wave64Header = wave64Chunk + 16
)

// newWave64Decoder opens a Sony Wave64 file: WAV with identifiers of 16 bytes, sizes of
// 64 bits and chunks at multiples of eight bytes.
func newWave64Decoder(f file, head []byte) (decoder, Format, error) {
	if len(head) < wave64Header {
		return nil, Format{}, cutHeader(wave64Header, len(head), "a Wave64")
	}
	if !bytes.Equal(head[wave64Chunk:wave64Header], []byte("wave"+wave64Tail)) {
		return nil, Format{}, unsupported("is a Wave64 file of another kind than sound")
	}
	if err := judgeMedia(f, head); err != nil {
		return nil, Format{}, err
	}
	layout := wavLayout{fileBytes: f.size, riffBytes: binary.LittleEndian.Uint64(head[16:]) - chunkHeaderBytes}
	at := int64(wave64Header)
	for n := 0; (layout.format == nil || layout.dataAt == 0) && at+wave64Chunk <= f.size; n++ {
		if n == maxChunks {
			return nil, Format{}, services.Invalidf(field, "has more than %d chunks before its samples", maxChunks)
		}
		var header [wave64Chunk]byte
		if err := readAt(f.r, at, header[:]); err != nil {
			return nil, Format{}, err
		}
		size := binary.LittleEndian.Uint64(header[16:])
		body := int64(max(size, wave64Chunk)) - wave64Chunk
		if size > math.MaxInt64 {
			body = math.MaxInt64
		}
		if id := string(header[:4]); string(header[4:16]) == wave64Tail && (id == "fmt " || id == "data") {
			if err := layout.note(f.r, id, at+wave64Chunk, body); err != nil {
				return nil, Format{}, err
			}
		}
		if body > f.size-at {
			break
		}
		at += wave64Chunk + (body+7)&^7
	}
	if err := layout.missing(); err != nil {
		return nil, Format{}, err
	}
	return layout.open(f, "w64")
}
