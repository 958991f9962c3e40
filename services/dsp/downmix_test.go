package dsp_test

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/grym-synth/grym-synth/services/dsp"
)

func TestDownmixIsTheMeanOfEachFrame(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name     string
		channels int
		in, want []float32
	}{
		{"mono is copied", 1, []float32{1, 2, 3}, []float32{1, 2, 3}},
		{"stereo", 2, []float32{1, 3, -1, 0.5}, []float32{2, -0.25}},
		{"three channels", 3, []float32{1, 2, 6, 0, 0, 3}, []float32{3, 1}},
		{"opposite channels cancel", 2, []float32{0.7, -0.7}, []float32{0}},
		{"a partial frame is left out", 2, []float32{1, 3, 9}, []float32{2}},
		{"nothing", 2, nil, []float32{}},
		{"no channels", 0, []float32{1}, []float32{}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, test.want, dsp.Downmix([]float32{}, test.in, test.channels))
			require.Equal(t, test.want, dsp.Downmix(make([]float32, 10), test.in, test.channels))
		})
	}
}

func TestDownmixInPlace(t *testing.T) {
	t.Parallel()
	for channels := 1; channels <= 5; channels++ {
		x := make([]float32, 12*channels)
		for i := range x {
			x[i] = float32(i * i)
		}
		want := dsp.Downmix(nil, x, channels)
		require.Equal(t, want, dsp.Downmix(x, x, channels), "%d channels", channels)
	}
}

// TestDownmixOfOppositeChannels has a sine and its negative: a cable that was
// soldered the wrong way round. The mean would be silence.
func TestDownmixOfOppositeChannels(t *testing.T) {
	t.Parallel()
	const frames = 4096
	for _, leak := range []float32{0, 0.03} {
		stereo, left, mean := make([]float32, 2*frames), make([]float32, frames), make([]float32, frames)
		for i := range left {
			left[i] = float32(math.Sin(float64(i) / 7))
			stereo[2*i], stereo[2*i+1] = left[i], (leak-1)*left[i]
			mean[i] = (stereo[2*i] + stereo[2*i+1]) / 2
		}
		require.Equal(t, left, dsp.Downmix(nil, stereo, 2), "leak %v", leak)
		require.Equal(t, left, dsp.Downmix(stereo, stereo, 2)[:frames], "leak %v, in place", leak)
	}

	// A wide recording keeps its mean, and so does one whose first channel is empty.
	wide, want := make([]float32, 2*frames), make([]float32, frames)
	for i := range want {
		wide[2*i], wide[2*i+1] = float32(math.Sin(float64(i)/7)), -0.8*float32(math.Sin(float64(i)/7))
		want[i] = (wide[2*i] + wide[2*i+1]) / 2
	}
	require.Equal(t, want, dsp.Downmix(nil, wide, 2))
	for i := range want {
		wide[2*i], want[i] = 0, wide[2*i+1]/2
	}
	require.Equal(t, want, dsp.Downmix(nil, wide, 2))

	// Of four channels that cancel, the first with sound is taken.
	four := make([]float32, 4*frames)
	for i := range want {
		x := float32(math.Sin(float64(i) / 5))
		four[4*i+1], four[4*i+3], want[i] = x, -x, x
	}
	require.Equal(t, want, dsp.Downmix(nil, four, 4))
}

func TestDownmixReusesDst(t *testing.T) {
	t.Parallel()
	dst, in := make([]float32, 8), make([]float32, 16)
	got := dsp.Downmix(dst, in, 2)
	require.Len(t, got, 8)
	require.Same(t, &dst[0], &got[0])
}
