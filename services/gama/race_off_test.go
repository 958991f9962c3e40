//go:build !race

package gama

// raceEnabled tells whether the test runs under the race detector.
const raceEnabled = false
