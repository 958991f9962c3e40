package audiofile

import (
	"encoding/binary"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/grym-synth/grym-synth/services"
)

func TestSoundBehindTheSamplesOfAWAV(t *testing.T) {
	t.Parallel()
	format, data := formatChunk(1, 1, 16000, 16), chunk("data", pcm16(1, 2, 3))
	file := riff(format, data)
	less := riff(format, chunk("data", pcm16(1, 2, 3)), pcm16(-1000, 20000, 7, 8, -3, 9, 900, -20000))
	rf64 := cat([]byte("RF64"), le32(-1), []byte("WAVE"), chunk("ds64", cat(le64(78), le64(6), le64(3), le32(0))),
		format, claim("data", -1, pcm16(1, 2, 3)))
	for name, test := range map[string]struct {
		file []byte
		text string // empty: no warning
	}{
		"another WAV after it": {
			cat(file, file),
			"has 50 bytes after the end that its header states, beginning with a WAV file, ",
		},
		"a FLAC after it":                {cat(file, clip(t, "speech.flac")), "beginning with a FLAC file"},
		"bytes after it":                 {cat(file, []byte("some bytes")), "has 10 bytes after the end that its header states"},
		"a second data chunk":            {riff(format, data, data), "has a second data chunk of 6 bytes, which is not decoded"},
		"and chunks between":             {riff(format, data, chunk("LIST", []byte("INFOx")), data), "has a second data chunk of 6 bytes"},
		"data that says less":            {less, "has 16 bytes after the end that its header states"},
		"another after RF64":             {cat(rf64, file), "beginning with a WAV file"},
		"zeros after it":                 {cat(file, make([]byte, 4000)), ""},
		"an ID3 tag after it":            {cat(file, id3Tag(300)), ""},
		"a LIST after its data":          {riff(format, data, chunk("LIST", []byte("INFO"))), ""},
		"a chunk that is cut, after all": {riff(format, data, claim("LIST", 900, []byte("INFO"))), "has 12 bytes after"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, reader := readFile(t, test.file)
			require.Len(t, got, 3)
			if test.text == "" {
				require.Empty(t, reader.Warnings())
				return
			}
			require.Len(t, reader.Warnings(), 1)
			require.Equal(t, services.WarnTrailingData, reader.Warnings()[0].Code)
			require.Contains(t, reader.Warnings()[0].Message, test.text)

			strict := DefaultLimits()
			strict.Strict = true
			_, _, err := countFrames(test.file, strict)
			require.NoError(t, err, "nothing is cut")
		})
	}
}

func TestWAVThatIsCut(t *testing.T) {
	t.Parallel()
	format := formatChunk(1, 1, 16000, 16)
	ds64 := func(size uint64) []byte { return chunk("ds64", cat(le64(0), le64(size), le64(0))) }
	rf64 := func(size uint64) []byte {
		return cat([]byte("RF64"), le32(-1), []byte("WAVE"), ds64(size), format, claim("data", -1, make([]byte, 8)))
	}
	strict := DefaultLimits()
	strict.Strict = true
	for text, test := range map[string]struct {
		file   []byte
		frames int64
	}{
		"its header promises 93680 bytes of samples (2.93 s), 40000 are there": {
			riff(format, claim("data", 93680, make([]byte, 40000))),
			20000,
		},
		"its header promises 8 bytes of samples (0.00 s), 6 are there": {riff(format, claim("data", 8, make([]byte, 6))), 3},
		"its header promises 1099511627776 bytes of samples":           {rf64(1 << 40), 4},
		"promises 9223372036854775807 bytes of samples":                {rf64(1<<63 + 5), 4},
	} {
		frames, reader, err := countFrames(test.file, DefaultLimits())
		require.NoError(t, err)
		require.Equal(t, test.frames, frames)
		require.Len(t, reader.Warnings(), 1)
		require.Equal(t, services.WarnTruncated, reader.Warnings()[0].Code)
		require.Contains(t, reader.Warnings()[0].Message, text)
		_, _, err = countFrames(test.file, strict)
		requireFault(t, err, services.KindInvalid, "is cut short: ", text, "; upload the whole file")
	}
}

// Frame sizes that do not match the samples are wrong, as in a public bug report,
// unless they have room for 24 bits in four bytes.
func TestSizesOfAFrame(t *testing.T) {
	t.Parallel()
	levels := []int32{1, -2, 1 << 20, -1 << 23, 8388607, 70000, -70000, 12345}
	var upper, lower, packed, noisy []byte
	var want []float32
	for i, level := range levels {
		upper = binary.LittleEndian.AppendUint32(upper, uint32(level<<8))
		lower = binary.LittleEndian.AppendUint32(lower, uint32(level))
		packed = append(packed, byte(level), byte(level>>8), byte(level>>16))
		noisy = binary.LittleEndian.AppendUint32(noisy, uint32(level<<8|int32(i+1)))
		want = append(want, float32(level)/(1<<23))
	}
	format := func(bits, block, byteRate int) []byte {
		return chunk("fmt ", cat(le16(1), le16(1), le32(16000), le32(byteRate), le16(block), le16(bits)))
	}
	for name, file := range map[string][]byte{
		"24 bits in the upper bytes":         riff(format(24, 4, 64000), chunk("data", upper)),
		"with a wrong byte rate":             riff(format(24, 4, 48000), chunk("data", upper)),
		"24 bits in the lower bytes":         riff(format(24, 4, 64000), chunk("data", lower)),
		"packed, with a block of four":       riff(format(24, 4, 48000), chunk("data", packed)),
		"packed, with a block of one":        riff(format(24, 1, 48000), chunk("data", packed)),
		"24 bits in four bytes, all of them": riff(format(24, 4, 64000), chunk("data", noisy)),
	} {
		got, _ := readFile(t, file)
		require.InDeltaSlice(t, want, got, 1e-7, name)
	}
	for _, block := range []int{0, 1, 4, 5} {
		got, _ := readFile(t, riff(format(16, block, 32000), chunk("data", pcm16(100, -200, 300, 400))))
		require.Equal(t, []float32{100.0 / 32768, -200.0 / 32768, 300.0 / 32768, 400.0 / 32768}, got, "block of %d", block)
	}
}

// Digital silence is a valid recording; a task may reject it.
func TestSilenceIsSound(t *testing.T) {
	t.Parallel()
	for _, out := range []Output{{WAV, Depth16, 16000, 1, ""}, {FLAC, Depth16, 16000, 2, ""}} {
		got, reader := readFile(t, write(t, out, make([]float32, 3200*out.Channels)))
		require.Equal(t, make([]float32, 3200*out.Channels), got)
		require.Empty(t, reader.Warnings())
	}
}
