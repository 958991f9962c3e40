//go:build race

package clap

// raceEnabled reports whether the test runs under the race detector.
const raceEnabled = true
