//go:build race

package audiofile

// raceEnabled reports whether the test runs under the race detector.
const raceEnabled = true
