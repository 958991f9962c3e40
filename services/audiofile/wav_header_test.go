package audiofile

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/grym-synth/grym-synth/services"
)

// Every file here holds the levels 100, -200, 300.
func TestChunkOrdersAndSizes(t *testing.T) {
	t.Parallel()
	levels := pcm16(100, -200, 300)
	format := formatChunk(1, 1, 16000, 16)
	data := chunk("data", levels)
	header := func(riffSize int, chunks ...[]byte) []byte {
		return cat([]byte("RIFF"), le32(riffSize), []byte("WAVE"), cat(chunks...))
	}
	ds64 := func(dataSize uint64) []byte {
		return chunk("ds64", cat(le64(0), le64(dataSize), le64(3), le32(0)))
	}
	rf64 := func(id string, chunks ...[]byte) []byte {
		return cat([]byte(id), le32(-1), []byte("WAVE"), cat(chunks...))
	}
	for _, test := range []struct {
		name string
		file []byte
	}{
		{"plain", riff(format, data)},
		{"LIST before the format", riff(chunk("LIST", []byte("INFOISFT\x04\x00\x00\x00abc\x00")), format, data)},
		{"bext and JUNK before the format", riff(chunk("bext", make([]byte, 602)), chunk("JUNK", make([]byte, 28)), format, data)},
		{"fact and LIST before the samples", riff(format, chunk("fact", le32(3)), chunk("LIST", []byte("INFO")), data)},
		{"cue with a size of its own inside", riff(format, chunk("cue ", le32(1<<30)), data)},
		{"chunks after the samples", riff(format, data, chunk("LIST", []byte("INFO")), chunk("id3 ", make([]byte, 99)))},
		{"odd chunk with its padding", riff(chunk("LIST", []byte("INFOx")), format, chunk("junk", []byte{1}), data)},
		{"odd chunk without its padding before fmt", riff(claim("LIST", 5, []byte("INFOx")), format, data)},
		{"odd chunk without its padding before data", riff(format, claim("junk", 1, []byte{1}), data)},
		{"a chunk id of strange bytes", riff(chunk("\x00\xff\n%", []byte("ab")), format, data)},
		{"samples before the format", riff(data, format)},
		{"a second fmt chunk is not looked at", riff(format, formatChunk(2, 9, 1, 4), data)},
		{"RIFF size 0", header(0, format, data)},
		{"RIFF size all ones", header(-1, format, data)},
		{"RIFF size too small", header(10, format, data)},
		{"RIFF size too large", header(1<<20, format, data)},
		{"streamed, both sizes 0", header(0, format, claim("data", 0, levels))},
		{"streamed, both sizes all ones (ffmpeg)", header(-1, format, claim("data", -1, levels))},
		{"streamed, all ones less a header", header(-1, format, claim("data", math.MaxUint32-44, levels))},
		{"streamed, 2 GiB less a page (sox)", header(0x7ffff024, format, claim("data", 0x7ffff000, levels))},
		{"streamed, 2 GiB (arecord)", header(-1<<31+36, format, claim("data", 1<<31, levels))},
		{"streamed, half a frame at the end", header(-1, format, claim("data", -1, cat(levels, []byte{7})))},
		{"half a frame at the end", header(0, format, claim("data", 7, cat(levels, []byte{7, 0})))},
		{"half a frame promised and not there", header(0, format, claim("data", 7, levels))},
		{"RF64", rf64("RF64", ds64(6), format, claim("data", -1, cat(levels, []byte("LIST\x00\x00\x00\x00"))))},
		{"BW64 with a right 32-bit size", rf64("BW64", ds64(6), format, data)},
		{"RF64 of unknown size", rf64("RF64", ds64(math.MaxUint64), format, claim("data", -1, levels))},
		{"RF64 with size 0", rf64("RF64", ds64(0), format, claim("data", -1, levels))},
		{"format of 18 bytes", riff(chunk("fmt ", cat(formatBody(1, 1, 16000, 16), le16(0))), data)},
		{"format of 200 bytes", riff(chunk("fmt ", cat(formatBody(1, 1, 16000, 16), make([]byte, 184))), data)},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			format, got := decode(t, test.file)
			require.Equal(t, []float32{100.0 / 32768, -200.0 / 32768, 300.0 / 32768}, got)
			require.Equal(t, Format{"wav", "pcm_s16le", 16000, 1, 16, 3, false}, format)
		})
	}
}

