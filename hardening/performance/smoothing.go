package performance

import "math"

// Estimator is the name of the forecasting method.
const Estimator = "damped Holt"

// smoothing is the Holt-Winters forecaster without seasons and with a damped trend
// (Gardner and McKenzie, "Forecasting trends in time series", 1985): level and trend
// follow the series by alpha and beta, and the trend fades by phi with each step ahead.
type smoothing struct {
	alpha, beta, phi float64
	level, trend     float64
}

// add adds the next value and returns the error of its forecast.
func (s *smoothing) add(value float64) (off float64) {
	expected := s.level + s.phi*s.trend
	level := s.alpha*value + (1-s.alpha)*expected
	s.trend = s.beta*(level-s.level) + (1-s.beta)*s.phi*s.trend
	s.level = level
	return value - expected
}

// ahead returns the forecast for the given number of steps ahead.
func (s *smoothing) ahead(steps int) float64 { return s.level + s.reach(steps)*s.trend }

// reach returns how many steps of the trend are ahead, each damped.
func (s *smoothing) reach(steps int) float64 {
	if s.phi == 1 {
		return float64(steps)
	}
	return s.phi * (1 - math.Pow(s.phi, float64(steps))) / (1 - s.phi)
}

// The grid that fit searches. Beta of zero is a series without a trend, phi of one a
// trend that goes on, as memory that leaks.
var (
	gridAlphas = []float64{0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1}
	gridBetas  = []float64{0, 0.05, 0.1, 0.2, 0.4}
	gridPhis   = []float64{0.8, 0.9, 0.98, 1}
)

// fit returns the smoothing whose forecasts so many steps ahead have the least mean absolute
// error over the series, at its end. None of the values can be below zero, and no forecast is.
// Alpha of one and beta of zero is the forecast that nothing changes, which is that of a
// series too short to judge others by. The series has a value or more.
func fit(series []float64, steps int) smoothing {
	if len(series) < 2*steps {
		s, _ := backtest(smoothing{alpha: 1, phi: 1}, series, steps)
		return s
	}
	var best smoothing
	least := math.Inf(1)
	for _, alpha := range gridAlphas {
		for _, beta := range gridBetas {
			for _, phi := range gridPhis {
				if s, sum := backtest(smoothing{alpha: alpha, beta: beta, phi: phi}, series, steps); sum < least {
					best, least = s, sum
				}
			}
		}
	}
	return best
}

// backtest runs over the series, starting with its first value and no trend, and returns
// the smoothing at the end and the sum of the absolute errors so many steps ahead.
func backtest(s smoothing, series []float64, steps int) (smoothing, float64) {
	s.level = series[0]
	reach, sum := s.reach(steps), 0.0
	for i, value := range series {
		if i > 0 {
			s.add(value)
		}
		if i+steps < len(series) {
			sum += math.Abs(max(s.level+reach*s.trend, 0) - series[i+steps])
		}
	}
	return s, sum
}
