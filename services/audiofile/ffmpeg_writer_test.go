package audiofile

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/grym-synth/grym-synth/services"
)

// program returns the path of ffmpeg, without which the test is skipped.
func program(t *testing.T) string {
	t.Helper()
	path := DefaultConfig().Limits().FFmpeg
	if path == "" {
		t.Skip("there is no ffmpeg on the PATH")
	}
	return path
}

// chord returns a second of a tone for each channel, an octave apart at most.
func chord(rate, channels int) []float32 {
	samples := make([]float32, rate*channels)
	for i := range rate {
		for c := range channels {
			hz := 220 * math.Pow(2, float64(c)/4)
			samples[i*channels+c] = float32(0.3 * math.Sin(2*math.Pi*hz*float64(i)/float64(rate)))
		}
	}
	return samples
}

func encodeFile(t *testing.T, out Output, samples []float32, tags ...Tag) []byte {
	t.Helper()
	file, err := os.Create(filepath.Join(t.TempDir(), "sound"))
	require.NoError(t, err)
	w, err := NewWriter(t.Context(), file, out, tags...)
	require.NoError(t, err)
	require.NoError(t, w.WriteFrames(samples))
	require.NoError(t, w.Close())
	w.Stop()
	at, err := file.Seek(0, io.SeekCurrent)
	require.NoError(t, err)
	require.NoError(t, file.Close())
	data, err := os.ReadFile(file.Name())
	require.NoError(t, err)
	require.EqualValues(t, len(data), at)
	return data
}

// decodeAll returns the samples of a file.
func decodeAll(t *testing.T, data []byte) (Format, []float32) {
	t.Helper()
	r, err := Open(bytes.NewReader(data), int64(len(data)), DefaultConfig().Limits())
	require.NoError(t, err)
	defer func() { require.NoError(t, r.Close()) }()
	channels := r.Format().Channels
	block := make([]float32, 4096*channels)
	var all []float32
	for {
		n, err := r.ReadFrames(block)
		all = append(all, block[:n*channels]...)
		if errors.Is(err, io.EOF) {
			return r.Format(), all
		}
		require.NoError(t, err)
	}
}

// level returns the amplitude of a tone in a channel.
func level(samples []float32, c, channels int, hz, rate float64) float64 {
	var re, im float64
	n := 0
	for i := c; i < len(samples); i += channels {
		phase := 2 * math.Pi * hz * float64(n) / rate
		re += float64(samples[i]) * math.Cos(phase)
		im += float64(samples[i]) * math.Sin(phase)
		n++
	}
	return 2 * math.Hypot(re, im) / float64(n)
}

// TestLossyFormats encodes a tone in each channel at every sample rate and number of
// channels of each format, and decodes it.
func TestLossyFormats(t *testing.T) {
	t.Parallel()
	path := program(t)
	for container, kind := range lossies {
		rates := kind.rates
		if rates == nil {
			rates = []int{8000, 11025, 16000, 22050, 44100, 48000, 96000, 192000}
		}
		for _, rate := range rates {
			t.Run(fmt.Sprint(container, rate), func(t *testing.T) {
				t.Parallel()
				for _, channels := range kind.channels {
					if channels > 1 && rate != 48000 {
						continue
					}
					out := Output{Container: container, SampleRateHz: rate, Channels: channels, FFmpeg: path}
					data := encodeFile(t, out, chord(rate, channels))
					require.Less(t, int64(len(data)), out.Bytes(int64(rate)))
					format, decoded := decodeAll(t, data)
					require.Equal(t, channels, format.Channels)
					if container != Opus {
						require.Equal(t, rate, format.SampleRateHz)
					}
					require.InDelta(t, 1, float64(len(decoded)/channels)/float64(format.SampleRateHz), 0.2)
					for c := range channels {
						if channels > 5 && c == 3 {
							continue // the low-frequency channel
						}
						hz := 220 * math.Pow(2, float64(c)/4)
						require.InDelta(t, 0.3, level(decoded, c, channels, hz, float64(format.SampleRateHz)), 0.06,
							"channel %d of %d", c, channels)
					}
				}
			})
		}
	}
}

func TestLossyFilesHaveTags(t *testing.T) {
	t.Parallel()
	out := Output{Container: MP3, SampleRateHz: 16000, Channels: 1, FFmpeg: program(t)}
	data := encodeFile(t, out, chord(16000, 1), Tag{TagTitle, "a \x00 bell"}, Tag{"SEED", "7"})
	require.Contains(t, string(data[:400]), "a   bell")
	require.Contains(t, string(data), "Xing") // the length, which is written last
	out.Container = Vorbis
	require.Contains(t, string(encodeFile(t, out, chord(16000, 1), Tag{"SEED", "7"})), "SEED=7")
}

