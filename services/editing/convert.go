package editing

import (
	"math"

	"github.com/grym-synth/grym-synth/services/dsp"
)

// resample changes the sample rate.
type resample struct {
	named
	SampleRateHz *int `json:"sample_rate"`
}

// Resample returns the operation that changes the sample rate.
func Resample(sampleRateHz int) Operation { return &resample{SampleRateHz: &sampleRateHz} }

func (r *resample) check() error {
	return requiredInt("sample_rate", r.SampleRateHz, dsp.MinSampleRateHz, dsp.MaxSampleRateHz)
}

func (r *resample) build(in Format, _ Env) (built, error) {
	out := in
	out.SampleRateHz = *r.SampleRateHz
	out.Frames = math.Ceil(in.Frames / float64(in.SampleRateHz) * float64(*r.SampleRateHz))
	return newConverter("sample_rate", in, out, in.SampleRateHz, *r.SampleRateHz)
}

// remix changes the number of channels.
type remix struct {
	named
	Channels *int `json:"channels"`
}

func (r *remix) check() error { return requiredInt("channels", r.Channels, 1, 8) }

func (r *remix) build(in Format, _ Env) (built, error) {
	to := *r.Channels
	if !dsp.CanRemix(in.Channels, to) {
		return built{}, invalid("channels", "must be 1, 2 or the %d of the sound, got %d", in.Channels, to)
	}
	out := in
	out.Channels = to
	return built{stage: &mixer{from: in.Channels, to: to}, out: out, bytes: int64(4 * blockFrames * to)}, nil
}

type mixer struct {
	basic
	from, to int
	mixed    []float32
}

func (m *mixer) process(block []float32, emit Emit) error {
	m.mixed = dsp.Remix(m.mixed, block, m.from, m.to)
	return emit(m.mixed)
}

// speed changes tempo and pitch together.
type speed struct {
	named
	Factor *float64 `json:"factor"`
}

func (s *speed) check() error { return required("factor", s.Factor, minFactor, maxFactor) }

// Limits of the factors of speed and time_stretch.
const (
	minFactor = 0.25
	maxFactor = 4
)

func (s *speed) build(in Format, _ Env) (built, error) {
	from, to := speedRates(*s.Factor)
	out := in
	out.Frames = math.Ceil(in.Frames * float64(to) / float64(from))
	return newConverter("factor", in, out, from, to)
}

// speedRates returns two rates whose ratio is the factor to at least five digits.
func speedRates(factor float64) (from, to int) {
	if factor >= 1 {
		return dsp.MaxSampleRateHz, int(math.Round(dsp.MaxSampleRateHz / factor))
	}
	return int(math.Round(dsp.MaxSampleRateHz * factor)), dsp.MaxSampleRateHz
}

// converter changes the number of frames by a resampler.
type converter struct {
	basic
	converter *dsp.Converter
}

func newConverter(field string, in, out Format, from, to int) (built, error) {
	c, err := dsp.NewConverter(from, to, in.Channels, in.Channels)
	if err != nil {
		return built{}, invalid(field, "cannot be reached: %v", err)
	}
	frames := blockFrames + c.OutputLen(blockFrames)
	return built{stage: &converter{converter: c}, out: out, bytes: 2<<20 + 4*4*frames*int64(in.Channels)}, nil
}

func (c *converter) process(block []float32, emit Emit) error {
	return emit(c.converter.Process(block))
}

func (c *converter) flush(emit Emit) error { return emit(c.converter.Flush()) }
