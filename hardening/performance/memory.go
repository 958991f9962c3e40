package performance

import "time"

// MemoryForecast is the forecast of the resident set.
type MemoryForecast struct {
	// Known is false while there are too few samples.
	Known bool
	// Bytes is the expected resident set in one minute, BytesPerSecond the growth until
	// then.
	Bytes, BytesPerSecond float64
	// FullIn is the time until the budget is reached at that growth; zero when it never is.
	FullIn time.Duration
	// MeanError is the mean absolute error, in bytes, of the forecasts one minute
	// ahead; Compared is how many were compared.
	MeanError float64
	Compared  int
}

// longestFullIn is the time beyond which memory does not count as filling up.
const longestFullIn = 365 * 24 * time.Hour

// memoryForecast derives the memory forecast from that of the resident set and the
// budget in bytes.
func memoryForecast(f Forecast, budget float64) MemoryForecast {
	var m MemoryForecast
	if len(f.Ahead) == 0 {
		return m
	}
	minute := f.Ahead[0]
	m.Compared, m.MeanError = minute.Compared, minute.MeanError
	if !f.Known {
		return m
	}
	m.Known, m.Bytes = true, minute.Value
	m.BytesPerSecond = (minute.Value - f.Now) / minute.In.Seconds()
	if left := budget - f.Now; left <= 0 {
		m.FullIn = time.Nanosecond
	} else if seconds := left / m.BytesPerSecond; m.BytesPerSecond > 0 && seconds < longestFullIn.Seconds() {
		m.FullIn = time.Duration(seconds * float64(time.Second))
	}
	return m
}
