package hardening

import "math"

// Estimator names what forecasts a series.
const Estimator = "damped Holt"

// holt is exponential smoothing with a damped trend (Gardner and McKenzie,
// "Forecasting trends in time series", 1985): level and trend follow the series
// by alpha and beta, and the trend fades by phi with each step ahead.
type holt struct {
	alpha, beta, phi float64
	level, trend     float64
}

// add takes the next value and gives how far the forecast of it was off.
func (h *holt) add(value float64) (off float64) {
	expected := h.level + h.phi*h.trend
	level := h.alpha*value + (1-h.alpha)*expected
	h.trend = h.beta*(level-h.level) + (1-h.beta)*h.phi*h.trend
	h.level = level
	return value - expected
}

// ahead forecasts the value in so many steps.
func (h *holt) ahead(steps int) float64 {
	if h.phi == 1 {
		return h.level + float64(steps)*h.trend
	}
	return h.level + h.phi*(1-math.Pow(h.phi, float64(steps)))/(1-h.phi)*h.trend
}

// The grid that fitHolt searches. Phi stays below one, so that no forecast runs
// away; beta of zero is a series without a trend.
var (
	holtAlphas = []float64{0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1}
	holtBetas  = []float64{0, 0.05, 0.1, 0.2, 0.4}
	holtPhis   = []float64{0.8, 0.9, 0.98}
)

// fitHolt gives the smoothing whose forecasts of the next value have the least
// squared error over the series, at its end. The series has two values or more.
func fitHolt(series []float64) holt {
	var best holt
	least := math.Inf(1)
	for _, alpha := range holtAlphas {
		for _, beta := range holtBetas {
			for _, phi := range holtPhis {
				if h, sum := smooth(holt{alpha: alpha, beta: beta, phi: phi}, series); sum < least {
					best, least = h, sum
				}
			}
		}
	}
	return best
}

// smooth runs over the series, from its first value and no trend on, and gives
// the sum of the squared errors.
func smooth(h holt, series []float64) (holt, float64) {
	h.level = series[0]
	sum := 0.0
	for _, value := range series[1:] {
		off := h.add(value)
		sum += off * off
	}
	return h, sum
}
