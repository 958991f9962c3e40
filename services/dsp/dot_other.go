//go:build !amd64 || noasm || gccgo || safe

package dsp

// dot is the inner product of h with as many values of x.
func dot(x, h []float32) float32 { return dotLoop(x, h) }
