package audiofile

import (
	"bytes"
	"errors"
	"io"
	"math"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/grym-synth/grym-synth/services"
)

var errDisk = errors.New("the disk does not respond")

// failing is a file whose n-th call fails, and every one after it. Its reads return at most
// some bytes, and the last ones with io.EOF.
type failing struct {
	*bytes.Reader
	calls, n, most int
}

func (f *failing) fails() bool {
	f.calls++
	return f.n > 0 && f.calls >= f.n
}

func (f *failing) Read(p []byte) (int, error) {
	if f.fails() {
		return 0, errDisk
	}
	if f.most > 0 && len(p) > f.most {
		p = p[:f.most]
	}
	n, err := f.Reader.Read(p)
	if err == nil && f.most > 0 && f.Len() == 0 {
		err = io.EOF
	}
	return n, err
}

func (f *failing) Seek(offset int64, whence int) (int64, error) {
	if f.fails() {
		return 0, errDisk
	}
	return f.Reader.Seek(offset, whence)
}

// contents is what is read of a file: its format, samples and warnings.
type contents struct {
	format   Format
	samples  []float32
	warnings []services.Warning
}

// hear reads a whole file in pieces.
func hear(source *failing, limits Limits) (h contents, err error) {
	reader, err := open(source, source.Size(), limits)
	if err != nil {
		return h, err
	}
	defer reader.Close()
	h.format = reader.Format()
	block := make([]float32, 1000*h.format.Channels)
	for {
		n, err := reader.ReadFrames(block)
		h.samples = append(h.samples, block[:n*h.format.Channels]...)
		if errors.Is(err, io.EOF) {
			h.warnings = reader.Warnings()
			return h, nil
		}
		if err != nil {
			return h, err
		}
	}
}

// requireFaults lets each of the first calls of a file fail in turn, and some of those after
// them: the fault must be returned, or nothing be missing.
func requireFaults(t *testing.T, name string, file []byte, limits Limits) {
	t.Helper()
	plain := &failing{Reader: bytes.NewReader(file)}
	want, err := hear(plain, limits)
	require.NoError(t, err, name)
	for n := 1; n <= plain.calls; {
		source := &failing{Reader: bytes.NewReader(file), n: n}
		got, err := hear(source, limits)
		if err == nil && n == plain.calls { // a call at the end of the file may be superfluous
			require.Equal(t, want, got, name)
		} else {
			require.ErrorIs(t, err, errDisk, "%s: call %d of %d", name, n, plain.calls)
			require.Equal(t, services.KindInternal, services.KindOf(err), "%s: call %d of %d", name, n, plain.calls)
		}
		if n++; n > 40 {
			n += plain.calls / 7
		}
	}
	for _, most := range []int{1, 7, 1000} {
		if most == 1 && len(file) > 6000 {
			continue
		}
		got, err := hear(&failing{Reader: bytes.NewReader(file), most: most}, limits)
		require.NoError(t, err, "%s in pieces of %d bytes", name, most)
		require.Equal(t, want, got, "%s in pieces of %d bytes", name, most)
	}
}

// requireGolden compares a clip with ffmpeg's decoding.
func requireGolden(t *testing.T, name string, file []byte) {
	t.Helper()
	got, err := hear(&failing{Reader: bytes.NewReader(file)}, DefaultLimits())
	require.NoError(t, err)
	want := goldens(t)[name]
	require.Equal(t, want.Channels, got.format.Channels, name)
	require.Len(t, got.samples, int(want.Frames)*want.Channels, name)
	var squares float64
	for _, x := range got.samples {
		squares += float64(x) * float64(x)
	}
	require.InEpsilon(t, want.RMS, math.Sqrt(squares/float64(len(got.samples))), 2e-3, name)
	for i, x := range want.Middle {
		require.InDelta(t, x, got.samples[(int(want.Frames)/2+i)*want.Channels], 2e-3, "%s, sample %d of the middle", name, i)
	}
}

