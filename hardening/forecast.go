package hardening

import (
	"math"
	"time"

	"gonum.org/v1/gonum/stat"
)

const (
	// trendWindow is how far back the trend of memory looks.
	trendWindow = 5 * time.Minute
	// trendSamples is the least that a trend is drawn through.
	trendSamples = 6
	// aheadBy is how far ahead a forecast is made that is compared with what came.
	aheadBy = time.Minute
)

// Forecast is where the resident set goes if it goes on as it did.
type Forecast struct {
	// Known tells whether there were samples enough.
	Known bool
	// BytesPerSecond is the slope of the line of least squares through the last
	// five minutes, Bytes the resident set in a minute by it.
	BytesPerSecond, Bytes float64
	// FullIn is the time until the budget is reached; zero when it never is.
	FullIn time.Duration
	// MeanError is the mean distance, in bytes, between the forecasts for a minute
	// ahead and what came; Compared is how many were compared.
	MeanError float64
	Compared  int
}

// forecaster makes forecasts and measures them. Not safe for concurrent use.
type forecaster struct {
	pending  []promise
	sum      float64
	compared int
}

// promise is a forecast that waits for its time.
type promise struct {
	at    time.Time
	bytes float64
}

// add takes the newest of the samples, and the budget in bytes.
func (f *forecaster) add(samples []Sample, budget float64) Forecast {
	last := samples[len(samples)-1]
	for len(f.pending) > 0 && !f.pending[0].at.After(last.At) {
		f.sum += math.Abs(f.pending[0].bytes - float64(last.Resident))
		f.compared++
		f.pending = f.pending[1:]
	}
	forecast := Forecast{Compared: f.compared}
	if f.compared > 0 {
		forecast.MeanError = f.sum / float64(f.compared)
	}
	var at, bytes []float64
	for _, s := range samples {
		if age := last.At.Sub(s.At); age <= trendWindow {
			at, bytes = append(at, -age.Seconds()), append(bytes, float64(s.Resident))
		}
	}
	if len(at) < trendSamples {
		return forecast
	}
	now, slope := stat.LinearRegression(at, bytes, nil, false)
	forecast.Known, forecast.BytesPerSecond = true, slope
	forecast.Bytes = math.Max(now+slope*aheadBy.Seconds(), 0)
	f.pending = append(f.pending, promise{last.At.Add(aheadBy), forecast.Bytes})
	if left := budget - float64(last.Resident); left <= 0 {
		forecast.FullIn = time.Nanosecond
	} else if seconds := left / slope; slope > 0 && seconds < (365*24*time.Hour).Seconds() {
		forecast.FullIn = time.Duration(seconds * float64(time.Second))
	}
	return forecast
}
