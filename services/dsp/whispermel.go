package dsp

import (
	"math"

	"gonum.org/v1/gonum/dsp/fourier"
)

// dynamicRange is how far below the loudest value of a window, in powers of ten, values
// are cut off.
const dynamicRange = 8

// whisperHighHz is the upper edge of the highest band.
const whisperHighHz = 8000

// WhisperMelConfig configures the spectrograms of Whisper models.
type WhisperMelConfig struct {
	SampleRateHz int
	// FFT is the length of a frame in samples, and Hop the time between two.
	FFT, Hop int
	// Bands is the number of mel bands up to 8 kHz.
	Bands int
}

// WhisperMel computes log-mel spectrograms as WhisperFeatureExtractor of transformers does. Safe
// for concurrent use.
type WhisperMel struct {
	cfg    WhisperMelConfig
	window []float64
	bands  []band
}

// NewWhisperMel returns a WhisperMel with the window and the mel bands computed. The values of
// the configuration must be positive.
func NewWhisperMel(cfg WhisperMelConfig) *WhisperMel {
	m := &WhisperMel{cfg: cfg, window: make([]float64, cfg.FFT)}
	for i := range m.window {
		m.window[i] = 0.5 - 0.5*math.Cos(2*math.Pi*float64(i)/float64(cfg.FFT))
	}
	m.makeBands()
	return m
}

// makeBands computes triangles of equal area whose edges are equally spaced in mels.
func (m *WhisperMel) makeBands() {
	scale := MelConfig{Scale: MelSlaney}
	edges := make([]float64, m.cfg.Bands+2)
	for i := range edges {
		edges[i] = scale.toHertz(scale.toMel(whisperHighHz) * float64(i) / float64(m.cfg.Bands+1))
	}
	bins := m.cfg.FFT/2 + 1
	m.bands = make([]band, m.cfg.Bands)
	for i := range m.bands {
		left, centre, right := edges[i], edges[i+1], edges[i+2]
		one := &m.bands[i]
		for k := range bins {
			hz := float64(m.cfg.SampleRateHz) / 2 * float64(k) / float64(bins-1)
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

// Frames returns the number of frames of so many samples.
func (m *WhisperMel) Frames(samples int) int { return samples / m.cfg.Hop }

// Compute returns the spectrogram of a window of the given length, of shape [bands, frames].
// Samples are padded with zeros to the length; the frames are centred, and see the samples
// reflected at both ends.
func (m *WhisperMel) Compute(samples []float32, length int) []float32 {
	size, hop, frames := m.cfg.FFT, m.cfg.Hop, m.Frames(length)
	transform := fourier.NewFFT(size)
	frame, bins := make([]float64, size), make([]complex128, size/2+1)
	power := make([]float64, len(bins))
	out := make([]float32, m.cfg.Bands*frames)
	loudest := math.Inf(-1)
	at := func(i int) float64 {
		if i < 0 {
			i = -i
		}
		if i >= length {
			i = 2*(length-1) - i
		}
		if i < 0 || i >= len(samples) {
			return 0
		}
		return float64(samples[i])
	}
	for t := range frames {
		begin := t*hop - size/2
		if begin >= len(samples) && 2*(length-1)-(begin+size-1) >= len(samples) {
			quiet := math.Log10(leastPower) // it sees padding only
			loudest = max(loudest, quiet)
			for band := range m.cfg.Bands {
				out[band*frames+t] = float32(quiet)
			}
			continue
		}
		for i := range frame {
			frame[i] = at(begin+i) * m.window[i]
		}
		transform.Coefficients(bins, frame)
		for k, c := range bins {
			power[k] = real(c)*real(c) + imag(c)*imag(c)
		}
		for band, f := range m.bands {
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
