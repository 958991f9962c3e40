//go:build !amd64 || noasm || gccgo || safe

package dsp

// dot returns the inner product of h and the first len(h) values of x.
func dot(x, h []float32) float32 { return dotLoop(x, h) }
