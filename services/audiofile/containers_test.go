package audiofile

import (
	"bytes"
	"encoding/binary"
	"math"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/grym-synth/grym-synth/services"
)

// Containers of PCM that are built byte by byte, after their definitions.

func be16(v int) []byte { return binary.BigEndian.AppendUint16(nil, uint16(v)) }

// formChunk is a chunk of AIFF, padded to an even size.
func formChunk(id string, body []byte) []byte {
	return cat([]byte(id), be32(len(body)), body, make([]byte, len(body)%2))
}

// form is an AIFF file of chunks.
func form(kind string, chunks ...[]byte) []byte {
	body := cat(chunks...)
	return cat([]byte("FORM"), be32(4+len(body)), []byte(kind), body)
}

// extended is a whole number of hertz in 80 bits.
func extended(hertz int) []byte {
	shift := 0
	for mantissa := uint64(hertz); mantissa>>63 == 0; mantissa <<= 1 {
		shift++
	}
	return cat(be16(16383+63-shift), be64(uint64(hertz)<<shift))
}

// common is a COMM chunk; name is the compression of AIFF-C.
func common(channels, frames, bits, rate int, name string) []byte {
	body := cat(be16(channels), be32(frames), be16(bits), extended(rate))
	if name != "" {
		body = cat(body, []byte(name), []byte{0, 0})
	}
	return formChunk("COMM", body)
}

func soundChunk(samples []byte) []byte { return formChunk("SSND", cat(make([]byte, 8), samples)) }

func auFile(encoding, rate, channels int, size int, samples []byte) []byte {
	return cat([]byte(".snd"), be32(28), be32(size), be32(encoding), be32(rate), be32(channels), []byte("note"), samples)
}

// wave64Part is a chunk of Wave64, padded to eight bytes.
func wave64Part(id string, body []byte) []byte {
	return cat([]byte(id+wave64Tail), le64(uint64(24+len(body))), body, make([]byte, (8-len(body)%8)%8))
}

func wave64(chunks ...[]byte) []byte {
	body := cat(chunks...)
	return cat([]byte(wave64Mark), le64(uint64(40+len(body))), []byte("wave"+wave64Tail), body)
}

func cafPart(id string, size int, body []byte) []byte {
	return cat([]byte(id), be64(uint64(size)), body)
}

func cafDescription(name string, rate float64, flags, frameBytes, channels, bits int) []byte {
	return cafPart("desc", 32, cat(be64(math.Float64bits(rate)), []byte(name), be32(flags), be32(frameBytes), be32(1), be32(channels),
		be32(bits)))
}

func cafSound(samples []byte) []byte { return cafPart("data", 4+len(samples), cat(be32(0), samples)) }

func caf(parts ...[]byte) []byte { return cat([]byte("caff\x00\x01\x00\x00"), cat(parts...)) }

// fourLevels are the same four samples in every encoding.
var fourLevels = []float32{0.5, -0.25, 0, -1}

// encodedLevels are they, by the name of the encoding.
var encodedLevels = map[string][]byte{
	"pcm_u8":    {192, 96, 128, 0},
	"pcm_s8":    {64, 0xe0, 0, 0x80},
	"pcm_s16be": {0x40, 0, 0xe0, 0, 0, 0, 0x80, 0},
	"pcm_s16le": {0, 0x40, 0, 0xe0, 0, 0, 0, 0x80},
	"pcm_s24be": {0x40, 0, 0, 0xe0, 0, 0, 0, 0, 0, 0x80, 0, 0},
	"pcm_s24le": {0, 0, 0x40, 0, 0, 0xe0, 0, 0, 0, 0, 0, 0x80},
	"pcm_s32be": {0x40, 0, 0, 0, 0xe0, 0, 0, 0, 0, 0, 0, 0, 0x80, 0, 0, 0},
	"pcm_f32be": {0x3f, 0, 0, 0, 0xbe, 0x80, 0, 0, 0, 0, 0, 0, 0xbf, 0x80, 0, 0},
	"pcm_f64be": cat(be64(math.Float64bits(0.5)), be64(math.Float64bits(-0.25)), be64(0), be64(math.Float64bits(-1))),
}

