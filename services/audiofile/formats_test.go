package audiofile

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/grym-synth/grym-synth/services"
)

// golden is ffmpeg's decoding of a clip; testdata/make.py writes it.
type golden struct {
	Rate, Channels int
	Frames         int64
	RMS            float64
	Middle         []float64
}

func goldens(t testing.TB) map[string]golden {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join("testdata", "golden.json"))
	require.NoError(t, err)
	var all map[string]golden
	require.NoError(t, json.Unmarshal(raw, &all))
	require.NotEmpty(t, all)
	return all
}

// clip reads a file of testdata.
func clip(t testing.TB, name string) []byte {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join("testdata", name))
	require.NoError(t, err)
	return raw
}

// needsFFmpeg are the clips without a native decoder.
var needsFFmpeg = []string{"speech.m4a"}

// withFFmpeg returns limits with ffmpeg if it is installed.
func withFFmpeg(t testing.TB) Limits {
	t.Helper()
	limits := DefaultConfig().Limits()
	if limits.FFmpeg == "" {
		t.Skip("no ffmpeg on the PATH")
	}
	return limits
}

// readAll decodes in blocks of an odd size.
func readAll(t testing.TB, reader *Reader) []float32 {
	t.Helper()
	channels := reader.Format().Channels
	block := make([]float32, 1013*channels)
	var all []float32
	for {
		n, err := reader.ReadFrames(block)
		all = append(all, block[:n*channels]...)
		if errors.Is(err, io.EOF) {
			return all
		}
		require.NoError(t, err)
		require.Positive(t, n)
	}
}

// Compared with ffmpeg's decoders; for Opus that is libopus.
func TestClipsDecodeAsFFmpegDecodesThem(t *testing.T) {
	t.Parallel()
	for name, want := range goldens(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			limits := DefaultLimits()
			if slices.Contains(needsFFmpeg, name) {
				limits = withFFmpeg(t)
			}
			raw := clip(t, name)
			reader, err := Open(bytes.NewReader(raw), int64(len(raw)), limits)
			require.NoError(t, err)
			defer func() { require.NoError(t, reader.Close()) }()
			format := reader.Format()
			require.Equal(t, want.Rate, format.SampleRateHz)
			require.Equal(t, want.Channels, format.Channels)
			if !format.Guessed {
				require.Equal(t, want.Frames, format.Frames, "as announced")
			}
			got := readAll(t, reader)
			require.Equal(t, want.Frames, int64(len(got)/want.Channels))
			require.Equal(t, want.Frames, reader.Format().Frames)
			require.False(t, reader.Format().Guessed)
			var squares float64
			for _, x := range got {
				squares += float64(x) * float64(x)
			}
			epsilon, delta := 2e-3, 2e-3
			if format.Container == "mp3" { // which leaves no data for a decoder
				epsilon, delta = 2e-5, 1e-6
			}
			require.InEpsilon(t, want.RMS, math.Sqrt(squares/float64(len(got))), epsilon)
			middle := got[want.Frames/2*int64(want.Channels):]
			for i, x := range want.Middle {
				require.InDelta(t, x, middle[i*want.Channels], delta, "sample %d of the middle", i)
			}
		})
	}
}

func TestFormatsAreDetectedFromTheContent(t *testing.T) {
	t.Parallel()
	for name, want := range map[string][2]string{
		"speech.flac": {"flac", "flac"}, "speech.mp3": {"mp3", "mp3"}, "speech-silk.opus": {"ogg", "opus"},
		"speech-live.webm": {"webm", "opus"}, "speech.mp2": {"mp2", "mp2"}, "speech-flac.oga": {"ogg", "flac"},
		"speech-alac.m4a": {"mp4", "alac"}, "speech-alac.caf": {"caf", "alac"}, "speech-opus.mp4": {"mp4", "opus"},
		"speech-flac.mka": {"webm", "flac"},
	} {
		reader, err := openBytes(clip(t, name))
		require.NoError(t, err)
		require.Equal(t, want, [2]string{reader.Format().Container, reader.Format().Encoding})
	}
	// After a tag with a picture.
	tag := append([]byte("ID3\x03\x00\x00\x00\x00\x10\x00"), make([]byte, 2048)...)
	for _, name := range []string{"speech.flac", "speech.mp3"} {
		plain, err := openBytes(clip(t, name))
		require.NoError(t, err)
		tagged, err := openBytes(cat(tag, clip(t, name)))
		require.NoError(t, err)
		require.Equal(t, plain.Format(), tagged.Format())
		require.Equal(t, readAll(t, plain), readAll(t, tagged))
	}
}

