//go:build race

package audioldm

// raceEnabled tells whether the test runs under the race detector.
const raceEnabled = true
