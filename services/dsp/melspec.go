package dsp

import (
	"fmt"
	"math"
	"sort"
)

// Mel scales.
const (
	// MelHTK is that of HTK, with triangles of the same height.
	MelHTK = "htk"
	// MelSlaney is that of Slaney's Auditory Toolbox, linear up to 1 kHz, with triangles
	// of the same area; librosa's default.
	MelSlaney = "slaney"
)

// leastPower is the minimum power before the logarithm, -100 dB.
const leastPower = 1e-10

// MelConfig configures a log-mel spectrogram in decibels.
type MelConfig struct {
	SampleRateHz int
	// FFT is the length of a frame in samples, a power of two, and Hop the time between
	// two, at most half of it.
	FFT, Hop int
	// Bands is the number of mel bands between LowHz and HighHz.
	Bands         int
	LowHz, HighHz float64
	// Scale is MelHTK or MelSlaney.
	Scale string
}

// MelSpectrogram computes log-mel spectrograms in decibels like spectrogram in
// transformers' audio_utils: with a periodic Hann window, and frames centred at the
// multiples of the hop, of which the first and last see the reflected recording. Safe for
// concurrent use.
type MelSpectrogram struct {
	cfg    MelConfig
	window []float64
	bands  []band
}

// NewMelSpectrogram returns a MelSpectrogram with the window and mel bands computed.
func NewMelSpectrogram(cfg MelConfig) (*MelSpectrogram, error) {
	if _, err := NewFFT(cfg.FFT); err != nil {
		return nil, err
	}
	if cfg.Hop < 1 || cfg.Hop > cfg.FFT/2 || cfg.Bands < 1 || cfg.Scale != MelHTK && cfg.Scale != MelSlaney ||
		!(cfg.LowHz >= 0 && cfg.HighHz > cfg.LowHz && cfg.HighHz <= float64(cfg.SampleRateHz)/2) {
		return nil, fmt.Errorf("mel spectrogram of %d bands from %v to %v Hz on scale %q, every %d samples at %d Hz, cannot be computed",
			cfg.Bands, cfg.LowHz, cfg.HighHz, cfg.Scale, cfg.Hop, cfg.SampleRateHz)
	}
	m := &MelSpectrogram{cfg: cfg, window: make([]float64, cfg.FFT)}
	for i := range m.window {
		m.window[i] = 0.5 - 0.5*math.Cos(2*math.Pi*float64(i)/float64(cfg.FFT))
	}
	m.makeBands()
	return m, nil
}

// Constants of Slaney's scale: 3 mels for 200 Hz up to 15 mels, then 27 for a factor of 6.4.
const (
	slaneyHz    = 200.0 / 3
	slaneyBreak = 15.0
)

var slaneyStep = math.Log(6.4) / 27

// toMel converts hertz to the scale.
func (c MelConfig) toMel(hz float64) float64 {
	if c.Scale == MelHTK {
		return 2595 * math.Log10(1+hz/700)
	}
	if hz < slaneyBreak*slaneyHz {
		return hz / slaneyHz
	}
	return slaneyBreak + math.Log(hz/(slaneyBreak*slaneyHz))/slaneyStep
}

// toHertz converts mels of the scale to hertz.
func (c MelConfig) toHertz(mel float64) float64 {
	if c.Scale == MelHTK {
		return 700 * (math.Pow(10, mel/2595) - 1)
	}
	if mel < slaneyBreak {
		return mel * slaneyHz
	}
	return slaneyBreak * slaneyHz * math.Exp(slaneyStep*(mel-slaneyBreak))
}

