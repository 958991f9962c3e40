//go:build amd64 && !noasm && !gccgo && !safe

package dsp

import "gonum.org/v1/gonum/blas/blas32"

// dot returns the inner product of h and the first len(h) values of x. gonum uses
// vector instructions, which are four times as fast as dotLoop; on other platforms its
// loop is slower than dotLoop.
//
// gonum's order of additions depends on the address of the second vector modulo 16.
// Therefore the second vector must be h, a row of a filter bank: rows have a multiple
// of four values in one allocation, so the order is always the same, and a stream's
// output does not depend on its division into blocks.
func dot(x, h []float32) float32 {
	return blas32.Dot(
		blas32.Vector{N: len(h), Inc: 1, Data: x},
		blas32.Vector{N: len(h), Inc: 1, Data: h},
	)
}