// Data after the sound has no effect.
func TestTagsBehindTheSound(t *testing.T) {
	t.Parallel()
	tag := cat([]byte("TAG"), make([]byte, 125))
	for _, name := range []string{"speech.flac", "speech.mp3"} {
		plain, err := openBytes(clip(t, name))
		require.NoError(t, err)
		tagged, err := openBytes(cat(clip(t, name), tag))
		require.NoError(t, err)
		require.Equal(t, readAll(t, plain), readAll(t, tagged))
	}
}

func TestWithoutFFmpegTheFormatsAreListed(t *testing.T) {
	t.Parallel()
	for name, what := range map[string]string{
		"speech.m4a": "an M4A (MPEG-4 audio) file",
	} {
		_, err := openBytes(clip(t, name))
		requireFault(t, err, services.KindUnsupported, "file is "+what+" with sound coded as AAC; accepted: WAV",
			"FLAC, ALAC, MP3, MP2, Opus and Vorbis in Ogg")
	}
}

// Every clip is truncated at many places, and its bytes are changed. The result must be
// sound or a fault of the sender, never anything else.
func TestDamagedClips(t *testing.T) {
	t.Parallel()
	for name := range goldens(t) {
		if slices.Contains(needsFFmpeg, name) {
			continue
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			whole := clip(t, name)
			places := 40
			if raceEnabled { // the decoders have one thread, and are ten times slower
				places = 3
			}
			for n := 1; n < len(whole); n += 1 + 13*n/places {
				checkFile(t, whole[:n])
			}
			for at := 0; at < len(whole); at += 1 + len(whole)/places {
				damaged := slices.Clone(whole)
				damaged[at] ^= 0xff
				checkFile(t, damaged)
			}
		})
	}
}

// A truncated file is decoded up to its end, or rejected if the limits are strict.
func TestCutFiles(t *testing.T) {
	t.Parallel()
	lenient := DefaultLimits()
	if path, err := exec.LookPath("ffmpeg"); err == nil {
		lenient.FFmpeg = path
	}
	for _, name := range []string{"speech.flac", "speech.mp3", "speech-8k.mp3", "speech.webm", "speech-live.webm", "speech.m4a",
		"speech.mp2", "speech-flac.oga", "speech-flac.mka", "speech-flac.mp4", "speech-alac-live.mp4", "speech-opus-live.mp4"} {
		if lenient.FFmpeg == "" && slices.Contains(needsFFmpeg, name) {
			continue
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			whole := clip(t, name)
			cut := whole[:len(whole)*2/3]
			want, _, err := countFrames(whole, lenient)
			require.NoError(t, err)
			got, reader, err := countFrames(cut, lenient)
			if name == "speech.m4a" { // its index is at the end
				requireFault(t, err, services.KindInvalid, "is cut short: ", "; upload the whole file")
				return
			}
			require.NoError(t, err)
			require.InDelta(t, float64(want)*2/3, got, float64(want)/4)
			require.Equal(t, got, reader.Format().Frames)
			require.Equal(t, []services.WarningCode{services.WarnTruncated}, codes(reader))

			strict := lenient
			strict.Strict = true
			_, _, err = countFrames(cut, strict)
			requireFault(t, err, services.KindInvalid, "is cut short: ", "; upload the whole file")
		})
	}
}

// codes returns the codes of the warnings about a file.
func codes(reader *Reader) (codes []services.WarningCode) {
	for _, w := range reader.Warnings() {
		codes = append(codes, w.Code)
	}
	return codes
}

