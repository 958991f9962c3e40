package audiofile

import (
	"io"

	"github.com/grym-synth/grym-synth/services"
)

// bigCodecs are signed integers with the most significant byte first, indexed by bytes
// per sample minus one.
var bigCodecs = [...]codec{
	{"pcm_s8", 1, decodeS8},
	bigEndian("pcm_s16be", integerCodecs[1]),
	bigEndian("pcm_s24be", integerCodecs[2]),
	bigEndian("pcm_s32be", integerCodecs[3]),
}

var (
	bigFloat32Codec = bigEndian("pcm_f32be", float32Codec)
	bigFloat64Codec = bigEndian("pcm_f64be", float64Codec)
)

// bigEndian returns the codec for samples with the opposite order of bytes.
func bigEndian(encoding string, little codec) codec {
	size := little.sampleBytes
	return codec{encoding, size, func(dst []float32, raw []byte) int {
		for s := raw; len(s) >= size; s = s[size:] {
			for i, j := 0, size-1; i < j; i, j = i+1, j-1 {
				s[i], s[j] = s[j], s[i]
			}
		}
		return little.decode(dst, raw)
	}}
}

func decodeS8(dst []float32, raw []byte) int {
	dst = dst[:len(raw)]
	for i, b := range raw {
		dst[i] = float32(int8(b)) * (1.0 / 128)
	}
	return len(dst)
}

// linearCodec returns the codec of integers or floats; ok is false if there is none. An
// integer whose bits are no multiple of eight is in the upper ones.
func linearCodec(bits int, float, little bool) (c codec, ok bool) {
	switch {
	case float && bits == 32 && little:
		return float32Codec, true
	case float && bits == 32:
		return bigFloat32Codec, true
	case float && bits == 64 && little:
		return float64Codec, true
	case float && bits == 64:
		return bigFloat64Codec, true
	}
	size := (bits + 7) / 8
	switch {
	case float || size < 1 || size > len(bigCodecs):
		return codec{}, false
	case little && size > 1:
		return integerCodecs[size-1], true
	}
	return bigCodecs[size-1], true
}

// pcmFormat returns the format of samples that are packed without padding.
func pcmFormat(c codec, bits, channels, rateHz int) waveFormat {
	return waveFormat{codec: c, sampleRateHz: rateHz, channels: channels, bits: bits, frameBytes: channels * c.sampleBytes}
}

// toTheEnd is the size of samples that extend to the end of the file.
const toTheEnd = -1

// samples returns a decoder for samples at an offset, whose size is as stated or
// toTheEnd.
func (f file) samples(container string, wave waveFormat, at, claimed int64) (decoder, Format, error) {
	if wave.channels < 1 || wave.sampleRateHz < 1 {
		return nil, Format{}, services.Invalidf(field, "has an impossible header: %d channels, %d Hz", wave.channels, wave.sampleRateHz)
	}
	frameBytes := int64(wave.frameBytes)
	there := max(0, f.size-at)
	bytes := claimed
	switch {
	case claimed == toTheEnd:
		bytes = there
	case claimed > there:
		var err error
		if bytes, err = f.notes.fewerSamples(claimed, there, frameBytes, wave.sampleRateHz); err != nil {
			return nil, Format{}, err
		}
	}
	if _, err := f.r.Seek(at, io.SeekStart); err != nil {
		return nil, Format{}, readFault(err)
	}
	format := wave.describe(container)
	format.Frames = bytes / frameBytes
	d := wave.decoder(f.r, format.Frames)
	d.notes = f.notes
	return d, format, nil
}

// fewerSamples returns the bytes of samples of a file that has fewer than its header
// states, with a warning unless only a part of an incomplete last frame is missing.
func (r *report) fewerSamples(claimed, there, frameBytes int64, rateHz int) (int64, error) {
	if claimed/frameBytes == there/frameBytes {
		return there, nil
	}
	promised := duration(claimed/frameBytes, rateHz).Seconds()
	const text = "its header promises %d bytes of samples (%.2f s), %d are there"
	if there < frameBytes {
		return 0, services.Invalidf(field, "is cut short: "+text+"; upload the whole file", claimed, promised, there)
	}
	return there, r.truncated(text, claimed, promised, there)
}
