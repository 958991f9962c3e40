//go:build race

package onnx

// raceEnabled reports whether the test runs under the race detector.
const raceEnabled = true
