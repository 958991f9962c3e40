package dsp

import (
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
	"gonum.org/v1/gonum/dsp/fourier"
)

// TestFFTAgainstGonum compares both directions with another implementation.
func TestFFTAgainstGonum(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(1, 2))
	for size := 4; size <= 1<<13; size *= 2 {
		f, err := NewFFT(size)
		require.NoError(t, err)
		other := fourier.NewFFT(size)
		x := make([]float64, size)
		for i := range x {
			x[i] = r.NormFloat64()
		}
		got := make([]complex128, size/2+1)
		f.Coefficients(got, x)
		want := other.Coefficients(nil, x)
		for k := range want {
			require.InDelta(t, real(want[k]), real(got[k]), 1e-9, "size %d, coefficient %d", size, k)
			require.InDelta(t, imag(want[k]), imag(got[k]), 1e-9, "size %d, coefficient %d", size, k)
		}
		y := make([]float64, size)
		f.Sequence(y, got)
		for i, v := range other.Sequence(nil, want) {
			require.InDelta(t, v, y[i], 1e-7, "size %d, value %d", size, i)
		}
	}
}

func TestFFTLengths(t *testing.T) {
	t.Parallel()
	for _, size := range []int{-4, 0, 1, 2, 3, 6, 2047} {
		_, err := NewFFT(size)
		require.ErrorContains(t, err, "power of two", "size %d", size)
	}
}

func BenchmarkFFT(b *testing.B) {
	x, c := make([]float64, 2048), make([]complex128, 1025)
	for i := range x {
		x[i] = float64(i % 77)
	}
	b.Run("ours", func(b *testing.B) {
		f, err := NewFFT(len(x))
		require.NoError(b, err)
		for b.Loop() {
			f.Coefficients(c, x)
		}
	})
	b.Run("gonum", func(b *testing.B) {
		f := fourier.NewFFT(len(x))
		for b.Loop() {
			f.Coefficients(c, x)
		}
	})
}
