package dsp_test

import (
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

func TestDownmixReusesDst(t *testing.T) {
	t.Parallel()
	dst, in := make([]float32, 8), make([]float32, 16)
	got := dsp.Downmix(dst, in, 2)
	require.Len(t, got, 8)
	require.Same(t, &dst[0], &got[0])
}