func TestDamagedFiles(t *testing.T) {
	t.Parallel()
	format := formatChunk(1, 1, 16000, 16)
	data := chunk("data", pcm16(1, 2, 3))
	cut := func(claimed, there int) []byte {
		return riff(format, claim("data", claimed, make([]byte, there)))
	}
	manyChunks := make([][]byte, 1002)
	for i := range manyChunks {
		manyChunks[i] = chunk("JUNK", nil)
	}
	for _, test := range []struct {
		name  string
		file  []byte
		texts []string
	}{
		{"empty", nil, []string{"file is empty (0 bytes)"}},
		{"cut in the RIFF header", []byte("RIFF\x00\x00"), []string{"is cut short", "a WAV header has 12 bytes, 6 are there"}},
		{"nothing but the RIFF header", riff(), []string{`no "fmt " chunk`, `no "data" chunk`}},
		{"no format", riff(data), []string{`no "fmt " chunk`}},
		{"no samples chunk", riff(format), []string{`no "data" chunk`}},
		{"cut before the first sample", cut(93680, 0), []string{"promises 93680 bytes of samples (2.93 s), 0 are there"}},
		{"cut in a chunk before the samples", riff(format, claim("LIST", 4000, make([]byte, 9))),
			[]string{`its "LIST" chunk promises 4000 bytes, 9 are there`}},
		{"cut in the format", riff(claim("fmt ", 16, make([]byte, 9))), []string{`its "fmt " chunk promises 16 bytes, 9 are there`}},
		{"samples first, and cut", riff(claim("data", 4000, make([]byte, 9))), []string{`no "fmt " chunk`}},
		{"no samples", riff(format, chunk("data", nil)), []string{"holds no samples"}},
		{"no samples, a chunk after them", riff(format, chunk("data", nil), chunk("LIST", []byte("INFO"))), []string{"holds no samples"}},
		{"no samples, padding that the RIFF size leaves out",
			cat([]byte("RIFF"), le32(4+len(format)+8+9), []byte("WAVE"), format, chunk("data", nil), chunk("junk", []byte{1})),
			[]string{"holds no samples"}},
		{"half a frame", riff(format, claim("data", 1, []byte{1})), []string{"holds no samples"}},
		{"format too short", riff(chunk("fmt ", make([]byte, 14)), data), []string{`"fmt " chunk of 14 bytes, at least 16`}},
		{"format empty", riff(chunk("fmt ", nil), data), []string{`"fmt " chunk of 0 bytes`}},
		{"extensible format too short", riff(chunk("fmt ", cat(formatBody(0xfffe, 1, 16000, 16), le16(0))), data),
			[]string{`extensible "fmt " chunk of 18 bytes, at least 40`}},
		{"endless empty chunks", riff(manyChunks...), []string{"more than 1000 chunks"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			_, err := openBytes(test.file)
			requireFault(t, err, services.KindInvalid, test.texts...)
		})
	}
}

func TestManyChunksBeforeTheSamplesAreFine(t *testing.T) {
	t.Parallel()
	chunks := [][]byte{formatChunk(1, 1, 16000, 16)}
	for range 998 {
		chunks = append(chunks, chunk("JUNK", nil))
	}
	_, got := decode(t, riff(append(chunks, chunk("data", pcm16(5)))...))
	require.Len(t, got, 1)
}

func TestCodecsThatAreNotDecoded(t *testing.T) {
	t.Parallel()
	data := chunk("data", make([]byte, 64))
	withBlock := func(tag, channels, rate, bits, block int) []byte {
		body := formatBody(tag, channels, rate, bits)
		copy(body[12:14], le16(block))
		return chunk("fmt ", body)
	}
	oddGUID := extensibleChunk(1, 1, 16000, 16, 16)
	oddGUID[len(oddGUID)-1] = 0
	for _, test := range []struct {
		name   string
		format []byte
		text   string
	}{
		{"Microsoft ADPCM", formatChunk(2, 1, 16000, 4), "coded as Microsoft ADPCM (0x0002)"},
		{"IMA ADPCM", formatChunk(0x11, 1, 16000, 4), "coded as IMA ADPCM (0x0011)"},
		{"GSM", formatChunk(0x31, 1, 8000, 0), "coded as GSM 6.10 (0x0031)"},
		{"MP3 in WAV", formatChunk(0x55, 2, 44100, 0), "coded as MP3 (0x0055)"},
		{"MP3 in extensible", extensibleChunk(0x55, 2, 44100, 0, 0), "coded as MP3 (0x0055)"},
		{"unknown tag", formatChunk(0x1234, 1, 16000, 16), "coded as an unknown codec (0x1234)"},
		{"unknown subformat", oddGUID, "unknown subformat 0100000000001000800000aa00389b00"},
		{"64-bit PCM", formatChunk(1, 1, 16000, 64), "64-bit PCM"},
		{"0-bit PCM", formatChunk(1, 1, 16000, 0), "0-bit PCM"},
		{"16-bit float", formatChunk(3, 1, 16000, 16), "16-bit float"},
		{"16-bit A-law", formatChunk(6, 1, 8000, 16), "16-bit pcm_alaw"},
		{"no channels", withBlock(1, 0, 16000, 16, 0), "WAV file of 0 channels"},
		{"no rate", formatChunk(1, 1, 0, 16), "sample rate of 0 Hz"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			_, err := openBytes(riff(test.format, data))
			requireFault(t, err, services.KindUnsupported, test.text)
		})
	}
}
