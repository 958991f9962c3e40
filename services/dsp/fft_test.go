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

// TestFFTWithoutVectorInstructions requires equal results.
func TestFFTWithoutVectorInstructions(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(3, 4))
	for n := 4; n <= 1<<12; n *= 4 {
		for _, size := range []int{n, 2 * n} {
			f, err := NewFFT(2 * size)
			require.NoError(t, err)
			x := make([]complex128, size)
			for i := range x {
				x[i] = complex(r.NormFloat64(), r.NormFloat64())
			}
			want, got := make([]complex128, size), make([]complex128, size)
			f.firstLoop(want, x)
			f.first(got, x)
			require.Equal(t, want, got, size)
			for stride := 4; 4*stride <= size; stride *= 4 {
				f.rowsLoop(want, x, size/stride, stride)
				f.radix4(got, x, size/stride, stride)
				require.Equal(t, want, got, "size %d, stride %d", size, stride)
			}
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
