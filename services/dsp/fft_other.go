//go:build !amd64 || noasm || gccgo || safe

package dsp

// vector is false where there are no vector instructions.
const vector = false

func rowAVX(_, _ *complex128, _, _ int, _, _, _ complex128) { panic("unreachable") }

func firstAVX(_, _, _ *complex128, _ int) { panic("unreachable") }