// pcmFiles are files of two frames of two channels, by container and encoding.
func pcmFiles() map[[2]string][]byte {
	files := make(map[[2]string][]byte)
	for name, encoding := range map[string]string{
		"NONE8": "pcm_s8", "NONE16": "pcm_s16be", "NONE24": "pcm_s24be", "NONE32": "pcm_s32be", "twos16": "pcm_s16be", "sowt16": "pcm_s16le",
		"sowt24": "pcm_s24le", "raw 8": "pcm_u8", "in2424": "pcm_s24be", "fl3232": "pcm_f32be", "FL6464": "pcm_f64be", "NONE12": "pcm_s16be",
	} {
		bits := 0
		for _, digit := range name[4:] {
			bits = 10*bits + int(digit-'0')
		}
		files[[2]string{"aiff", encoding}] = form("AIFC", formChunk("FVER", be32(1)), common(2, 2, bits, 44100, name[:4]),
			soundChunk(encodedLevels[encoding]))
	}
	for number, encoding := range map[int]string{
		2: "pcm_s8", 3: "pcm_s16be", 4: "pcm_s24be", 5: "pcm_s32be", 6: "pcm_f32be", 7: "pcm_f64be",
	} {
		files[[2]string{"au", encoding}] = auFile(number, 44100, 2, len(encodedLevels[encoding]), encodedLevels[encoding])
	}
	files[[2]string{"w64", "pcm_s16le"}] = wave64(wave64Part("fmt ", formatBody(1, 2, 44100, 16)),
		wave64Part("data", encodedLevels["pcm_s16le"]))
	files[[2]string{"w64", "pcm_s24le"}] = wave64(wave64Part("data", encodedLevels["pcm_s24le"]), wave64Part("junk", make([]byte, 5)),
		wave64Part("fmt ", formatBody(1, 2, 44100, 24)))
	for encoding, flags := range map[string][2]int{
		"pcm_s8": {0, 8}, "pcm_s16be": {0, 16}, "pcm_s16le": {2, 16}, "pcm_s24be": {0, 24}, "pcm_s24le": {2, 24}, "pcm_s32be": {0, 32},
		"pcm_f32be": {1, 32}, "pcm_f64be": {1, 64},
	} {
		files[[2]string{"caf", encoding}] = caf(cafDescription("lpcm", 44100, flags[0], 2*flags[1]/8, 2, flags[1]),
			cafPart("free", 3, make([]byte, 3)), cafSound(encodedLevels[encoding]))
	}
	return files
}

func TestPCMInOtherContainers(t *testing.T) {
	t.Parallel()
	for name, file := range pcmFiles() {
		format, got := decode(t, file)
		require.Equal(t, name, [2]string{format.Container, format.Encoding})
		require.Equal(t, fourLevels, got, name)
		require.Equal(t, 44100, format.SampleRateHz, name)
		reader, err := openBytes(file)
		require.NoError(t, err)
		require.Empty(t, reader.Warnings(), name)
	}
}

// The same policy as for WAV: what is cut is decoded up to the cut, what follows the end
// is reported.
func TestPCMInOtherContainersThatIsCutOrGoesOn(t *testing.T) {
	t.Parallel()
	sound := pcm16(slices.Repeat([]int{100, -100}, 500)...)
	for name, file := range map[string][]byte{
		"aiff": form("AIFF", common(1, 1000, 16, 8000, ""), soundChunk(sound)),
		"au":   auFile(3, 8000, 1, len(sound), sound),
		"w64":  wave64(wave64Part("fmt ", formatBody(1, 1, 8000, 16)), wave64Part("data", sound)),
		"caf":  caf(cafDescription("lpcm", 8000, 2, 2, 1, 16), cafSound(sound)),
	} {
		frames, reader, err := countFrames(file[:len(file)-501], DefaultLimits())
		require.NoError(t, err, name)
		require.EqualValues(t, 1000-251, frames, name)
		require.Equal(t, []services.WarningCode{services.WarnTruncated}, codes(reader), name)
		strict := DefaultLimits()
		strict.Strict = true
		_, _, err = countFrames(file[:len(file)-501], strict)
		requireFault(t, err, services.KindInvalid, "is cut short: ", "; upload the whole file")
		requireRefused(t, file[:len(file)-len(sound)], services.KindInvalid, "is cut short: ")

		frames, reader, err = countFrames(cat(file, []byte("unknown bytes")), DefaultLimits())
		require.NoError(t, err, name)
		require.EqualValues(t, 1000, frames, name)
		require.Equal(t, []services.WarningCode{services.WarnTrailingData}, codes(reader), name)
		frames, reader, err = countFrames(cat(file, make([]byte, 99), id3v1()), DefaultLimits())
		require.NoError(t, err, name)
		require.EqualValues(t, 1000, frames, name)
		require.Empty(t, codes(reader), name)
	}
}

