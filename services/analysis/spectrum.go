package analysis

import (
	"math"
	"slices"

	"github.com/grym-synth/grym-synth/services/dsp"
)

// The framing of everything that is computed for each frame: the mono mix at 22050 Hz,
// frames of 2048 samples, one every 512, each centred on its time, with silence beyond the
// ends. These are librosa's defaults.
const (
	frameRateHz  = 22050
	frameSamples = 2048
	hopSamples   = 512
	spectrumBins = frameSamples/2 + 1

	melBands     = 128
	coefficients = 20
	contrastTop  = 7 // six octaves from 200 Hz, and what is below
	chromaBins   = 12

	// leastPower bounds logarithms.
	leastPower = 1e-10
)

// HopSeconds is the time between two frames.
const HopSeconds = float64(hopSamples) / frameRateHz

// frame has the features of one frame. A spectral value is NaN for digital silence.
type frame struct {
	centroid, bandwidth, rolloff, flatness float64
	zeroCrossings, rms                     float64
	contrast                               [contrastTop]float64
	mel                                    [melBands]float64 // decibels
	mfcc                                   [coefficients]float64
	chroma                                 [chromaBins]float64
}

// spectrograph computes the features of frames.
type spectrograph struct {
	transform *dsp.FFT
	window    []float64
	buffer    []float64
	spectrum  []complex128
	magnitude []float64
	filters   []melBand
	cosines   [][]float64
	bands     []contrastBand
	chroma    *chromaFilters // nil unless asked for
	extremes  []float64
}

// contrastBand is the bins from first to last, exclusive, of which the mean of the lowest
// and highest `share` bins is taken.
type contrastBand struct{ first, last, share int }

func newSpectrograph(withChroma bool) *spectrograph {
	s := &spectrograph{
		transform: frameTransform(), window: make([]float64, frameSamples), buffer: make([]float64, frameSamples),
		spectrum: make([]complex128, spectrumBins), magnitude: make([]float64, spectrumBins),
		filters: melFilters(frameRateHz, frameSamples, melBands), cosines: cosines(coefficients, melBands), bands: contrastBands(),
	}
	for i := range s.window {
		s.window[i] = 0.5 - 0.5*math.Cos(2*math.Pi*float64(i)/frameSamples)
	}
	if withChroma {
		s.chroma = newChromaFilters()
	}
	return s
}

// frameTransform returns the transform of a frame.
func frameTransform() *dsp.FFT {
	transform, err := dsp.NewFFT(frameSamples)
	if err != nil {
		panic(err) // the length is a constant
	}
	return transform
}

// binHz returns the frequency of a bin.
func binHz(k int) float64 { return float64(k) * frameRateHz / frameSamples }

// contrastBands returns the bands of Jiang et al., "Music type classification by spectral
// contrast feature" (2002), with the edges that librosa uses.
func contrastBands() []contrastBand {
	const quantile, lowest = 0.02, 200.0
	bands := make([]contrastBand, contrastTop)
	low, high := 0.0, lowest
	for i := range bands {
		first := int(math.Ceil(low * frameSamples / frameRateHz))
		last := int(math.Floor(high*frameSamples/frameRateHz)) + 1
		if i > 0 {
			first--
		}
		if i == contrastTop-1 {
			last = spectrumBins
		}
		last = min(last, spectrumBins)
		share := max(1, int(math.RoundToEven(quantile*float64(last-first))))
		if i < contrastTop-1 {
			last--
		}
		bands[i] = contrastBand{first, last, share}
		low, high = high, 2*high
	}
	return bands
}

// compute fills f with the features of 2048 samples.
func (s *spectrograph) compute(samples []float32, f *frame) {
	var squares float64
	for i, v := range samples {
		x := float64(v)
		squares += x * x
		s.buffer[i] = x * s.window[i]
	}
	f.rms = math.Sqrt(squares / frameSamples)
	s.transform.Coefficients(s.spectrum, s.buffer)
	var sum, moment, power float64
	for k, c := range s.spectrum {
		squared := real(c)*real(c) + imag(c)*imag(c)
		magnitude := math.Sqrt(squared)
		s.magnitude[k] = magnitude
		sum += magnitude
		moment += magnitude * float64(k)
		power += max(squared, leastPower)
	}
	s.shape(f, sum, moment, power)
	for i, band := range s.bands {
		low, high := s.lowest(band), s.highest(band)
		f.contrast[i] = 10 * math.Log10(max(high, leastPower)/max(low, leastPower))
	}
	s.cepstrum(f)
	if s.chroma != nil {
		s.chroma.compute(s.magnitude, &f.chroma)
	}
}

