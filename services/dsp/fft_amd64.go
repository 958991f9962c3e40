//go:build amd64 && !noasm && !gccgo && !safe

package dsp

import "golang.org/x/sys/cpu"

// vector reports whether the processor has AVX. The vector instructions compute the same
// products and sums as the loops, in the same order, so that the results are equal.
var vector = cpu.X86.HasAVX

// rowAVX is the inner loop of radix4 for one p. x and y are its first input and output,
// and the others follow at distances of quarter and stride, which is even.
//
//go:noescape
func rowAVX(y, x *complex128, stride, quarter int, w1, w2, w3 complex128)

// firstAVX is FFT.first for an even quarter. The last twiddle factor read is that of three
// times the number before the quarter.
//
//go:noescape
func firstAVX(y, x, w *complex128, quarter int)
