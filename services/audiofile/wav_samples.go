package audiofile

import (
	"encoding/binary"
	"math"
)

// codec converts raw samples of one encoding.
type codec struct {
	encoding    string
	sampleBytes int
	// decode converts len(raw)/sampleBytes samples. It stops at the first that
	// is no usable number, and returns how many it converted.
	decode func(dst []float32, raw []byte) int
}

// integerCodecs are indexed by bytes per sample less one.
var integerCodecs = [...]codec{
	{"pcm_u8", 1, decodeU8},
	{"pcm_s16le", 2, decodeS16},
	{"pcm_s24le", 3, decodeS24},
	{"pcm_s32le", 4, decodeS32},
}

var (
	// lower24Codec has its 24 bits in the lower three of four bytes.
	lower24Codec = codec{"pcm_s24le", 4, decodeLower24}

	float32Codec = codec{"pcm_f32le", 4, decodeF32}
	float64Codec = codec{"pcm_f64le", 8, decodeF64}
	aLawCodec    = codec{"pcm_alaw", 1, decodeALaw}
	muLawCodec   = codec{"pcm_mulaw", 1, decodeMuLaw}
)

func decodeU8(dst []float32, raw []byte) int {
	dst = dst[:len(raw)]
	for i, b := range raw {
		dst[i] = float32(int(b)-128) * (1.0 / 128)
	}
	return len(dst)
}

func decodeS16(dst []float32, raw []byte) int {
	dst = dst[:len(raw)/2]
	for i := range dst {
		dst[i] = float32(int16(binary.LittleEndian.Uint16(raw[2*i:]))) * (1.0 / 32768)
	}
	return len(dst)
}

func decodeS24(dst []float32, raw []byte) int {
	dst = dst[:len(raw)/3]
	for i := range dst {
		s := raw[3*i : 3*i+3]
		// Into the upper bytes, so that the sign comes by itself.
		v := int32(uint32(s[0])<<8 | uint32(s[1])<<16 | uint32(s[2])<<24)
		dst[i] = float32(v>>8) * (1.0 / (1 << 23))
	}
	return len(dst)
}

func decodeLower24(dst []float32, raw []byte) int {
	dst = dst[:len(raw)/4]
	for i := range dst {
		dst[i] = float32(int32(binary.LittleEndian.Uint32(raw[4*i:])<<8)>>8) * (1.0 / (1 << 23))
	}
	return len(dst)
}

func decodeS32(dst []float32, raw []byte) int {
	dst = dst[:len(raw)/4]
	for i := range dst {
		dst[i] = float32(int32(binary.LittleEndian.Uint32(raw[4*i:]))) * (1.0 / (1 << 31))
	}
	return len(dst)
}

func decodeF32(dst []float32, raw []byte) int {
	dst = dst[:len(raw)/4]
	for i := range dst {
		x := math.Float32frombits(binary.LittleEndian.Uint32(raw[4*i:]))
		if !isUsable(float64(x)) {
			return i
		}
		dst[i] = x
	}
	return len(dst)
}

func decodeF64(dst []float32, raw []byte) int {
	dst = dst[:len(raw)/8]
	for i := range dst {
		x := math.Float64frombits(binary.LittleEndian.Uint64(raw[8*i:]))
		if !isUsable(x) {
			return i
		}
		dst[i] = float32(x)
	}
	return len(dst)
}

// isUsable is false for NaN, for infinity and for what is infinite as float32.
func isUsable(x float64) bool { return math.Abs(x) <= math.MaxFloat32 }

func decodeALaw(dst []float32, raw []byte) int {
	dst = dst[:len(raw)]
	for i, b := range raw {
		dst[i] = aLawValues[b]
	}
	return len(dst)
}

func decodeMuLaw(dst []float32, raw []byte) int {
	dst = dst[:len(raw)]
	for i, b := range raw {
		dst[i] = muLawValues[b]
	}
	return len(dst)
}