// shape computes centroid, bandwidth, roll-off and flatness.
func (s *spectrograph) shape(f *frame, sum, moment, power float64) {
	if sum < 1e-9 {
		f.centroid, f.bandwidth, f.rolloff, f.flatness = math.NaN(), math.NaN(), math.NaN(), math.NaN()
		return
	}
	centre := moment / sum
	f.centroid = centre * frameRateHz / frameSamples
	var spread, logs float64
	product, factors := 1.0, 0
	for k, magnitude := range s.magnitude {
		distance := float64(k) - centre
		spread += magnitude * distance * distance
		// One logarithm for eight factors: they are between 1e-10 and 1e9.
		product *= max(magnitude*magnitude, leastPower)
		if factors++; factors == 8 {
			logs += math.Log(product)
			product, factors = 1, 0
		}
	}
	logs += math.Log(product)
	f.bandwidth = math.Sqrt(spread/sum) * frameRateHz / frameSamples
	f.flatness = math.Exp(logs/spectrumBins) / (power / spectrumBins)
	const rolloffShare = 0.85
	reached := 0.0
	for k, magnitude := range s.magnitude {
		if reached += magnitude; reached >= rolloffShare*sum {
			f.rolloff = binHz(k)
			break
		}
	}
}

// lowest returns the mean of the lowest magnitudes of a band.
func (s *spectrograph) lowest(band contrastBand) float64 {
	s.extremes = s.extremes[:0]
	for _, v := range s.magnitude[band.first:band.last] {
		switch n := len(s.extremes); {
		case n < band.share:
			at, _ := slices.BinarySearch(s.extremes, v)
			s.extremes = slices.Insert(s.extremes, at, v)
		case v < s.extremes[n-1]:
			at, _ := slices.BinarySearch(s.extremes, v)
			copy(s.extremes[at+1:], s.extremes[at:n-1])
			s.extremes[at] = v
		}
	}
	return mean(s.extremes)
}

// highest returns the mean of the highest magnitudes of a band.
func (s *spectrograph) highest(band contrastBand) float64 {
	s.extremes = s.extremes[:0]
	for _, v := range s.magnitude[band.first:band.last] {
		switch n := len(s.extremes); {
		case n < band.share:
			at, _ := slices.BinarySearch(s.extremes, v)
			s.extremes = slices.Insert(s.extremes, at, v)
		case v > s.extremes[0]:
			at, _ := slices.BinarySearch(s.extremes, v)
			copy(s.extremes[:at-1], s.extremes[1:at])
			s.extremes[at-1] = v
		}
	}
	return mean(s.extremes)
}

func mean(values []float64) float64 {
	var sum float64
	for _, v := range values {
		sum += v
	}
	return sum / float64(len(values))
}

// cepstrum computes the mel energies in decibels and their cosine transform.
func (s *spectrograph) cepstrum(f *frame) {
	for m, filter := range s.filters {
		var energy float64
		magnitudes := s.magnitude[filter.first : filter.first+len(filter.weights)]
		for i, weight := range filter.weights {
			energy += weight * magnitudes[i] * magnitudes[i]
		}
		f.mel[m] = 10 * math.Log10(max(energy, leastPower))
	}
	for k, row := range s.cosines {
		var sum float64
		for m, v := range row {
			sum += v * f.mel[m]
		}
		f.mfcc[k] = sum
	}
}

// crossings returns the share of samples at which the sign changes. Magnitudes of at most
// 1e-10 count as zero.
func crossings(samples []float32) float64 {
	const zero = 1e-10
	n, before := 0, samples[0] < -zero
	for _, v := range samples[1:] {
		negative := v < -zero
		if negative != before {
			n++
		}
		before = negative
	}
	return float64(n) / float64(len(samples))
}