// requireFaultsOf is requireFaults for clips, also for a part of each.
func requireFaultsOf(t *testing.T, names ...string) {
	t.Helper()
	for _, name := range names {
		file := clip(t, name)
		requireGolden(t, name, file)
		requireFaults(t, name, file, DefaultLimits())
		part := DefaultLimits()
		part.Start, part.End = 0.3, 0.5
		requireFaults(t, "a part of "+name, file, part)
	}
	tagged := cat(id3Tag(40), clip(t, names[0]), apeTag(30, true), id3v1())
	if filepath.Ext(names[0]) == ".mp3" {
		requireFaults(t, "tagged "+names[0], tagged, DefaultLimits())
	}
}

func TestReadFaultsOfPCM(t *testing.T) {
	t.Parallel()
	seen := make(map[string]bool)
	for name, file := range pcmFiles() {
		if !seen[name[0]] {
			requireFaults(t, name[0], file, DefaultLimits())
		}
		seen[name[0]] = true
	}
	data := chunk("data", pcm16(1, -2, 3, 4))
	requireFaults(t, "wav", riff(chunk("LIST", []byte("INFO")), formatChunk(1, 2, 16000, 16), data,
		chunk("id3 ", []byte("x"))), DefaultLimits())
	requireFaults(t, "wav with the format at its end", riff(data, formatChunk(1, 2, 16000, 16)), DefaultLimits())
	requireFaults(t, "float", riff(formatChunk(3, 1, 8000, 64), chunk("data", f64(0.5, -1))), DefaultLimits())
	requireFaults(t, "mu-law", riff(formatChunk(7, 1, 8000, 8), chunk("data", []byte{1, 2, 3})), DefaultLimits())
}

func TestReadFaultsOfMP3(t *testing.T) {
	t.Parallel()
	requireFaultsOf(t, "speech-8k.mp3", "speech-stereo.mp3")
}

func TestReadFaultsOfMP2(t *testing.T) {
	t.Parallel()
	requireFaultsOf(t, "speech.mp2")
}

func TestReadFaultsOfVorbis(t *testing.T) {
	t.Parallel()
	requireFaultsOf(t, "speech-22k.ogg")
}

func TestReadFaultsOfOpus(t *testing.T) {
	t.Parallel()
	requireFaultsOf(t, "speech-silk.opus")
}

func TestReadFaultsOfFLACInOgg(t *testing.T) {
	t.Parallel()
	requireFaultsOf(t, "speech-flac.oga")
}

func TestReadFaultsOfFLAC(t *testing.T) {
	t.Parallel()
	requireFaultsOf(t, "speech.flac")
}

func TestReadFaultsOfWebM(t *testing.T) {
	t.Parallel()
	requireFaultsOf(t, "speech.webm")
}

func TestReadFaultsOfLiveWebM(t *testing.T) {
	t.Parallel()
	requireFaultsOf(t, "speech-live.webm")
}

func TestReadFaultsOfFLACInMatroska(t *testing.T) {
	t.Parallel()
	requireFaultsOf(t, "speech-flac.mka")
}

func TestReadFaultsOfMP4(t *testing.T) {
	t.Parallel()
	requireFaultsOf(t, "speech-alac.m4a")
}

func TestReadFaultsOfOpusInMP4(t *testing.T) {
	t.Parallel()
	requireFaultsOf(t, "speech-opus.mp4")
}

func TestReadFaultsOfLiveMP4(t *testing.T) {
	t.Parallel()
	requireFaultsOf(t, "speech-opus-live.mp4")
}

func TestReadFaultsOfALACInLiveMP4(t *testing.T) {
	t.Parallel()
	requireFaultsOf(t, "speech-alac-live.mp4")
}

func TestReadFaultsOfCAF(t *testing.T) {
	t.Parallel()
	requireFaultsOf(t, "speech-alac.caf")
}