// checkFile reads a file with arbitrary bytes. An accepted file must satisfy its
// header, and a rejected one must be the sender's fault with a text. A panic of a
// library becomes a fault; any other panic is a failure.
func checkFile(t *testing.T, file []byte) {
	t.Helper()
	limits := Limits{MaxBytes: 1 << 20, MaxDuration: time.Hour, MaxChannels: 64}
	reader, err := Open(bytes.NewReader(file), int64(len(file)), limits)
	if err != nil {
		require.Nil(t, reader)
		requireSendersFault(t, err)
		return
	}
	defer func() { require.NoError(t, reader.Close()) }()
	format := reader.Format()
	require.Positive(t, format.Frames)
	require.Positive(t, format.SampleRateHz)
	require.Positive(t, format.Duration()+1)
	if format.Container == "wav" {
		require.LessOrEqual(t, format.Frames*int64(format.Channels), int64(len(file)))
	}
	dst := make([]float32, 1000*format.Channels+1)
	for frames := int64(0); ; {
		n, err := reader.ReadFrames(dst)
		frames += int64(n)
		for _, v := range dst[:n*format.Channels] {
			if !isUsable(float64(v)) {
				t.Fatalf("sample %v", v)
			}
		}
		if errors.Is(err, io.EOF) {
			require.Equal(t, reader.Format().Frames, frames)
			cut := format.Container == "flac" && slices.Contains(codes(reader), services.WarnTruncated)
			if !format.Guessed && !cut {
				require.Equal(t, format.Frames, frames)
			}
			return
		}
		if err != nil {
			requireSendersFault(t, err)
			return
		}
		require.Positive(t, n)
	}
}

// A FLAC file may omit its length.
func TestFLACOfUnknownLength(t *testing.T) {
	t.Parallel()
	file := write(t, Output{FLAC, Depth16, 16000, 2, ""}, noiseAndTone(10000, 2))
	known := decodeGuessed(t, file)
	file[21] &= 0xf0
	copy(file[22:26], []byte{0, 0, 0, 0})
	reader, err := openBytes(file)
	require.NoError(t, err)
	require.True(t, reader.Format().Guessed)
	require.GreaterOrEqual(t, reader.Format().Frames, int64(10000))
	require.Equal(t, known, readAll(t, reader))
	require.Equal(t, Format{"flac", "flac", 16000, 2, 16, 10000, false}, reader.Format())

	limits := DefaultLimits()
	limits.MaxDuration = 500 * time.Millisecond
	reader, err = Open(bytes.NewReader(file), int64(len(file)), limits)
	require.NoError(t, err)
	for err == nil {
		_, err = reader.ReadFrames(make([]float32, 4096))
	}
	requireFault(t, err, services.KindTooLarge, "lasts more than the limit of 500ms")
}

func decodeGuessed(t *testing.T, file []byte) []float32 {
	t.Helper()
	reader, err := openBytes(file)
	require.NoError(t, err)
	return readAll(t, reader)
}

func TestFLACWritesWhatItReads(t *testing.T) {
	t.Parallel()
	for _, depth := range []Depth{Depth16, Depth24} {
		for channels := 1; channels <= 8; channels++ {
			rates := []int{8000, 44100, 192000, 65537, 100001}
			if raceEnabled { // the encoder has one thread
				rates = rates[channels%len(rates):][:1]
			}
			for _, rate := range rates {
				out := Output{FLAC, depth, rate, channels, ""}
				samples := noiseAndTone(5000, channels)
				reader, err := openBytes(write(t, out, samples))
				require.NoError(t, err)
				bits := out.sampleBytes() * 8
				require.Equal(t, Format{"flac", "flac", rate, channels, bits, 5000, false}, reader.Format())
				for i, x := range readAll(t, reader) {
					if want := float32(math.Ldexp(float64(quantise(samples[i], bits)), 1-bits)); x != want {
						t.Fatalf("sample %d: %v, want %v", i, x, want)
					}
				}
			}
		}
	}
}
