package audiofile

import (
	"encoding/binary"
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/grym-synth/grym-synth/services"
)

// failingFile is a file whose n-th call fails, and every one after it.
type failingFile struct {
	memoryFile
	calls, n int
}

func (f *failingFile) fails() bool {
	f.calls++
	return f.n > 0 && f.calls >= f.n
}

func (f *failingFile) Write(p []byte) (int, error) {
	if f.fails() {
		return 0, errDisk
	}
	return f.memoryFile.Write(p)
}

func (f *failingFile) Seek(offset int64, whence int) (int64, error) {
	if f.fails() {
		return 0, errDisk
	}
	return f.memoryFile.Seek(offset, whence)
}

// TestWriteFaults lets each write and seek of a file fail in turn.
func TestWriteFaults(t *testing.T) {
	t.Parallel()
	tags := []Tag{{"title", "a"}}
	for _, out := range []Output{
		{Container: WAV, Depth: Depth16, SampleRateHz: 8000, Channels: 2},
		{Container: WAV, Depth: Depth24, SampleRateHz: 8000, Channels: 1}, // an odd number of bytes
		{Container: Raw, Depth: DepthFloat, SampleRateHz: 8000, Channels: 1},
		{Container: FLAC, Depth: Depth16, SampleRateHz: 8000, Channels: 1},
	} {
		samples := noiseAndTone(flacBlock+1001, out.Channels)
		run := func(f *failingFile) error {
			w, err := NewWriter(t.Context(), f, out, tags...)
			if err != nil {
				return err
			}
			for part := samples; len(part) > 0; part = part[min(len(part), 1000*out.Channels):] {
				if err := w.WriteFrames(part[:min(len(part), 1000*out.Channels)]); err != nil {
					require.Equal(t, err, w.WriteFrames(nil), "the writer does not go on")
					require.Equal(t, err, w.Close())
					return err
				}
			}
			return w.Close()
		}
		var whole failingFile
		require.NoError(t, run(&whole))
		require.EqualValues(t, len(whole.bytes), whole.at)
		for n := 1; n <= whole.calls; n++ {
			require.ErrorIs(t, run(&failingFile{n: n}), errDisk, "%s: call %d of %d", out.Container, n, whole.calls)
		}
	}
}

func TestABlockIsWrittenOnceItIsFull(t *testing.T) {
	t.Parallel()
	out := Output{Container: FLAC, Depth: Depth16, SampleRateHz: 8000, Channels: 1}
	for _, frames := range []int{1, flacBlock - 1, flacBlock, flacBlock + 1, 2 * flacBlock} {
		samples := noiseAndTone(frames, 1)
		file := write(t, out, samples)
		format, got := decode(t, file)
		require.EqualValues(t, frames, format.Frames)
		for i, level := range levels(samples, 16) {
			require.InDelta(t, math.Ldexp(float64(level), -15), got[i], 0)
		}
	}
	for hz, want := range map[int]uint32{44100: 44100, 65535: 65535, 65537: 0, 65540: 65540, 96000: 96000, 176401: 0, 255000: 255000} {
		require.Equal(t, want, frameRate(hz))
	}
	require.True(t, midSideIsSmaller([]int32{0, 100, -100}, []int32{0, 100, -100}))
	require.False(t, midSideIsSmaller([]int32{0, 100, -100}, []int32{0, -100, 100}))
	require.False(t, midSideIsSmaller([]int32{0, 100}, []int32{0, 0}), "as long")
	require.False(t, midSideIsSmaller([]int32{5}, []int32{7}))
}

// TestTheSizeOfAFullFile is that of the largest file with tags behind its samples.
func TestTheSizeOfAFullFile(t *testing.T) {
	t.Parallel()
	out := Output{Container: WAV, Depth: Depth16, SampleRateHz: 8000, Channels: 1}
	most := (int64(math.MaxUint32) - 44) / 2
	require.NoError(t, out.Fits(most))
	err := out.Fits(most + 1)
	require.Equal(t, services.KindTooLarge, services.KindOf(err))
	require.ErrorContains(t, err, "use flac or pcm")
	for behind, want := range map[int64]uint32{0: uint32(36 + 2*most), 8: uint32(44 + 2*most), 1000: math.MaxUint32} {
		header := out.wavHeader(2*most, behind)
		require.Equal(t, want, binary.LittleEndian.Uint32(header[4:]), "%d bytes of tags", behind)
		require.EqualValues(t, 2*most, binary.LittleEndian.Uint32(header[40:]))
	}
	for _, other := range []Container{FLAC, Raw} {
		out.Container = other
		require.NoError(t, out.Fits(1<<40))
	}
}

func TestEachFieldOfAnOutput(t *testing.T) {
	t.Parallel()
	good := Output{Container: WAV, Depth: Depth16, SampleRateHz: 44100, Channels: 2}
	lossy := Output{Container: Opus, SampleRateHz: 48000, Channels: 2, FFmpeg: "ffmpeg"}
	for _, c := range []struct {
		out    Output
		change func(*Output)
		says   string
	}{
		{good, func(*Output) {}, ""},
		{good, func(o *Output) { o.SampleRateHz = 1 }, ""},
		{good, func(o *Output) { o.SampleRateHz = 0 }, "sample_rate must be 1 to 192000 Hz, got 0"},
		{good, func(o *Output) { o.SampleRateHz = 192000 }, ""},
		{good, func(o *Output) { o.SampleRateHz = 192001 }, "sample_rate must be 1 to 192000 Hz, got 192001"},
		{good, func(o *Output) { o.Channels = 1 }, ""},
		{good, func(o *Output) { o.Channels = 0 }, "channels must be 1 to 8, got 0"},
		{good, func(o *Output) { o.Channels = 8 }, ""},
		{good, func(o *Output) { o.Channels = 9 }, "channels must be 1 to 8, got 9"},
		{good, func(o *Output) { o.Container = "au" }, `container must be one of wav, flac, pcm, mp3, opus, ogg, aac, got "au"`},
		{good, func(o *Output) { o.Depth = "8" }, `bit_depth must be one of 16, 24, 32, float, got "8"`},
		{good, func(o *Output) { o.Container, o.Depth = FLAC, Depth24 }, ""},
		{good, func(o *Output) { o.Container, o.Depth = FLAC, Depth32 }, `bit_depth must be 16 or 24 for flac, got "32"`},
		{good, func(o *Output) { o.Container, o.Depth = FLAC, DepthFloat }, `bit_depth must be 16 or 24 for flac, got "float"`},
		{lossy, func(*Output) {}, ""},
		{lossy, func(o *Output) { o.FFmpeg = "" }, "container can be opus only with ffmpeg"},
		{lossy, func(o *Output) { o.Depth = Depth16 }, `bit_depth does not apply to opus, got "16"`},
		{lossy, func(o *Output) { o.SampleRateHz = 44100 }, "sample_rate must be one of "},
		{lossy, func(o *Output) { o.Channels = 7 }, "channels must be one of "},
	} {
		out := c.out
		c.change(&out)
		err := out.Validate()
		if c.says == "" {
			require.NoError(t, err, "%+v", out)
			continue
		}
		require.ErrorContains(t, err, c.says)
		_, err = NewWriter(t.Context(), &memoryFile{}, out)
		require.ErrorContains(t, err, c.says)
	}
}
