package whisper

import (
	"math"

	"gonum.org/v1/gonum/dsp/fourier"
)

// leastPower is the minimum power before the logarithm.
const leastPower = 1e-10

// dynamicRange is how far below the loudest value of a window, in powers of ten, values
// are cut off.
const dynamicRange = 8

// extractor computes log-mel spectrograms as WhisperFeatureExtractor of transformers does.
// Safe for concurrent use.
type extractor struct {
	bands, fft, hop int
	window          []float64
	// filters has the first bin of each band and the weights from there.
	filters []filter
}

type filter struct {
	first   int
	weights []float64
}

// newExtractor returns an extractor with the window and the filters computed.
func newExtractor(p preprocessorConfig) *extractor {
	e := &extractor{bands: p.FeatureSize, fft: p.FFT, hop: p.HopLength, window: make([]float64, p.FFT)}
	for i := range e.window {
		e.window[i] = 0.5 - 0.5*math.Cos(2*math.Pi*float64(i)/float64(p.FFT))
	}
	e.makeFilters(float64(p.SamplingRate))
	return e
}

// Constants of Slaney's mel scale: linear up to 1 kHz, 27 mels for a factor of 6.4 above.
const (
	linearHz    = 200.0 / 3
	breakMel    = 15.0
	highestHz   = 8000.0
	logStepMels = 27
)

func toMel(hz float64) float64 {
	if hz < breakMel*linearHz {
		return hz / linearHz
	}
	return breakMel + math.Log(hz/(breakMel*linearHz))*logStepMels/math.Log(6.4)
}

func toHertz(mel float64) float64 {
	if mel < breakMel {
		return mel * linearHz
	}
	return breakMel * linearHz * math.Exp(math.Log(6.4)/logStepMels*(mel-breakMel))
}

// makeFilters computes triangles of equal area whose edges are equally spaced in mels.
func (e *extractor) makeFilters(rateHz float64) {
	edges := make([]float64, e.bands+2)
	for i := range edges {
		edges[i] = toHertz(toMel(highestHz) * float64(i) / float64(e.bands+1))
	}
	bins := e.fft/2 + 1
	e.filters = make([]filter, e.bands)
	for i := range e.filters {
		left, centre, right := edges[i], edges[i+1], edges[i+2]
		one := &e.filters[i]
		for k := range bins {
			hz := rateHz / 2 * float64(k) / float64(bins-1)
			weight := min((hz-left)/(centre-left), (right-hz)/(right-centre))
			if weight <= 0 {
				continue
			}
			if len(one.weights) == 0 {
				one.first = k
			}
			one.weights = append(one.weights, 2/(right-left)*weight)
		}
	}
}

// features returns the spectrogram of a window, of shape [bands, frames]. Samples are
// padded with zeros to the window's length; the frames are centred, and see the samples
// reflected at both ends.
func (e *extractor) features(samples []float32, frames int) []float32 {
	transform := fourier.NewFFT(e.fft)
	frame, bins := make([]float64, e.fft), make([]complex128, e.fft/2+1)
	power := make([]float64, len(bins))
	out := make([]float32, e.bands*frames)
	total, loudest := frames*e.hop, math.Inf(-1)
	at := func(i int) float64 {
		if i < 0 {
			i = -i
		}
		if i >= total {
			i = 2*(total-1) - i
		}
		if i >= len(samples) {
			return 0
		}
		return float64(samples[i])
	}
	for t := range frames {
		if begin := t*e.hop - e.fft/2; begin >= len(samples) && 2*(total-1)-(begin+e.fft-1) >= len(samples) {
			quiet := math.Log10(leastPower) // it sees padding only
			loudest = max(loudest, quiet)
			for band := range e.bands {
				out[band*frames+t] = float32(quiet)
			}
			continue
		}
		for i := range frame {
			frame[i] = at(t*e.hop-e.fft/2+i) * e.window[i]
		}
		transform.Coefficients(bins, frame)
		for k, c := range bins {
			power[k] = real(c)*real(c) + imag(c)*imag(c)
		}
		for band, f := range e.filters {
			sum := 0.0
			for k, weight := range f.weights {
				sum += weight * power[f.first+k]
			}
			level := math.Log10(max(sum, leastPower))
			loudest = max(loudest, level)
			out[band*frames+t] = float32(level)
		}
	}
	floor := float32(loudest - dynamicRange)
	for i, v := range out {
		out[i] = (max(v, floor) + 4) / 4
	}
	return out
}
