package patterns

import "math"

// Windows have lengths of a fixed series, so that patterns share them.
const (
	shortestWindow = 0.1
	windowRatio    = 1.3
	windowLengths  = 18
	// spread is the number of longer and of shorter windows than its examples' length that
	// a pattern is searched for in.
	spread = 1
)

// windowLength returns a length of the series in seconds, rounded to hundredths.
func windowLength(number int) float64 {
	return math.Round(shortestWindow*math.Pow(windowRatio, float64(number))*100) / 100
}

// windowsFor returns the numbers of the windows for a pattern of some length.
func windowsFor(seconds float64) (numbers []int) {
	nearest := int(math.Round(math.Log(math.Max(seconds, shortestWindow)/shortestWindow) / math.Log(windowRatio)))
	nearest = min(nearest, windowLengths-1)
	for n := max(0, nearest-spread); n <= min(windowLengths-1, nearest+spread); n++ {
		numbers = append(numbers, n)
	}
	return numbers
}

// hops are the steps between windows in seconds, for windows up to a length.
var hops = []struct{ upTo, hop float64 }{{0.9, 0.08}, {3, 0.2}, {math.Inf(1), 0.5}}

// hopOf returns the step between windows of a length, in seconds.
func hopOf(number int) float64 {
	for _, one := range hops {
		if windowLength(number) <= one.upTo {
			return one.hop
		}
	}
	return hops[len(hops)-1].hop
}