// Files that were written to a pipe, with the sizes that ffmpeg and sox state.
func TestPCMOfUnknownLength(t *testing.T) {
	t.Parallel()
	sound := pcm16(1, 2, 3, 4, 5)
	tail := func(file []byte, offset int, size []byte) []byte {
		file = slices.Clone(file)
		copy(file[offset:], size)
		return file
	}
	aiff := form("AIFF", common(1, 0, 16, 8000, ""), soundChunk(sound))
	sound64 := wave64(wave64Part("fmt ", formatBody(1, 1, 8000, 16)), wave64Part("data", sound))
	data64 := bytes.LastIndex(sound64, []byte("data"+wave64Tail)) + 16
	for name, file := range map[string][]byte{
		"ffmpeg's AIFF": tail(tail(aiff, 4, be32(0)), 12+26+4, be32(0)),
		"sox's AIFF":    tail(tail(aiff, 4, be32(0x7f000026)), 12+26+4, be32(0x7f000008)),
		"AU":            auFile(3, 8000, 1, -1, sound),
		"CAF":           caf(cafDescription("lpcm", 8000, 0, 2, 1, 16), cafPart("data", -1, cat(be32(0), sound))),
		"Wave64":        tail(tail(sound64[:data64+8+len(sound)], 16, le64(math.MaxInt64)), data64, le64(math.MaxInt64)),
	} {
		frames, reader, err := countFrames(file, DefaultLimits())
		require.NoError(t, err, name)
		require.EqualValues(t, 5, frames, name)
		require.Empty(t, reader.Warnings(), name)
	}
}

func TestPCMContainersThatAreRefused(t *testing.T) {
	t.Parallel()
	sound := soundChunk(pcm16(1, 2, 3))
	nan := cat(be16(0x7fff), be64(math.MaxUint64))
	for text, file := range map[string][]byte{
		"without an SSND chunk":                      form("AIFF", common(1, 3, 16, 8000, "")),
		"impossible header: 0 channels":              form("AIFF", common(0, 3, 16, 8000, ""), sound),
		"impossible header: 1 channels, +Inf Hz":     form("AIFF", formChunk("COMM", cat(be16(1), be32(3), be16(16), nan)), sound),
		`"COMM" chunk of 4 bytes`:                    form("AIFF", formChunk("COMM", be32(1)), sound),
		"more than 1000 chunks":                      form("AIFF", bytes.Repeat(formChunk("ANNO", nil), 1001), sound),
		"impossible header: 0 channels, 8000 Hz":     auFile(3, 8000, 0, 2, pcm16(1)),
		"impossible header: 1 channels, 0 Hz":        auFile(3, 0, 1, 2, pcm16(1)),
		"has more than 1000 chunks":                  caf(bytes.Repeat(cafPart("free", 0, nil), 1001)),
		"without sound":                              caf(cafDescription("lpcm", 8000, 0, 2, 1, 16)),
		"impossible header: 1 channels, NaN Hz":      caf(cafDescription("lpcm", math.NaN(), 0, 2, 1, 16), cafSound(pcm16(1))),
		`no "data" chunk`:                            wave64(wave64Part("fmt ", formatBody(1, 1, 8000, 16))),
		"contains no samples":                        form("AIFF", common(1, 0, 16, 8000, ""), soundChunk(nil)),
		"(NaN, infinite or beyond single precision)": auFile(6, 8000, 1, 4, []byte{0x7f, 0xc0, 0, 0}),
		"without the sizes of its packets": caf(cafDescription("alac", 8000, 0, 0, 1, 16), cafPart("kuki", 24, alacConfig(8000, 16, 1)),
			cafSound(pcm16(1))),
		"is cut short: it ends before its samples": form("AIFF", common(1, 3, 16, 8000, ""), []byte("SSND\x00\x00\x00\x08")),
	} {
		requireRefused(t, file, services.KindInvalid, text)
	}
	for text, file := range map[string][]byte{
		`coded as "ima4"`:               form("AIFC", common(1, 3, 16, 8000, "ima4"), sound),
		"with the encoding 23":          auFile(23, 8000, 1, 2, pcm16(1)),
		`of 24 bits coded as "lpcm"`:    caf(cafDescription("lpcm", 8000, 0, 4, 1, 24), cafSound(pcm16(1, 2))),
		`of 0 bits coded as "aac "`:     caf(cafDescription("aac ", 8000, 0, 0, 1, 0), cafSound(pcm16(1))),
		"a Wave64 file of another kind": cat([]byte(wave64Mark), le64(64), []byte("avi "+wave64Tail), make([]byte, 24)),
		"coded as Microsoft ADPCM":      wave64(wave64Part("fmt ", formatBody(2, 1, 8000, 4)), wave64Part("data", pcm16(1))),
	} {
		requireRefused(t, file, services.KindUnsupported, text)
	}
}

