package audiofile

import (
	"bytes"
	"errors"
	"io"
	"os/exec"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/grym-synth/grym-synth/services"
)

// partOf decodes a part of a file.
func partOf(t *testing.T, file []byte, start, end float64) ([]float32, *Reader) {
	t.Helper()
	limits := DefaultLimits()
	limits.FFmpeg, _ = exec.LookPath("ffmpeg")
	reader, err := openUnder(limits.Of(services.Reading{Start: start, End: end}), file)
	require.NoError(t, err)
	announced := reader.Format()
	got := readAll(t, reader)
	require.EqualValues(t, len(got)/announced.Channels, reader.Format().Frames)
	if !announced.Guessed {
		require.Equal(t, announced, reader.Format())
	}
	require.NoError(t, reader.Close())
	return got, reader
}

// long is a recording of some seconds in a format, made of a clip that is repeated.
func long(t *testing.T, name string) []byte {
	t.Helper()
	return bytes.Repeat(clip(t, name), 5)
}

// A part is what the whole recording has there, except for Opus, which converges.
func TestParts(t *testing.T) {
	t.Parallel()
	samples := noiseAndTone(80000, 2)
	files := map[string][]byte{
		"wav":        write(t, Output{Container: WAV, Depth: Depth16, SampleRateHz: 16000, Channels: 2}, samples),
		"wav, open":  riff(formatChunk(1, 2, 16000, 16), claim("data", -1, pcm16(levelsOf(samples)...))),
		"flac":       write(t, Output{Container: FLAC, Depth: Depth16, SampleRateHz: 16000, Channels: 2}, samples),
		"flac, open": unknownLength(write(t, Output{Container: FLAC, Depth: Depth16, SampleRateHz: 16000, Channels: 2}, samples)),
		"flac, 32":   nil,
	}
	delete(files, "flac, 32")
	for _, name := range []string{
		"speech.mp3", "speech-stereo.mp3", "speech-8k.mp3", "speech-22k.mp3", "speech.ogg", "speech-stereo.ogg", "speech-vorbis.webm",
		"speech-silk.opus", "speech-celt.opus", "speech-51.opus", "speech.webm", "speech.mp2", "speech-flac.oga", "speech-flac.mka",
	} {
		files[name] = long(t, name)
	}
	for _, name := range []string{"speech-alac.m4a", "speech-alac.caf", "speech-flac.mp4", "speech-opus-live.mp4"} {
		files[name] = clip(t, name)
	}
	pcm := pcm16(levelsOf(samples)...)
	files["aiff"] = form("AIFC", common(2, len(samples)/2, 16, 16000, "sowt"), soundChunk(pcm))
	files["wav behind a tag"] = cat(id3Tag(500), files["wav"])
	if _, err := exec.LookPath("ffmpeg"); err == nil {
		files["speech.m4a"] = clip(t, "speech.m4a")
	}
	for name, file := range files {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			whole, reader := partOf(t, file, 0, 0)
			format := reader.Format()
			rate, channels, seconds := float64(format.SampleRateHz), format.Channels, format.Duration().Seconds()
			for _, part := range [][2]float64{
				{0.0001, 0}, {seconds * 0.3, 0}, {0, seconds * 0.4}, {seconds * 0.7, seconds * 0.75}, {seconds - 0.01, 0},
				{seconds * 0.45, seconds + 9},
			} {
				from, to := int(part[0]*rate+0.5), int(part[1]*rate+0.5)
				if to == 0 || to > len(whole)/channels {
					to = len(whole) / channels
				}
				got, reader := partOf(t, file, part[0], part[1])
				require.Len(t, got, (to-from)*channels, "%v of %v s", part, seconds)
				require.Empty(t, reader.Warnings())
				want := whole[from*channels : to*channels]
				if format.Encoding == "opus" {
					for i, x := range want {
						require.InDelta(t, x, got[i], 2e-4, "%v of %v s, sample %d", part, seconds, i)
					}
					continue
				}
				require.Equal(t, want, got, "%v of %v s", part, seconds)
			}
		})
	}
}

