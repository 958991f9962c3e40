//go:build !race

package audioldm

// raceEnabled reports whether the test runs under the race detector.
const raceEnabled = false