// alacConfig describes a stream of ALAC.
func alacConfig(rate, bits, channels int) []byte {
	return cat(be32(4096), []byte{0, byte(bits), 40, 10, 14, byte(channels)}, be16(255), be32(0), be32(0), be32(rate))
}

// A file that begins with a tag is a section, in which a part is sought.
func TestPartOfAFileBehindATag(t *testing.T) {
	t.Parallel()
	file := cat(id3Tag(100), mono16(1, 2, 3, 4, 5, 6, 7, 8))
	got, _ := partOf(t, file, 3.0/16000, 5.0/16000)
	require.Equal(t, []float32{4.0 / 32768, 5.0 / 32768}, got)
}

// Bytes of no format before the sound, which clients and recorders leave there.
func TestBytesBeforeTheSound(t *testing.T) {
	t.Parallel()
	files := map[string][]byte{
		"WAV": mono16(slices.Repeat([]int{100, -100}, 500)...), "FLAC": clip(t, "speech.flac"), "Ogg": clip(t, "speech.ogg"),
		"WebM": clip(t, "speech.webm"), "AIFF": form("AIFF", common(1, 3, 16, 8000, ""), soundChunk(pcm16(1, 2, 3))),
		"MP4": clip(t, "speech-alac.m4a"), "tag": cat(id3Tag(3000), clip(t, "speech.flac")), "MP2": clip(t, "speech.mp2"),
	}
	for name, file := range files {
		want, _ := readFile(t, file)
		for what, junk := range map[string][]byte{
			"a zero": {0}, "zeros": make([]byte, 100000), "a size in hexadecimal": []byte("1f40\r\n\x00\x01"),
			"many others": bytes.Repeat([]byte("\x01junk\xff"), 500),
		} {
			got, reader := readFile(t, cat(junk, file))
			require.Equal(t, want, got, "%s behind %s", name, what)
			require.Empty(t, reader.Warnings(), "%s behind %s", name, what)
		}
	}
	// The delay of an MP3 remains, as in ffmpeg, because the file is no longer whole.
	whole, _ := readFile(t, clip(t, "speech.mp3"))
	for _, zeros := range []int{3000, 100000} {
		got, _ := readFile(t, cat(make([]byte, zeros), clip(t, "speech.mp3")))
		require.Zero(t, len(got)%576)
		require.Equal(t, whole, got[576+529:][:len(whole)])
	}
	requireRefused(t, cat(make([]byte, maxZeros+1), files["WAV"]), services.KindUnsupported, "not in an audio format that is known here")
	requireRefused(t, cat(bytes.Repeat([]byte{1}, maxJunk+1), files["WAV"]), services.KindUnsupported,
		"not in an audio format that is known here")
	requireRefused(t, make([]byte, 5000), services.KindUnsupported, "not in an audio format that is known here")
}