// makeBands computes triangles over the bins whose edges are equally spaced in mels.
func (m *MelSpectrogram) makeBands() {
	c := m.cfg
	low, high := c.toMel(c.LowHz), c.toMel(c.HighHz)
	edges := make([]float64, c.Bands+2)
	for i := range edges {
		edges[i] = c.toHertz(low + (high-low)*float64(i)/float64(c.Bands+1))
	}
	bins := c.FFT/2 + 1
	width := float64(c.SampleRateHz/2) / float64(bins-1)
	m.bands = make([]band, c.Bands)
	for i := range m.bands {
		left, centre, right := edges[i], edges[i+1], edges[i+2]
		height := 1.0
		if c.Scale == MelSlaney {
			height = 2 / (right - left)
		}
		first := sort.Search(bins, func(k int) bool { return float64(k)*width > left })
		one := band{first: first}
		for k := first; k < bins && float64(k)*width < right; k++ {
			hz := float64(k) * width
			one.weights = append(one.weights, height*max(0, min((hz-left)/(centre-left), (right-hz)/(right-centre))))
		}
		m.bands[i] = one
	}
}

// Bands returns the number of mel bands.
func (m *MelSpectrogram) Bands() int { return m.cfg.Bands }

// Rows returns the number of rows for the given number of samples.
func (m *MelSpectrogram) Rows(samples int) int { return 1 + samples/m.cfg.Hop }

// Compute returns the rows of a whole recording, of shape [rows, bands].
func (m *MelSpectrogram) Compute(samples []float32) []float32 {
	s := m.Stream()
	out := s.Process(make([]float32, 0, m.Rows(len(samples))*m.cfg.Bands), samples)
	return s.Flush(out)
}

// Stream returns a MelStream at the beginning of a recording.
func (m *MelSpectrogram) Stream() *MelStream {
	transform, err := NewFFT(m.cfg.FFT)
	if err != nil {
		panic(err) // NewMelSpectrogram has checked the length
	}
	return &MelStream{
		m: m, transform: transform, frame: make([]float64, m.cfg.FFT), spectrum: make([]complex128, m.cfg.FFT/2+1),
		power: make([]float64, m.cfg.FFT/2+1),
	}
}

// MelStream computes the rows of a recording that arrives in pieces. The rows do not depend
// on how it is split. Not safe for concurrent use.
type MelStream struct {
	m         *MelSpectrogram
	transform *FFT
	frame     []float64
	spectrum  []complex128
	power     []float64

	// samples has those from number base on that later rows need; total is the number
	// of all so far, and row that of the next row.
	samples          []float32
	base, total, row int
}

// Process appends the rows that are complete with further samples to dst.
func (s *MelStream) Process(dst, samples []float32) []float32 {
	s.samples = append(s.samples, samples...)
	s.total += len(samples)
	half, hop := s.m.cfg.FFT/2, s.m.cfg.Hop
	for s.row*hop+half < s.total {
		dst = s.compute(dst, false)
	}
	if from := max(0, s.row*hop-half); from > s.base {
		s.samples = s.samples[:copy(s.samples, s.samples[from-s.base:])]
		s.base = from
	}
	return dst
}

// Flush appends the remaining rows to dst. The stream must not be used afterwards.
func (s *MelStream) Flush(dst []float32) []float32 {
	for s.row < s.m.Rows(s.total) {
		dst = s.compute(dst, true)
	}
	return dst
}

// compute appends the next row to dst. ended reports whether all samples are known.
func (s *MelStream) compute(dst []float32, ended bool) []float32 {
	half := s.m.cfg.FFT / 2
	start := s.row*s.m.cfg.Hop - half
	s.row++
	short := ended && s.total <= half // there is not enough to reflect
	for i := range s.frame {
		at := start + i
		if !short {
			at = max(at, -at)
			if ended && at >= s.total {
				at = 2*(s.total-1) - at
			}
		}
		s.frame[i] = 0
		if at >= 0 && at < s.total {
			s.frame[i] = float64(s.samples[at-s.base]) * s.m.window[i]
		}
	}
	s.transform.Coefficients(s.spectrum, s.frame)
	for k, v := range s.spectrum {
		s.power[k] = real(v)*real(v) + imag(v)*imag(v)
	}
	for _, one := range s.m.bands {
		power := 0.0
		for i, weight := range one.weights {
			power += weight * s.power[one.first+i]
		}
		dst = append(dst, float32(10*math.Log10(max(power, leastPower))))
	}
	return dst
}
