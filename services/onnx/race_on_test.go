//go:build race

package onnx

// raceEnabled tells whether the test runs under the race detector.
const raceEnabled = true
