package dsp

import (
	"compress/gzip"
	"encoding/json"
	"math"
	"os"
	"testing"

	"github.com/stretchr/testify/require"
)

// goldenMel is a spectrogram by transformers; models/parity/mel_golden.py writes them.
type goldenMel struct {
	SampleRate int     `json:"sample_rate"`
	FFT        int     `json:"fft"`
	Hop        int     `json:"hop"`
	Bands      int     `json:"bands"`
	Low        float64 `json:"low"`
	High       float64 `json:"high"`
	Scale      string  `json:"scale"`
	Samples    int     `json:"samples"`
	Rows       int     `json:"rows"`
	// Values are the rows in Shown.
	Shown  []int       `json:"shown"`
	Values [][]float64 `json:"values"`
}

// made returns the samples of the golden spectrograms: two gliding tones, noise, and a
// stretch of silence.
func made(n int) []float32 {
	x := make([]float32, n)
	state := uint32(1)
	for i := range x {
		state = state*1664525 + 1013904223
		t := float64(i)
		x[i] = float32(0.3*math.Sin(0.02*t+1e-6*t*t) + 0.1*math.Sin(0.3*t) + 0.05*(float64(state>>8)/(1<<23)-1))
		if i > n/2 && i < n/2+2*n/10 {
			x[i] = 0
		}
	}
	return x
}

func TestMelSpectrogramsAreThoseOfTransformers(t *testing.T) {
	t.Parallel()
	file, err := os.Open("testdata/mel.json.gz")
	require.NoError(t, err)
	defer file.Close()
	unzipped, err := gzip.NewReader(file)
	require.NoError(t, err)
	var golden []goldenMel
	require.NoError(t, json.NewDecoder(unzipped).Decode(&golden))
	require.NotEmpty(t, golden)
	for _, g := range golden {
		m, err := NewMelSpectrogram(MelConfig{
			SampleRateHz: g.SampleRate, FFT: g.FFT, Hop: g.Hop, Bands: g.Bands, LowHz: g.Low, HighHz: g.High, Scale: g.Scale,
		})
		require.NoError(t, err)
		samples := made(g.Samples)
		rows := m.Compute(samples)
		require.Len(t, rows, g.Rows*g.Bands)
		worst := 0.0
		for i, row := range g.Shown {
			for band, want := range g.Values[i] {
				worst = max(worst, math.Abs(want-float64(rows[row*g.Bands+band])))
			}
		}
		require.Less(t, worst, 2e-3, "dB, of %+v", g.Scale)
		// The same in pieces.
		for _, size := range []int{1, 77, 4096} {
			if size == 1 && g.Samples > 5000 {
				continue
			}
			s := m.Stream()
			var pieces []float32
			for from := 0; from < len(samples); from += size {
				pieces = s.Process(pieces, samples[from:min(from+size, len(samples))])
			}
			require.Equal(t, rows, s.Flush(pieces), "in pieces of %d", size)
		}
	}
}

func TestMelSpectrogramsOfShortClips(t *testing.T) {
	t.Parallel()
	m, err := NewMelSpectrogram(MelConfig{SampleRateHz: 16000, FFT: 512, Hop: 160, Bands: 64, LowHz: 50, HighHz: 8000, Scale: MelSlaney})
	require.NoError(t, err)
	require.Len(t, m.Compute(nil), 64)
	require.Equal(t, float32(-100), m.Compute(nil)[0])
	require.Len(t, m.Compute(make([]float32, 256)), 2*64)
	require.Len(t, m.Compute(make([]float32, 320)), 3*64)
	for _, bad := range []MelConfig{
		{SampleRateHz: 16000, FFT: 500, Hop: 160, Bands: 64, HighHz: 8000, Scale: MelHTK},
		{SampleRateHz: 16000, FFT: 512, Hop: 300, Bands: 64, HighHz: 8000, Scale: MelHTK},
		{SampleRateHz: 16000, FFT: 512, Hop: 160, Bands: 64, HighHz: 9000, Scale: MelHTK},
		{SampleRateHz: 16000, FFT: 512, Hop: 160, Bands: 64, HighHz: 8000, Scale: "bark"},
	} {
		_, err := NewMelSpectrogram(bad)
		require.Error(t, err)
	}
}
