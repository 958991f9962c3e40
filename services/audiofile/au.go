package audiofile

import (
	"encoding/binary"
	"math"
)

// auHeaderBytes is the size of the header of a Sun audio file without its annotation.
const auHeaderBytes = 24

// auCodecs are the encodings of a Sun audio file by their number, and their bits.
var auCodecs = map[uint32]struct {
	codec codec
	bits  int
}{
	1: {muLawCodec, 8}, 2: {bigCodecs[0], 8}, 3: {bigCodecs[1], 16}, 4: {bigCodecs[2], 24}, 5: {bigCodecs[3], 32},
	6: {bigFloat32Codec, 32}, 7: {bigFloat64Codec, 64}, 27: {aLawCodec, 8},
}

// newAUDecoder opens a Sun or NeXT audio file: a header of big-endian numbers, an
// annotation and the samples. The size may be unknown.
func newAUDecoder(f file, head []byte) (decoder, Format, error) {
	if len(head) < auHeaderBytes {
		return nil, Format{}, cutHeader(auHeaderBytes, len(head), "an AU")
	}
	be := binary.BigEndian
	at, size, encoding := be.Uint32(head[4:]), be.Uint32(head[8:]), be.Uint32(head[12:])
	chosen, ok := auCodecs[encoding]
	if !ok {
		return nil, Format{}, unsupported("is a Sun audio (AU) file with the encoding %d", encoding)
	}
	if err := judgeMedia(f, head); err != nil {
		return nil, Format{}, err
	}
	wave := pcmFormat(chosen.codec, chosen.bits, int(min(be.Uint32(head[20:]), math.MaxUint16)), int(min(be.Uint32(head[16:]), math.MaxInt32)))
	claimed := int64(size)
	if size == math.MaxUint32 {
		claimed = toTheEnd
	}
	return f.samples("au", wave, max(auHeaderBytes, int64(at)), claimed)
}
