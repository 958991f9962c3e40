package dsp

import "math"

// Normalize transforms x in place to zero mean and unit variance: (x - mean) /
// sqrt(variance + eps), with the population variance. Wav2Vec2's feature extractor uses
// 1e-7 for eps, which keeps silence at zero instead of dividing by zero. Statistics are
// computed in double precision, and the variance from the differences to the mean, so
// that an offset loses no precision.
func Normalize(x []float32, eps float64) {
	if len(x) == 0 {
		return
	}
	n := float64(len(x))
	var sum float64
	for _, v := range x {
		sum += float64(v)
	}
	mean := sum / n
	var squares float64
	for _, v := range x {
		d := float64(v) - mean
		squares += d * d
	}
	deviation := math.Sqrt(squares/n + eps)
	if deviation == 0 { // silence with eps 0
		deviation = 1
	}
	for i, v := range x {
		x[i] = float32((float64(v) - mean) / deviation)
	}
}
