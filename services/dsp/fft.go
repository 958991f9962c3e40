package dsp

import (
	"fmt"
	"math"
	"math/bits"
)

// FFT is the discrete Fourier transform of real sequences whose length is a power of two,
// by the Stockham algorithm of radix 4 on half as many complex values (Van Loan,
// "Computational Frameworks for the Fast Fourier Transform", 1992). It takes about a third
// of the time of gonum's, which supports all lengths. Not safe for concurrent use.
type FFT struct {
	size     int
	twiddles []complex128 // exp(-2 pi i k / (size/2))
	halves   []complex128 // exp(-2 pi i k / size)
	a, b     []complex128
}

// NewFFT returns the transform of sequences of the given length, a power of two from 4.
func NewFFT(size int) (*FFT, error) {
	if size < 4 || bits.OnesCount(uint(size)) != 1 {
		return nil, fmt.Errorf("length of a transform must be a power of two from 4, got %d", size)
	}
	n := size / 2
	f := &FFT{
		size: size, twiddles: make([]complex128, n), halves: make([]complex128, n/2+1),
		a: make([]complex128, n), b: make([]complex128, n),
	}
	for k := range f.twiddles {
		f.twiddles[k] = unit(-float64(k) / float64(n))
	}
	for k := range f.halves {
		f.halves[k] = unit(-float64(k) / float64(size))
	}
	return f, nil
}

// unit returns exp(2 pi i turns).
func unit(turns float64) complex128 {
	sin, cos := math.Sincos(2 * math.Pi * turns)
	return complex(cos, sin)
}

// Coefficients writes the first size/2+1 coefficients of a sequence to dst.
func (f *FFT) Coefficients(dst []complex128, sequence []float64) {
	n := f.size / 2
	for i := range f.a {
		f.a[i] = complex(sequence[2*i], sequence[2*i+1])
	}
	z := f.transform()
	dst = dst[: n+1 : n+1]
	dst[0] = complex(real(z[0])+imag(z[0]), 0)
	dst[n] = complex(real(z[0])-imag(z[0]), 0)
	for k := 1; k <= n/2; k++ {
		even := halved(z[k] + conjugate(z[n-k]))
		odd := f.halves[k] * turned(halved(z[k]-conjugate(z[n-k])))
		dst[k] = even + odd
		dst[n-k] = conjugate(even - odd)
	}
}

// Sequence writes the real sequence with the given coefficients to dst, times size. The
// imaginary parts of the first and the last count as zero.
func (f *FFT) Sequence(dst []float64, coefficients []complex128) {
	n := f.size / 2
	c := coefficients[: n+1 : n+1]
	// The transform of the conjugates is the conjugate of the inverse.
	first, last := real(c[0]), real(c[n])
	f.a[0] = complex(first+last, -(first - last))
	for k := 1; k <= n/2; k++ {
		even := c[k] + conjugate(c[n-k])
		odd := conjugate(f.halves[k]) * (c[k] - conjugate(c[n-k]))
		f.a[k] = conjugate(even - turned(odd))
		f.a[n-k] = even + turned(odd)
	}
	z := f.transform()
	for i, v := range z {
		dst[2*i], dst[2*i+1] = real(v), -imag(v)
	}
}

func conjugate(z complex128) complex128 { return complex(real(z), -imag(z)) }

// halved returns z / 2; the division of complex numbers is slower.
func halved(z complex128) complex128 { return complex(real(z)/2, imag(z)/2) }

// turned returns -i z.
func turned(z complex128) complex128 { return complex(imag(z), -real(z)) }

// transform returns the transform of a, in a or in b.
func (f *FFT) transform() []complex128 {
	x, y := f.a, f.b
	n, stride := len(x), 1
	for n >= 4 {
		f.radix4(y, x, n, stride)
		x, y = y, x
		n /= 4
		stride *= 4
	}
	if n == 2 {
		for q := range stride {
			y[q], y[q+stride] = x[q]+x[q+stride], x[q]-x[q+stride]
		}
		x = y
	}
	return x
}

// first is radix4 for a stride of one.
func (f *FFT) first(y, x []complex128) {
	if m := len(x) / 4; vector && m%2 == 0 {
		firstAVX(&y[:len(x)][0], &x[0], &f.twiddles[: 3*m-2 : 3*m][0], m)
		return
	}
	f.firstLoop(y, x)
}

func (f *FFT) firstLoop(y, x []complex128) {
	m := len(x) / 4
	a, b, c, d := x[:m], x[m:][:m], x[2*m:][:m], x[3*m:][:m]
	w := f.twiddles
	for p := range m {
		sum, difference := a[p]+c[p], a[p]-c[p]
		other, cross := b[p]+d[p], turned(b[p]-d[p])
		to := y[4*p:][:4]
		to[0] = sum + other
		to[1] = w[p] * (difference + cross)
		to[2] = w[2*p] * (sum - other)
		to[3] = w[3*p] * (difference - cross)
	}
}

// radix4 is one pass over sub-sequences of length n.
func (f *FFT) radix4(y, x []complex128, n, stride int) {
	switch {
	case stride == 1:
		f.first(y, x)
	case vector:
		m := n / 4
		for p := range m {
			w1, w2, w3 := f.twiddles[p*stride], f.twiddles[2*p*stride], f.twiddles[3*p*stride]
			from, to := x[p*stride:][:(3*m+1)*stride], y[4*p*stride:][:4*stride]
			rowAVX(&to[0], &from[0], stride, m*stride, w1, w2, w3)
		}
	default:
		f.rowsLoop(y, x, n, stride)
	}
}

func (f *FFT) rowsLoop(y, x []complex128, n, stride int) {
	m := n / 4
	for p := range m {
		w1, w2, w3 := f.twiddles[p*stride], f.twiddles[2*p*stride], f.twiddles[3*p*stride]
		from, to := p*stride, 4*p*stride
		a := x[from : from+stride]
		b := x[from+m*stride:][:len(a)]
		c := x[from+2*m*stride:][:len(a)]
		d := x[from+3*m*stride:][:len(a)]
		y0 := y[to:][:len(a)]
		y1 := y[to+stride:][:len(a)]
		y2 := y[to+2*stride:][:len(a)]
		y3 := y[to+3*stride:][:len(a)]
		for q := range a {
			sum, difference := a[q]+c[q], a[q]-c[q]
			other, cross := b[q]+d[q], turned(b[q]-d[q])
			y0[q] = sum + other
			y1[q] = w1 * (difference + cross)
			y2[q] = w2 * (sum - other)
			y3[q] = w3 * (difference - cross)
		}
	}
}
