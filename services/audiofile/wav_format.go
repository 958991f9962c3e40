package audiofile

import (
	"bytes"
	"encoding/binary"
	"io"

	"github.com/go-audio/wav"

	"github.com/grym-synth/grym-synth/services"
)

// The format tags that are decoded.
const (
	tagPCM        = 0x0001
	tagFloat      = 0x0003
	tagALaw       = 0x0006
	tagMuLaw      = 0x0007
	tagExtensible = 0xfffe
)

// Sizes of the two layouts of a fmt chunk.
const (
	formatBytes     = 16
	extensibleBytes = 40
)

// subformatTail ends every subformat GUID that stands for a format tag.
const subformatTail = "\x00\x00\x00\x00\x10\x00\x80\x00\x00\xaa\x00\x38\x9b\x71"

// codecNames are the format tags met in the wild that are not decoded.
var codecNames = map[uint16]string{
	0x0002: "Microsoft ADPCM",
	0x0011: "IMA ADPCM",
	0x0022: "TrueSpeech",
	0x0031: "GSM 6.10",
	0x0040: "G.721 ADPCM",
	0x0042: "G.723.1",
	0x0045: "G.726 ADPCM",
	0x0050: "MPEG layer I or II",
	0x0055: "MP3",
	0x0064: "G.726 ADPCM",
	0x0083: "G.729",
	0x0092: "Dolby AC-3",
	0x00ff: "AAC",
	0x0161: "Windows Media Audio",
	0x0162: "Windows Media Audio Pro",
	0x1600: "AAC",
	0x2000: "Dolby AC-3",
	0x674f: "Vorbis",
	0x704f: "Opus",
	0xf1ac: "FLAC",
}

// waveFormat is a fmt chunk, understood.
type waveFormat struct {
	codec        codec
	sampleRateHz int
	channels     int
	bits         int
	frameBytes   int
	byteRate     int  // as the file claims
	wide         bool // 24 bits in four bytes, perhaps
}

// parseFormat reads a fmt chunk and refuses what cannot be decoded.
func parseFormat(raw []byte) (waveFormat, error) {
	if len(raw) < formatBytes {
		return waveFormat{}, services.Invalidf(field, `has a "fmt " chunk of %d bytes, at least %d are needed`, len(raw), formatBytes)
	}
	decoder := wav.NewDecoder(bytes.NewReader(bareHeader(raw[:formatBytes])))
	decoder.ReadInfo()
	if err := decoder.Err(); err != nil {
		fault := services.Invalidf(field, `has a "fmt " chunk that cannot be read`)
		fault.Err = err
		return waveFormat{}, fault
	}
	format := waveFormat{
		sampleRateHz: int(decoder.SampleRate),
		channels:     int(decoder.NumChans),
		bits:         int(decoder.BitDepth),
		// The decoder keeps the block size to itself.
		frameBytes: int(binary.LittleEndian.Uint16(raw[12:14])),
		byteRate:   int(binary.LittleEndian.Uint32(raw[8:12])),
	}
	tag := decoder.WavAudioFormat
	if tag == tagExtensible {
		var err error
		if tag, err = subformat(raw); err != nil {
			return waveFormat{}, err
		}
	}
	codec, err := findCodec(tag, format.bits)
	if err != nil {
		return waveFormat{}, err
	}
	format.codec = codec
	return format.checked()
}

// bareHeader wraps a fmt chunk in the smallest WAV file, so that the library's
// decoder sees no other chunk: it allocates cue, list and sampler chunks by
// the size that they claim.
func bareHeader(format []byte) []byte {
	header := make([]byte, 0, riffHeaderBytes+2*chunkHeaderBytes+formatBytes)
	header = append(header, "RIFF"...)
	header = binary.LittleEndian.AppendUint32(header, uint32(cap(header)-chunkHeaderBytes))
	header = append(header, "WAVEfmt "...)
	header = binary.LittleEndian.AppendUint32(header, formatBytes)
	header = append(header, format...)
	header = append(header, "data"...)
	return binary.LittleEndian.AppendUint32(header, 0)
}

// subformat gives the format tag inside an extensible fmt chunk. Its count of
// valid bits is not looked at: the valid bits are the upper ones, so a sample
// has the same value whether or not the lower ones count.
func subformat(raw []byte) (uint16, error) {
	if len(raw) < extensibleBytes {
		return 0, services.Invalidf(field, `has an extensible "fmt " chunk of %d bytes, at least %d are needed`, len(raw), extensibleBytes)
	}
	guid := raw[24:extensibleBytes]
	if string(guid[2:]) != subformatTail {
		return 0, unsupported("is a WAV file with the unknown subformat %x", guid)
	}
	return binary.LittleEndian.Uint16(guid), nil
}

// findCodec chooses how samples are converted.
func findCodec(tag uint16, bits int) (codec, error) {
	switch tag {
	case tagPCM:
		// Between whole bytes the value stands in the upper bits, so the next
		// larger container gives it the right scale.
		if i := (bits + 7) / 8; i >= 1 && i <= len(integerCodecs) {
			return integerCodecs[i-1], nil
		}
		return codec{}, unsupported("is a WAV file of %d-bit PCM", bits)
	case tagFloat:
		switch bits {
		case 32:
			return float32Codec, nil
		case 64:
			return float64Codec, nil
		}
		return codec{}, unsupported("is a WAV file of %d-bit float", bits)
	case tagALaw, tagMuLaw:
		chosen := aLawCodec
		if tag == tagMuLaw {
			chosen = muLawCodec
		}
		if bits != 8 {
			return codec{}, unsupported("is a WAV file of %d-bit %s", bits, chosen.encoding)
		}
		return chosen, nil
	}
	name := codecNames[tag]
	if name == "" {
		name = "an unknown codec"
	}
	return codec{}, unsupported("is a WAV file coded as %s (0x%04x)", name, tag)
}

// checked refuses numbers that no sound can have. A size of a frame that does
// not fit the samples is wrong and corrected, unless it makes room for 24 bits in
// four bytes.
func (f waveFormat) checked() (waveFormat, error) {
	switch {
	case f.channels == 0:
		return f, unsupported("is a WAV file of 0 channels")
	case f.sampleRateHz == 0:
		return f, unsupported("is a WAV file with a sample rate of 0 Hz")
	}
	f.wide = f.codec.encoding == integerCodecs[2].encoding && f.frameBytes == 4*f.channels
	f.frameBytes = f.channels * f.codec.sampleBytes
	return f, nil
}

// chooseWide looks at the first samples of a file that claims 24 bits in four
// bytes. Mostly the value stands in the upper three; there are files where it
// stands in the lower three, and packed ones that claim wrongly.
func (l *wavLayout) chooseWide(r io.ReadSeeker, f waveFormat) (waveFormat, error) {
	raw := make([]byte, min(bufferBytes, l.fileBytes-l.dataAt))
	n, err := peekAt(r, l.dataAt, raw)
	if err != nil {
		return f, err
	}
	upper, lower := true, true
	for s := raw[:n]; len(s) >= 4; s = s[4:] {
		upper = upper && s[0] == 0
		lower = lower && int8(s[3]) == int8(s[2])>>7
	}
	switch {
	case upper, !lower && f.byteRate != f.sampleRateHz*f.frameBytes:
		f.codec = integerCodecs[3]
	case lower:
		f.codec = lower24Codec
	}
	f.frameBytes = f.channels * f.codec.sampleBytes
	return f, nil
}