// plain is a WriteSeeker that is no file.
type plain struct{ bytes.Buffer }

func (p *plain) Seek(int64, int) (int64, error) { return int64(p.Len()), nil }

func TestLossyToAPipe(t *testing.T) {
	t.Parallel()
	var w plain
	writer, err := NewWriter(t.Context(), &w, Output{Container: Opus, SampleRateHz: 48000, Channels: 2, FFmpeg: program(t)})
	require.NoError(t, err)
	require.NoError(t, writer.WriteFrames(chord(48000, 2)))
	require.NoError(t, writer.Close())
	format, decoded := decodeAll(t, w.Bytes())
	require.Equal(t, 2, format.Channels)
	require.Len(t, decoded, 96000)
}

func TestAnEncoderEndsWithItsContext(t *testing.T) {
	t.Parallel()
	path := program(t)
	out := Output{Container: Opus, SampleRateHz: 48000, Channels: 1, FFmpeg: path}
	ctx, cancel := context.WithCancel(t.Context())
	writer, err := NewWriter(ctx, new(plain), out)
	require.NoError(t, err)
	cancel()
	for err == nil { // until the pipe is closed
		err = writer.WriteFrames(make([]float32, 1<<16))
	}
	require.ErrorIs(t, err, context.Canceled)
	require.Equal(t, services.KindCancelled, services.KindOf(err))
	writer.Stop()
	writer.Stop()

	writer, err = NewWriter(t.Context(), new(plain), out)
	require.NoError(t, err)
	writer.Stop() // before the end
	require.Error(t, writer.Close())
}

func TestEncodersThatFail(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		body, text string
		kind       services.Kind
	}{
		"no encoder": {
			`echo "Unknown encoder 'libopus'" >&2; exit 1`,
			"container cannot be opus: the ffmpeg of this server has no encoder for it", services.KindInvalid,
		},
		"no room": {
			`cat > /dev/null; echo "av_interleaved_write_frame(): No space left on device" >&2; exit 1`, "no space left on device",
			services.KindInternal,
		},
		"much to say": {
			`cat > /dev/null; yes line | head -100000 >&2; echo "[x @ 0x1] the reason" >&2; exit 3`, "ffmpeg: the reason",
			services.KindInternal,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			out := Output{Container: Opus, SampleRateHz: 48000, Channels: 1, FFmpeg: script(t, test.body).FFmpeg}
			writer, err := NewWriter(t.Context(), new(plain), out)
			if err == nil {
				err = writer.WriteFrames(make([]float32, 1<<20))
			}
			if err == nil {
				err = writer.Close()
			}
			require.ErrorContains(t, err, test.text)
			require.Equal(t, test.kind, services.KindOf(err))
			require.Equal(t, name == "no room", services.IsDiskFull(err))
			require.Less(t, len(err.Error()), 500)
		})
	}
	missing := Output{Container: AAC, SampleRateHz: 48000, Channels: 1, FFmpeg: filepath.Join(t.TempDir(), "x")}
	_, err := NewWriter(t.Context(), new(plain), missing)
	require.ErrorContains(t, err, "ffmpeg could not be started")
}

func TestLossyOutputsThatCannotBe(t *testing.T) {
	t.Parallel()
	for text, out := range map[string]Output{
		"container can be mp3 only with ffmpeg, which this server does not have; without it there are wav, flac, pcm": {
			Container: MP3, SampleRateHz: 48000, Channels: 2,
		},
		"bit_depth does not apply to opus": {Container: Opus, Depth: Depth16, SampleRateHz: 48000, Channels: 2, FFmpeg: "x"},
		"sample_rate must be one of 8000, 12000, 16000, 24000, 48000 for opus, got 44100": {
			Container: Opus, SampleRateHz: 44100, Channels: 2, FFmpeg: "x",
		},
		"channels must be one of 1, 2 for mp3, got 6": {Container: MP3, SampleRateHz: 48000, Channels: 6, FFmpeg: "x"},
	} {
		require.ErrorContains(t, out.Validate(), text)
	}
	require.Equal(t, 48000, Opus.NearestRate(44100))
	require.Equal(t, 48000, MP3.NearestRate(192000))
	require.Equal(t, 8000, MP3.NearestRate(8000))
	require.Equal(t, 11024, Vorbis.NearestRate(11024))
}
