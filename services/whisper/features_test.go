package whisper

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// TestFeaturesAreTransformers compares spectrograms with those of WhisperFeatureExtractor.
func TestFeaturesAreTransformers(t *testing.T) {
	t.Parallel()
	cases := golden[[]struct {
		Bands   int         `json:"bands"`
		Samples int         `json:"samples"`
		Values  [][]float64 `json:"values"`
	}](t, "features.json")
	require.NotEmpty(t, cases)
	const frames = 200
	for _, c := range cases {
		e := newExtractor(preprocessorConfig{FeatureSize: c.Bands, SamplingRate: 16000, FFT: 400, HopLength: 160, ChunkLength: 2})
		got := e.features(made(c.Samples), frames)
		require.Len(t, got, c.Bands*frames)
		require.Len(t, c.Values, (c.Bands+7)/8)
		for i, row := range c.Values {
			require.Len(t, row, 31)
			for j, want := range row {
				frame := min(7*j, frames-31+j) // the last two, too
				require.InDelta(t, want, got[8*i*frames+frame], 1e-3, "%d bands, %d samples: band %d, frame %d", c.Bands, c.Samples, 8*i, frame)
			}
		}
	}
}

// TestFeaturesOfSilence are all equal.
func TestFeaturesOfSilence(t *testing.T) {
	t.Parallel()
	e := newExtractor(preprocessorConfig{FeatureSize: 80, SamplingRate: 16000, FFT: 400, HopLength: 160, ChunkLength: 1})
	for _, v := range e.features(nil, 100) {
		require.InDelta(t, (-10.0+4)/4, v, 1e-6)
	}
}
