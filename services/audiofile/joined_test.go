package audiofile

import (
	"bytes"
	"encoding/binary"
	"os/exec"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/grym-synth/grym-synth/services"
)

// readFile decodes a whole file with the default limits.
func readFile(t testing.TB, file []byte) ([]float32, *Reader) {
	t.Helper()
	reader, err := openBytes(file)
	require.NoError(t, err)
	return readAll(t, reader), reader
}

// requireRefused decodes until the expected fault.
func requireRefused(t *testing.T, file []byte, kind services.Kind, texts ...string) {
	t.Helper()
	_, _, err := countFrames(file, DefaultLimits())
	requireFault(t, err, kind, texts...)
}

// opusLinkOf is an Ogg stream of the given number of packets of 20 ms, one per page.
func opusLinkOf(serial uint32, channels, packets int, ended bool) []byte {
	head := cat([]byte("OpusHead\x01"), []byte{byte(channels)}, le16(312), le32(48000), []byte{0, 0, 0})
	file := cat(pageOf(oggFirst, 0, serial, head), pageOf(0, 0, serial, []byte("OpusTags\x00\x00\x00\x00\x00\x00\x00\x00")))
	for i := range packets {
		flags := byte(0)
		if ended && i == packets-1 {
			flags = oggLast
		}
		file = cat(file, pageOf(flags, int64(960*(i+1)), serial, []byte{0xfc, 0xff, 0xfe}))
	}
	return file
}

func TestChainedOgg(t *testing.T) {
	t.Parallel()
	const ten, five = 9600 - 312, 4800 - 312
	first, second := opusLinkOf(1, 1, 10, true), opusLinkOf(2, 2, 5, true)
	vorbis := pageOf(oggFirst, 0, 3, []byte("\x01vorbis"))
	skipped := opusLinkOf(9, 1, 1, true)
	copy(skipped[oggHeaderBytes+1+10:], le16(4095))
	theora := pageOf(oggFirst, 0, 3, []byte("\x80theora"))
	for name, test := range map[string]struct {
		file     []byte
		frames   int
		channels int
	}{
		"two links":                     {cat(first, second), ten + five, 2},
		"the first without its end":     {cat(opusLinkOf(1, 1, 10, false), second), ten + five, 2},
		"of one serial number":          {cat(opusLinkOf(1, 1, 10, false), opusLinkOf(1, 1, 5, true)), ten + five, 1},
		"three, and a tag between":      {cat(first, id3Tag(3000), first, second), 2*ten + five, 2},
		"with pictures beside":          {cat(first, theora, second, pageOf(0, 5, 3, []byte("picture"))), ten + five, 2},
		"pages after the end":           {cat(first, pageOf(0, 10560, 1, []byte{0xfc, 0xff, 0xfe})), ten + 960, 1},
		"a link that holds nothing":     {cat(first, opusLinkOf(2, 1, 0, true), first), 2 * ten, 1},
		"a first link that is all skip": {cat(skipped, first), ten, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, reader := readFile(t, test.file)
			require.Len(t, got, test.frames*test.channels)
			require.Equal(t, Format{"ogg", "opus", 48000, test.channels, 0, int64(test.frames), false}, reader.Format())
			require.Empty(t, reader.Warnings())
		})
	}
	requireRefused(t, cat(first, opusLinkOf(2, 6, 5, true)), services.KindUnsupported, "is Opus of 6 channels in mapping family 0")
	requireRefused(t, cat(first, vorbis, pageOf(0, 0, 3, []byte("sound"))), services.KindInvalid, "continues as Ogg Vorbis after its Opus")
	requireRefused(t, cat(first, clip(t, "speech.flac")), services.KindInvalid, "continues as a FLAC file",
		"send the parts as separate files")
	requireRefused(t, cat(first, mono16(1, 2, 3)), services.KindInvalid, "continues as a WAV file")
}

// Each link is decoded as if it were alone.
func TestChainedOggKeepsItsSound(t *testing.T) {
	t.Parallel()
	first, second := clip(t, "speech-silk.opus"), clip(t, "speech-60ms.opus")
	one, _ := readFile(t, first)
	two, _ := readFile(t, second)
	both, reader := readFile(t, cat(first, second))
	require.Equal(t, slices.Concat(one, two), both)
	require.Empty(t, reader.Warnings())

	stereo := clip(t, "speech-celt.opus")
	three, _ := readFile(t, stereo)
	both, reader = readFile(t, cat(stereo, first))
	require.Equal(t, three, both[:len(three)])
	require.Equal(t, 2*len(one), len(both)-len(three))
	for i, x := range one {
		require.InDelta(t, x, both[len(three)+2*i], 1e-6)
		require.InDelta(t, x, both[len(three)+2*i+1], 1e-6)
	}
	require.Empty(t, reader.Warnings())
}

