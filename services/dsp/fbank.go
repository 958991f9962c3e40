package dsp

import (
	"fmt"
	"math"

	"gonum.org/v1/gonum/dsp/fourier"
)

// Windows of a filter bank, named as in Kaldi and torchaudio. All are symmetric: the
// denominator is the number of samples minus one.
const (
	WindowHanning     = "hanning"
	WindowHamming     = "hamming"
	WindowPovey       = "povey" // hanning to the power of 0.85
	WindowRectangular = "rectangular"
)

// leastEnergy is the float32 epsilon, Kaldi's minimum energy before the logarithm.
const leastEnergy = 1.1920928955078125e-07

// FilterBankConfig configures a log-mel filter bank as computed by Kaldi.
type FilterBankConfig struct {
	SampleRateHz int
	// Bins is the number of mel bands.
	Bins int
	// LengthMS and ShiftMS of a frame, in milliseconds. 0 selects 25 and 10.
	LengthMS, ShiftMS float64
	// Window is one of the constants above; empty for povey, Kaldi's default.
	Window string
}

// FilterBank computes log-mel energies like Kaldi's compute-fbank-feats and
// torchaudio.compliance.kaldi.fbank without dither, without energy, and with snipped
// edges: only complete frames are used. Safe for concurrent use.
type FilterBank struct {
	bins, length, shift, padded int
	window                      []float64
	// bands has the first FFT bin of each mel bin, and the weights from there.
	bands []band
}

type band struct {
	first   int
	weights []float64
}

// Kaldi's default constants.
const (
	preemphasis  = 0.97
	lowHz        = 20
	fbankLength  = 25
	fbankShiftMS = 10
)

// NewFilterBank returns a FilterBank with the window and mel bands computed.
func NewFilterBank(cfg FilterBankConfig) (*FilterBank, error) {
	if cfg.LengthMS == 0 {
		cfg.LengthMS = fbankLength
	}
	if cfg.ShiftMS == 0 {
		cfg.ShiftMS = fbankShiftMS
	}
	b := &FilterBank{
		bins:   cfg.Bins,
		length: int(float64(cfg.SampleRateHz) * cfg.LengthMS / 1000),
		shift:  int(float64(cfg.SampleRateHz) * cfg.ShiftMS / 1000),
		padded: 1,
	}
	switch {
	case cfg.SampleRateHz <= 2*lowHz:
		return nil, fmt.Errorf("sample rate must be above %d Hz, got %d", 2*lowHz, cfg.SampleRateHz)
	case cfg.Bins < 4 || cfg.Bins > 1024:
		return nil, fmt.Errorf("number of mel bins must be from 4 to 1024, got %d", cfg.Bins)
	case b.length < 2 || b.length > 1<<16:
		return nil, fmt.Errorf("frame length must be from 2 to %d samples, got %d", 1<<16, b.length)
	case b.shift < 1:
		return nil, fmt.Errorf("frame shift must be at least one sample, got %v ms", cfg.ShiftMS)
	}
	for b.padded < b.length {
		b.padded *= 2
	}
	var err error
	if b.window, err = frameWindow(cfg.Window, b.length); err != nil {
		return nil, err
	}
	b.makeBands(float64(cfg.SampleRateHz))
	return b, nil
}

func frameWindow(name string, n int) ([]float64, error) {
	window := make([]float64, n)
	for i := range window {
		c := math.Cos(2 * math.Pi * float64(i) / float64(n-1))
		switch name {
		case WindowHanning:
			window[i] = 0.5 - 0.5*c
		case WindowHamming:
			window[i] = 0.54 - 0.46*c
		case WindowPovey, "":
			window[i] = math.Pow(0.5-0.5*c, 0.85)
		case WindowRectangular:
			window[i] = 1
		default:
			return nil, fmt.Errorf("unknown window %q; available: hanning, hamming, povey, rectangular", name)
		}
	}
	return window, nil
}

// mel converts hertz to Kaldi's mel scale.
func mel(hz float64) float64 { return 1127 * math.Log(1+hz/700) }

// makeBands returns triangular weights over the FFT bins, linear in mel. The bin at the
// Nyquist frequency has no weight. A narrow triangle may contain no bin; its energy is
// always the minimum.
//
// The weights are computed in single precision in the same order as in torchaudio.
// Networks were trained with those, and if a strong harmonic lies at the edge of a
// triangle the rounding is visible in the logarithm.
func (b *FilterBank) makeBands(rate float64) {
	low := mel(lowHz)
	lowest, step := float32(low), float32((mel(rate/2)-low)/float64(b.bins+1))
	edge := func(i int) float32 { return lowest + float32(float32(i)*step) }
	width := float32(rate / float64(b.padded))
	b.bands = make([]band, b.bins)
	for m := range b.bands {
		left, centre, right := edge(m), edge(m+1), edge(m+2)
		one := band{first: -1}
		for k := range b.padded / 2 {
			hz := float32(width * float32(k))
			at := 1127 * float32(math.Log(float64(1+float32(hz/700))))
			weight := min(float32(at-left)/float32(centre-left), float32(right-at)/float32(right-centre))
			if weight <= 0 {
				continue
			}
			if one.first < 0 {
				one.first = k
			}
			one.weights = append(one.weights, float64(weight))
		}
		b.bands[m] = one
	}
}

// Bins returns the number of mel bands.
func (b *FilterBank) Bins() int { return b.bins }

// Frames returns the number of frames for the given number of samples.
func (b *FilterBank) Frames(samples int) int {
	if samples < b.length {
		return 0
	}
	return 1 + (samples-b.length)/b.shift
}

// Samples returns the minimum number of samples for the given number of frames.
func (b *FilterBank) Samples(frames int) int {
	if frames < 1 {
		return 0
	}
	return b.length + (frames-1)*b.shift
}

// Compute returns the natural logarithms of the mel energies, of shape [frames, bins].
// The scale of the samples depends on the model: [-1, 1] for AST and GAMA, the range of
// 16-bit integers for Kaldi's own models.
func (b *FilterBank) Compute(samples []float32) []float32 {
	frames := b.Frames(len(samples))
	out := make([]float32, 0, frames*b.bins)
	transform := fourier.NewFFT(b.padded)
	buffer := make([]float64, b.padded)
	spectrum := make([]complex128, b.padded/2+1)
	power := make([]float64, b.padded/2)
	for f := range frames {
		b.prepare(buffer, samples[f*b.shift:f*b.shift+b.length])
		transform.Coefficients(spectrum, buffer)
		for k := range power {
			re, im := real(spectrum[k]), imag(spectrum[k])
			power[k] = re*re + im*im
		}
		for _, one := range b.bands {
			energy := 0.0
			for i, weight := range one.weights {
				energy += weight * power[one.first+i]
			}
			out = append(out, float32(math.Log(max(energy, leastEnergy))))
		}
	}
	return out
}

// prepare removes the mean of a frame, applies pre-emphasis and the window, and pads
// with zeros.
func (b *FilterBank) prepare(buffer []float64, frame []float32) {
	sum := 0.0
	for _, v := range frame {
		sum += float64(v)
	}
	mean := sum / float64(len(frame))
	for i := range buffer {
		buffer[i] = 0
	}
	before := float64(frame[0]) - mean
	for i, v := range frame {
		x := float64(v) - mean
		buffer[i] = (x - preemphasis*before) * b.window[i]
		before = x
	}
}
