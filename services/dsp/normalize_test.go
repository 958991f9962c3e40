package dsp_test

import (
	"errors"
	"io"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/grym-synth/grym-synth/services/audiofile"
	"github.com/grym-synth/grym-synth/services/dsp"
)

// wav2vec2Eps is the eps of Wav2Vec2's feature extractor.
const wav2vec2Eps = 1e-7

func TestNormalizeFollowsItsDefinition(t *testing.T) {
	t.Parallel()
	// Mean 2, population variance (1+1+4+4)/4 = 2.5.
	x := []float32{1, 3, 0, 4}
	dsp.Normalize(x, 0)
	s := math.Sqrt(2.5)
	for i, want := range []float64{-1 / s, 1 / s, -2 / s, 2 / s} {
		require.InDelta(t, want, x[i], 1e-6)
	}

	x = []float32{1, 3}
	dsp.Normalize(x, 3) // sqrt(1 + 3) = 2
	require.Equal(t, []float32{-0.5, 0.5}, x)
}

func TestNormalizeKeepsDigitsUnderALargeOffset(t *testing.T) {
	t.Parallel()
	x := make([]float32, 100000)
	for i := range x {
		x[i] = 1000 + float32(i%2)/8 // variance 1/256
	}
	dsp.Normalize(x, 0)
	require.InDelta(t, -1, x[0], 1e-6)
	require.InDelta(t, 1, x[1], 1e-6)
}

func TestNormalizeOfSilenceIsSilence(t *testing.T) {
	t.Parallel()
	for _, eps := range []float64{wav2vec2Eps, 0} {
		x := []float32{0.25, 0.25, 0.25}
		dsp.Normalize(x, eps)
		require.Equal(t, []float32{0, 0, 0}, x)
	}
	dsp.Normalize(nil, wav2vec2Eps)
}

// The reference values are from the original feature extractor.
func TestNormalizeOfARealRecording(t *testing.T) {
	t.Parallel()
	x := readTestdata(t, "audio", "1272-128104-0000.wav")
	require.Len(t, x, 93680)
	dsp.Normalize(x, wav2vec2Eps)
	for i, want := range []float64{0.038579, 0.033652, 0.032174, 0.034144, 0.026261} {
		require.InDelta(t, want, x[i], 6e-7, "sample %d", i)
	}
}

// readTestdata returns the samples of a mono recording from the external reference
// files. It skips the test if they are not available.
func readTestdata(t *testing.T, path ...string) []float32 {
	t.Helper()
	root := os.Getenv("GRYM_TESTDATA")
	if root == "" {
		root = filepath.Join("..", "..", "..", "shared")
	}
	name := filepath.Join(append([]string{root, "testdata"}, path...)...)
	file, err := os.Open(name)
	if errors.Is(err, fs.ErrNotExist) {
		t.Skipf("no reference file %s; set GRYM_TESTDATA to the folder that holds testdata", filepath.Join(path...))
	}
	require.NoError(t, err)
	defer file.Close()
	info, err := file.Stat()
	require.NoError(t, err)
	reader, err := audiofile.Open(file, info.Size(), audiofile.DefaultLimits())
	require.NoError(t, err)
	require.Equal(t, 1, reader.Format().Channels)
	x := make([]float32, reader.Format().Frames)
	n, err := reader.ReadFrames(x)
	require.NoError(t, err)
	require.Len(t, x, n)
	_, err = reader.ReadFrames(make([]float32, 1))
	require.ErrorIs(t, err, io.EOF)
	return x
}