func TestOggBehindGarbage(t *testing.T) {
	t.Parallel()
	garbage := bytes.Repeat([]byte("OggX garbage "), 500)
	file := opusLinkOf(1, 1, 10, true)
	page := len(file) - len(pageOf(0, 0, 1, []byte{0xfc, 0xff, 0xfe}))
	got, reader := readFile(t, cat(file[:page], garbage, file[page:]))
	require.Len(t, got, 9600-312)
	require.Empty(t, reader.Warnings())

	got, reader = readFile(t, cat(file, garbage))
	require.Len(t, got, 9600-312)
	require.Equal(t, []services.WarningCode{services.WarnTrailingData}, codes(reader))
	got, reader = readFile(t, cat(file, make([]byte, 5000)))
	require.Len(t, got, 9600-312)
	require.Empty(t, reader.Warnings(), "zeros")

	// A page with missing bytes is dropped, but not the following one.
	lost := opusLinkOf(1, 1, 10, true)
	damaged := slices.Clone(lost[:page])
	at := bytes.LastIndex(damaged, oggMark)
	binary.LittleEndian.PutUint32(damaged[at+22:], 1) // not a checksum of anything here
	got, reader = readFile(t, cat(damaged[:len(damaged)-2], lost[page:]))
	require.Len(t, got, 9600-312-960)
	require.Empty(t, reader.Warnings())
}

// The checksums of invalid pages are computed only up to a limit, because each costs up
// to the size of a page.
func TestOggOfFalsePages(t *testing.T) {
	t.Parallel()
	none := cat([]byte("OggS\x00\x00"), make([]byte, 16), []byte{1, 0, 0, 0, 255}, bytes.Repeat([]byte{255}, 255))
	requireRefused(t, cat(opusLinkOf(1, 1, 10, true), bytes.Repeat(none, 1000)), services.KindInvalid, "is damaged at 0.19 s")
}

// A packet whose beginning or end is on a missing page is dropped.
func TestOggWithoutAPage(t *testing.T) {
	t.Parallel()
	quiet := []byte{0xfc, 0xff, 0xfe}
	long := cat(quiet[:1], make([]byte, 600))
	head := opusLinkOf(1, 1, 0, false)
	// A packet of 601 bytes on two pages: 510 bytes on the first.
	begin := cat([]byte("OggS\x00\x00"), le64(960), le32(1), make([]byte, 8), []byte{3, 3, 255, 255}, quiet, long[:510])
	end := cat([]byte("OggS\x00\x01"), le64(2880), le32(1), make([]byte, 8), []byte{2, 91, 3}, long[510:], quiet)
	last := pageOf(oggLast, 3840, 1, quiet)
	whole, _ := readFile(t, cat(head, begin, end, last))
	require.Len(t, whole, 4*960-312)
	for _, file := range [][]byte{cat(head, begin, last), cat(head, end, last)} {
		got, reader := readFile(t, file)
		require.Len(t, got, 2*960-312)
		require.Empty(t, reader.Warnings())
	}
}

func TestFLACBehindFLAC(t *testing.T) {
	t.Parallel()
	samples := noiseAndTone(5000, 2)
	first, second := write(t, Output{FLAC, Depth16, 16000, 2, ""}, samples), write(t, Output{FLAC, Depth24, 16000, 2, ""}, samples[:2000])
	one, _ := readFile(t, first)
	two, _ := readFile(t, second)
	for name, file := range map[string][]byte{
		"directly":     cat(first, second),
		"with tags":    cat(id3Tag(100), first, apeTag(900, true), id3Tag(200000), second, id3v1()),
		"length open":  cat(unknownLength(first), second),
		"of both open": cat(unknownLength(first), unknownLength(second)),
	} {
		got, reader := readFile(t, file)
		require.Equal(t, slices.Concat(one, two), got, name)
		require.Empty(t, reader.Warnings(), name)
		require.EqualValues(t, 6000, reader.Format().Frames, name)
	}
	requireRefused(t, cat(first, write(t, Output{FLAC, Depth16, 8000, 2, ""}, samples)), services.KindInvalid,
		"changes within from 2 channels of 16000 Hz to 2 of 8000 Hz, after 0.31 s")
	requireRefused(t, cat(first, write(t, Output{FLAC, Depth16, 16000, 1, ""}, samples)), services.KindInvalid, "to 1 of 16000 Hz")
	requireRefused(t, cat(first, clip(t, "speech.ogg")), services.KindInvalid, "continues as an Ogg Vorbis file")

	// The first one is truncated: the next file begins where its frames end.
	cut := cat(first[:len(first)*2/3], second)
	checkFile(t, cut)
}

