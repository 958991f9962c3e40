//go:build !race

package gama

// raceEnabled reports whether the test runs under the race detector.
const raceEnabled = false
