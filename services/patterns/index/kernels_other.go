//go:build !amd64 || noasm || gccgo || safe

package index

const vectorised = false

func dotVector(_, _ *float32, _ int) float32 { return 0 }

func scoreVector(_ *int16, _ *int8, _, _ int, _ *int32) {}
