package audiofile

import (
	"encoding/binary"
	"math"

	"github.com/grym-synth/grym-synth/services"
)

const (
	// aiffCommonBytes is the size of the COMM chunk of an AIFF file, and aiffNameBytes
	// that with the compression type of AIFF-C.
	aiffCommonBytes = 18
	aiffNameBytes   = 22
)

// aiffCodec returns the encoding that a COMM chunk of AIFF-C names; ok is false if it is
// not PCM.
func aiffCodec(name string, bits int) (c codec, ok bool) {
	switch name {
	case "NONE", "twos":
		return linearCodec(bits, false, false)
	case "sowt":
		return linearCodec(bits, false, true)
	case "raw ":
		return integerCodecs[0], bits <= 8
	case "in24":
		return bigCodecs[2], true
	case "in32":
		return bigCodecs[3], true
	case "fl32", "FL32":
		return bigFloat32Codec, true
	case "fl64", "FL64":
		return bigFloat64Codec, true
	case "alaw", "ALAW":
		return aLawCodec, true
	case "ulaw", "ULAW":
		return muLawCodec, true
	}
	return codec{}, false
}

// newAIFFDecoder opens an AIFF or AIFF-C file. Its chunks may be in any order.
func newAIFFDecoder(f file, head []byte) (decoder, Format, error) {
	if err := judgeMedia(f, head); err != nil {
		return nil, Format{}, err
	}
	var wave waveFormat
	var at, size int64
	be := binary.BigEndian
	place := int64(riffHeaderBytes)
	for n := 0; (wave.channels == 0 || at == 0) && place+chunkHeaderBytes <= f.size; n++ {
		if n == maxChunks {
			return nil, Format{}, services.Invalidf(field, "has more than %d chunks before its samples", maxChunks)
		}
		var raw [chunkHeaderBytes + aiffNameBytes]byte
		got, err := peekAt(f.r, place, raw[:])
		if err != nil {
			return nil, Format{}, err
		}
		claimed := int64(be.Uint32(raw[4:]))
		body := raw[chunkHeaderBytes:max(got, chunkHeaderBytes)]
		switch string(raw[:4]) {
		case "COMM":
			if wave, err = parseAIFFCommon(body[:min(claimed, int64(len(body)))], string(head[8:12]) == "AIFC"); err != nil {
				return nil, Format{}, err
			}
		case "SSND":
			if len(body) < 8 {
				return nil, Format{}, cutSound()
			}
			offset := int64(be.Uint32(body))
			at, size = place+chunkHeaderBytes+8+offset, max(0, claimed-8-offset)
			if claimed == 0 || isUnknownChunk(claimed, f.size-place) {
				size = toTheEnd
			}
		}
		place += chunkHeaderBytes + claimed + claimed%2
	}
	switch {
	case wave.channels == 0:
		return nil, Format{}, services.Invalidf(field, "is an AIFF file without a COMM chunk (the description of its samples); "+
			"it is damaged or cut short")
	case at == 0:
		return nil, Format{}, services.Invalidf(field, "is an AIFF file without an SSND chunk (the samples); it is damaged or cut short")
	}
	return f.samples("aiff", wave, at, size)
}

// isUnknownChunk reports whether the size of a chunk of which there are fewer bytes is
// one that writers use if it is unknown. Sox states 0x7f000000 and the header.
func isUnknownChunk(claimed, there int64) bool {
	const sox, slack = 0x7f000000, 64 << 10
	return claimed > there && (isUnknownSize(uint64(claimed)) || claimed >= sox-slack && claimed <= sox+slack)
}

// parseAIFFCommon parses a COMM chunk.
func parseAIFFCommon(raw []byte, compressed bool) (waveFormat, error) {
	need, name := aiffCommonBytes, "NONE"
	if compressed {
		need = aiffNameBytes
	}
	if len(raw) < need {
		return waveFormat{}, services.Invalidf(field, `has a "COMM" chunk of %d bytes, at least %d are needed`, len(raw), need)
	}
	if compressed {
		name = string(raw[aiffCommonBytes:aiffNameBytes])
	}
	channels, bits := int(binary.BigEndian.Uint16(raw)), int(binary.BigEndian.Uint16(raw[6:]))
	rate := extendedFloat(raw[8:aiffCommonBytes])
	if channels == 0 || !(rate >= 1 && rate <= math.MaxInt32) {
		return waveFormat{}, services.Invalidf(field, "is an AIFF file with an impossible header: %d channels, %v Hz", channels, rate)
	}
	chosen, ok := aiffCodec(name, bits)
	if !ok {
		return waveFormat{}, unsupported("is an AIFF file of %d bits coded as %q", bits, name)
	}
	return pcmFormat(chosen, min(bits, 8*chosen.sampleBytes), channels, int(math.Round(rate))), nil
}

// extendedFloat decodes a big-endian number of 80 bits: a sign, an exponent of 15 bits
// and a mantissa with its integer bit.
func extendedFloat(raw []byte) float64 {
	exponent := int(binary.BigEndian.Uint16(raw))
	if exponent&0x8000 != 0 {
		return -1
	}
	return math.Ldexp(float64(binary.BigEndian.Uint64(raw[2:])), exponent-16383-63)
}

// cutSound returns the fault for a file that ends before its samples.
func cutSound() error {
	return services.Invalidf(field, "is cut short: it ends before its samples; upload the whole file")
}

// cutHeader returns the fault for a file that ends within its header.
func cutHeader(need, there int, what string) error {
	return services.Invalidf(field, "is cut short: %s header has %d bytes, %d are there; upload the whole file", what, need, there)
}
