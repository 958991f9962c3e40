package analysis

import "math"

// biquad is the transposed direct form II of a filter of second order.
type biquad struct{ b0, b1, b2, a1, a2 float64 }

// kWeighting returns the two filters of ITU-R BS.1770-4 Annex 1 for any sample rate. The
// recommendation has coefficients for 48 kHz only; these are the parameters of the analogue
// filters behind them, as derived by De Man, "Evaluation of Implementations of the EBU
// R128 Loudness Measurement" (AES 145, 2018).
func kWeighting(rate float64) (shelf, high biquad) {
	const (
		shelfHz, shelfDB, shelfQ = 1681.974450955533, 3.999843853973347, 0.7071752369554196
		bandExponent             = 0.4996667741545416
		highHz, highQ            = 38.13547087602444, 0.5003270373238773
	)
	k := math.Tan(math.Pi * shelfHz / rate)
	gain := math.Pow(10, shelfDB/20)
	band := math.Pow(gain, bandExponent)
	a0 := 1 + k/shelfQ + k*k
	shelf = biquad{
		b0: (gain + band*k/shelfQ + k*k) / a0, b1: 2 * (k*k - gain) / a0, b2: (gain - band*k/shelfQ + k*k) / a0,
		a1: 2 * (k*k - 1) / a0, a2: (1 - k/shelfQ + k*k) / a0,
	}
	k = math.Tan(math.Pi * highHz / rate)
	a0 = 1 + k/highQ + k*k
	high = biquad{b0: 1, b1: -2, b2: 1, a1: 2 * (k*k - 1) / a0, a2: (1 - k/highQ + k*k) / a0}
	return shelf, high
}

// channelWeights returns the weights of BS.1770 for the channel order of WAV and FLAC:
// 1.41 for surround channels and 0 for the low-frequency channel.
func channelWeights(channels int) []float64 {
	const surround = 1.41
	switch channels {
	case 4: // left, right, surround left and right
		return []float64{1, 1, surround, surround}
	case 5:
		return []float64{1, 1, 1, surround, surround}
	case 6:
		return []float64{1, 1, 1, 0, surround, surround}
	case 7:
		return []float64{1, 1, 1, 0, surround, surround, surround}
	case 8:
		return []float64{1, 1, 1, 0, surround, surround, surround, surround}
	}
	weights := make([]float64, channels)
	for i := range weights {
		weights[i] = 1
	}
	return weights
}

// weightedChannel filters one channel and sums the squares of the result.
type weightedChannel struct {
	shelf, high    biquad
	s1, s2, h1, h2 float64
}

// squares filters channel c of interleaved samples and returns the sum of squares.
//
//go:norace
func (w *weightedChannel) squares(interleaved []float32, c, channels int) float64 {
	s1, s2, h1, h2 := w.s1, w.s2, w.h1, w.h2
	shelf, high := w.shelf, w.high
	var sum float64
	for i := c; i < len(interleaved); i += channels {
		x := float64(interleaved[i])
		y := shelf.b0*x + s1
		s1 = shelf.b1*x - shelf.a1*y + s2
		s2 = shelf.b2*x - shelf.a2*y
		z := y + h1 // high's numerator is 1, -2, 1
		h1 = -2*y - high.a1*z + h2
		h2 = y - high.a2*z
		sum += z * z
	}
	w.s1, w.s2, w.h1, w.h2 = flush(s1), flush(s2), flush(h1), flush(h2)
	return sum
}

// flush returns zero for a value so small that calculating with it is slow.
func flush(v float64) float64 {
	if math.Abs(v) < 1e-30 {
		return 0
	}
	return v
}