// levelsOf returns samples as 16-bit levels.
func levelsOf(samples []float32) []int {
	var list []int
	for _, level := range levels(samples, 16) {
		list = append(list, int(level))
	}
	return list
}

func TestPartsThatAreRefused(t *testing.T) {
	t.Parallel()
	wav := mono16(slices.Repeat([]int{1, 2, 3, 4}, 4000)...) // a second
	open := func(start, end float64) error {
		reader, err := openUnder(DefaultLimits().Of(services.Reading{Start: start, End: end}), wav)
		if err != nil {
			return err
		}
		return reader.Close()
	}
	for _, test := range []struct {
		start, end float64
		text       string
	}{
		{-1, 0, "start must be 0 s or above, got -1"},
		{0, -2, "end must be above 0 s, got -2"},
		{0.5, 0.5, "end must be after start, which is 0.5 s, got 0.5"},
		{0.5, 0.25, "end must be after start"},
		{1, 0, "start is 1 s, the recording ends at 1.000 s"},
		{1e300, 0, "start is 1e+300 s, the recording ends at 1.000 s"},
		{0.50001, 0.50002, "end must be after start by a sample at least"},
	} {
		err := open(test.start, test.end)
		require.Equal(t, services.KindInvalid, services.KindOf(err), test.text)
		require.ErrorContains(t, err, test.text)
	}

	// Where the end is known only when it is reached.
	reader, err := openUnder(DefaultLimits().Of(services.Reading{Start: 7}),
		unknownLength(write(t, Output{Container: FLAC, Depth: Depth16, SampleRateHz: 16000, Channels: 1}, noiseAndTone(20000, 1))))
	require.NoError(t, err)
	_, err = reader.ReadFrames(make([]float32, 100))
	require.Equal(t, services.KindInvalid, services.KindOf(err))
	require.ErrorContains(t, err, "start is 7 s, the recording ends at 1.250 s")
	_, again := reader.ReadFrames(make([]float32, 100))
	require.Equal(t, err, again)
}

// Only the length of the part is limited.
func TestThePartIsLimited(t *testing.T) {
	t.Parallel()
	limits := DefaultLimits()
	limits.MaxDuration = 500 * time.Millisecond
	for _, file := range [][]byte{clip(t, "speech.mp3"), clip(t, "speech.ogg"), unknownLength(clip(t, "speech.flac"))} {
		_, _, err := countFrames(file, limits)
		requireFault(t, err, services.KindTooLarge, "the limit")
		frames, _, err := countFrames(file, limits.Of(services.Reading{Start: 0.4, End: 0.9}))
		require.NoError(t, err)
		require.EqualValues(t, 8000, frames)
		_, _, err = countFrames(file, limits.Of(services.Reading{Start: 0.4, End: 1}))
		requireFault(t, err, services.KindTooLarge, "the limit")
	}
}

// countingSeeker counts the bytes that are read.
type countingSeeker struct {
	io.ReadSeeker
	read int
}

func (c *countingSeeker) Read(p []byte) (int, error) {
	n, err := c.ReadSeeker.Read(p)
	c.read += n
	return n, err
}

// Of a long WAV file little more than the part is read.
func TestThePartAloneIsRead(t *testing.T) {
	t.Parallel()
	file := write(t, Output{Container: WAV, Depth: Depth16, SampleRateHz: 16000, Channels: 1}, noiseAndTone(16000*60, 1))
	source := &countingSeeker{ReadSeeker: bytes.NewReader(file)}
	reader, err := Open(source, int64(len(file)), DefaultLimits().Of(services.Reading{Start: 50, End: 51}))
	require.NoError(t, err)
	require.Len(t, readAll(t, reader), 16000)
	require.Less(t, source.read, 4*32000)
	_, err = reader.ReadFrames(make([]float32, 10))
	require.True(t, errors.Is(err, io.EOF))
}
