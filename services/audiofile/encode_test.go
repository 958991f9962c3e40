package audiofile

import (
	"errors"
	"io"
	"math"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// memoryFile is an io.WriteSeeker in memory.
type memoryFile struct {
	bytes []byte
	at    int
}

func (f *memoryFile) Write(p []byte) (int, error) {
	if grow := f.at + len(p) - len(f.bytes); grow > 0 {
		f.bytes = append(f.bytes, make([]byte, grow)...)
	}
	f.at += copy(f.bytes[f.at:], p)
	return len(p), nil
}

func (f *memoryFile) Seek(offset int64, whence int) (int64, error) {
	switch whence {
	case io.SeekStart:
		f.at = int(offset)
	case io.SeekCurrent:
		f.at += int(offset)
	case io.SeekEnd:
		f.at = len(f.bytes) + int(offset)
	}
	return int64(f.at), nil
}

// The written file is compared byte by byte with one made by the definition.
func TestWriteWAV16WritesAPlainFile(t *testing.T) {
	t.Parallel()
	var file memoryFile
	samples := []float32{0, 0.5, -0.5, -1, 1, 2, -2, 0.25 / 32768, -0.75 / 32768, 32766.75 / 32768}
	require.NoError(t, WriteWAV16(&file, samples, 22050, 2))
	want := riff(
		formatChunk(1, 2, 22050, 16),
		chunk("data", pcm16(0, 16384, -16384, -32768, 32767, 32767, -32768, 0, -1, 32767)),
	)
	require.Equal(t, want, file.bytes)
	require.Equal(t, len(want), file.at, "stands at the end")
}

func TestWriteWAV16RoundTrip(t *testing.T) {
	t.Parallel()
	for _, channels := range []int{1, 2, 5} {
		// More than one block of the encoder, and every level.
		samples := make([]float32, 65536*channels)
		for i := range samples {
			samples[i] = float32(i%65536-32768) / 32768
		}
		path := filepath.Join(t.TempDir(), "out.wav")
		file, err := os.Create(path)
		require.NoError(t, err)
		require.NoError(t, WriteWAV16(file, samples, 16000, channels))
		require.NoError(t, file.Close())

		written, err := os.ReadFile(path)
		require.NoError(t, err)
		format, got := decode(t, written)
		require.Equal(t, Format{"wav", "pcm_s16le", 16000, channels, 16, 65536, false}, format)
		require.Equal(t, samples, got)
	}
}

func TestWriteWAV16OfNothingIsAHeader(t *testing.T) {
	t.Parallel()
	var file memoryFile
	require.NoError(t, WriteWAV16(&file, nil, 16000, 1))
	require.Equal(t, riff(formatChunk(1, 1, 16000, 16), chunk("data", nil)), file.bytes)
}

func TestWriteWAV16RefusesNonsenseBeforeItWrites(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name           string
		samples        []float32
		rate, channels int
		text           string
	}{
		{"NaN", []float32{0, float32(math.NaN())}, 16000, 1, "sample 1 is NaN"},
		{"infinity", []float32{float32(math.Inf(-1))}, 16000, 1, "sample 0 is -Inf"},
		{"no rate", []float32{0}, 0, 1, "sample_rate must be 1 to 192000 Hz, got 0"},
		{"no channels", []float32{0}, 16000, 0, "channels must be 1 to 8, got 0"},
		{"part of a frame", []float32{0, 0, 0}, 16000, 2, "3 samples are no whole frames of 2 channels"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			var file memoryFile
			require.ErrorContains(t, WriteWAV16(&file, test.samples, test.rate, test.channels), test.text)
			require.Empty(t, file.bytes)
		})
	}
}

// fullDisk takes some bytes and no more.
type fullDisk struct {
	memoryFile
	room int
}

var errFull = errors.New("no space left")

func (f *fullDisk) Write(p []byte) (int, error) {
	if f.room -= len(p); f.room < 0 {
		return 0, errFull
	}
	return f.memoryFile.Write(p)
}

func TestWriteWAV16TellsAFullDisk(t *testing.T) {
	t.Parallel()
	samples := make([]float32, 3*writeFrames)
	var whole memoryFile
	require.NoError(t, WriteWAV16(&whole, samples, 16000, 1))
	for _, room := range []int{0, 11, 43, 44, 1000, len(whole.bytes) - 1, len(whole.bytes) + 3} {
		err := WriteWAV16(&fullDisk{room: room}, samples, 16000, 1)
		require.ErrorContains(t, err, "no space left", "room for %d bytes", room)
	}
}