// unknownLength is a FLAC file that was written to a pipe.
func unknownLength(file []byte) []byte {
	file = slices.Clone(file)
	file[21] &= 0xf0
	copy(file[22:26], []byte{0, 0, 0, 0})
	return file
}

func TestWebMBehindWebM(t *testing.T) {
	t.Parallel()
	first, second := clip(t, "speech.webm"), clip(t, "speech-live.webm")
	one, _ := readFile(t, first)
	two, _ := readFile(t, second)
	for _, files := range [][2][]byte{{first, second}, {second, first}, {second, second}} {
		want := slices.Concat(one, two)
		switch {
		case bytes.Equal(files[0], files[1]):
			want = slices.Concat(two, two)
		case bytes.Equal(files[0], second):
			want = slices.Concat(two, one)
		}
		got, reader := readFile(t, cat(files[0], files[1]))
		require.Equal(t, want, got)
		require.Empty(t, reader.Warnings())
	}
	requireRefused(t, cat(first, mono16(1, 2, 3)), services.KindInvalid, "continues as a WAV file")

	got, reader := readFile(t, cat(first, []byte("\x00junk that is no element")))
	require.Equal(t, one, got)
	require.Equal(t, []services.WarningCode{services.WarnTrailingData}, codes(reader))
	got, reader = readFile(t, cat(second, []byte("\x00junk that is no element")))
	require.Equal(t, two, got)
	require.Equal(t, []services.WarningCode{services.WarnTrailingData}, codes(reader))
	got, reader = readFile(t, cat(first, id3v1(), make([]byte, 700)))
	require.Equal(t, one, got)
	require.Empty(t, reader.Warnings())

	// Damage, and the clusters behind it.
	live := bytes.LastIndex(second, []byte(clusterMark))
	require.Positive(t, live)
	got, reader = readFile(t, cat(second[:live], []byte("\x00damage\x1f\x43"), second[live:]))
	require.Equal(t, two, got)
	require.Empty(t, reader.Warnings())
	checkFile(t, cat(first, bytes.Repeat([]byte("\x00"+clusterMark+"\xff\x00"+ebmlMark), 20000)))

	other := bytes.ReplaceAll(second, []byte("A_OPUS"), []byte("A_MPEG"))
	requireRefused(t, cat(first, other), services.KindInvalid, "continues as another file after its sound", `"A_MPEG"`)
}

func TestMP3ThatChanges(t *testing.T) {
	t.Parallel()
	mono, slow := clip(t, "speech.mp3"), clip(t, "speech-22k.mp3")
	one, reader := readFile(t, mono)
	rate := reader.Format().SampleRateHz
	stereo := clip(t, "speech-16k-stereo.mp3")
	two, reader := readFile(t, stereo)
	require.Equal(t, rate, reader.Format().SampleRateHz)
	got, reader := readFile(t, cat(mono, id3v1(), stereo))
	require.Equal(t, 2, reader.Format().Channels)
	require.Empty(t, reader.Warnings())
	// The padding between them remains.
	require.InDelta(t, len(one)+len(two)/2, len(got)/2, 3*1152)
	for i, x := range one {
		require.Equal(t, []float32{x, x}, got[2*i:2*i+2])
	}

	changed := cat(mono, slow)
	requireRefused(t, changed, services.KindUnsupported, "is an MP3 file that changes within from 16000 Hz to 22050 Hz")
	if _, err := exec.LookPath("ffmpeg"); err == nil {
		limits := withFFmpeg(t)
		frames, reader, err := countFrames(changed, limits)
		require.NoError(t, err)
		want, _ := readFile(t, slow)
		require.InDelta(t, float64(len(one))+float64(len(want)*reader.Format().SampleRateHz)/22050, frames, 4*1152)
	}
	requireRefused(t, cat(mono, clip(t, "speech.flac")), services.KindInvalid, "continues as a FLAC file after its MP3 sound")
}
