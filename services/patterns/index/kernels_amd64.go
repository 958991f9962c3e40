//go:build amd64 && !noasm && !gccgo && !safe

package index

import "golang.org/x/sys/cpu"

// vectorised reports whether this processor has the instructions of the kernels.
var vectorised = cpu.X86.HasAVX2 && cpu.X86.HasFMA

// dotVector returns the inner product of n values, a multiple of step.
//
//go:noescape
func dotVector(a, b *float32, n int) float32

// scoreVector writes the inner products of a query with count rows, each of dims values,
// a multiple of step.
//
//go:noescape
func scoreVector(query *int16, rows *int8, dims, count int, out *int32)
