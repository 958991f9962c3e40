package dsp

import (
	"math"
	"math/cmplx"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
)

// The tests of this file compare with the definitions, written out as plain sums in double
// precision.

// plainPower returns the power of the first bins of the transform of a frame, which counts as
// padded with zeros to size.
func plainPower(frame []float64, size, bins int) []float64 {
	power := make([]float64, bins)
	for k := range power {
		var sum complex128
		for i, v := range frame {
			sum += complex(v, 0) * cmplx.Exp(complex(0, -2*math.Pi*float64(k)*float64(i)/float64(size)))
		}
		power[k] = real(sum)*real(sum) + imag(sum)*imag(sum)
	}
	return power
}

// noise has a different level in each of its quarters, so that frames differ.
func noise(seed uint64, n int) []float32 {
	random := rand.New(rand.NewPCG(seed, 0))
	x := make([]float32, n)
	for i := range x {
		level := math.Pow(10, -float64(4*i/max(n, 1)))
		x[i] = float32(level * (random.NormFloat64() + 0.3))
	}
	return x
}

// plainI0 is the Bessel function by its series, with terms that are zero at the end.
func plainI0(x float64) float64 {
	sum, term := 1.0, 1.0
	for k := range 40 {
		term *= x * x / 4 / float64((k+1)*(k+1))
		sum += term
	}
	return sum
}

// plainResample evaluates the windowed sinc at the time of each output.
func plainResample(from, to int, in []float32) []float64 {
	stretch := max(1, float64(from)/float64(to))
	width := 64 * stretch
	out := make([]float64, (len(in)*to+from-1)/from)
	for k := range out {
		at := float64(k) * float64(from) / float64(to)
		var sum, weights float64
		for i := int(math.Ceil(at - width)); float64(i) <= at+width; i++ {
			x := (at - float64(i)) * 0.95 / stretch
			weight := plainI0(10.06 * math.Sqrt(max(0, 1-math.Pow((at-float64(i))/width, 2))))
			if x != 0 {
				weight *= math.Sin(math.Pi*x) / (math.Pi * x)
			}
			weights += weight
			if i >= 0 && i < len(in) {
				sum += weight * float64(in[i])
			}
		}
		out[k] = sum / weights
	}
	return out
}

func TestResamplerIsAWindowedSinc(t *testing.T) {
	t.Parallel()
	for _, r := range []struct{ from, to, n int }{
		{48000, 16000, 200}, {16000, 22050, 60}, {44101, 16000, 150},
	} {
		in := noise(1, r.n)
		out := resample(t, r.from, r.to, in)
		want := plainResample(r.from, r.to, in)
		require.Len(t, out, len(want))
		for k := range want {
			require.InDelta(t, want[k], out[k], 3e-5, "%s, output %d", ratioName(r.from, r.to), k)
		}
	}
}

func TestFilterBankIsItsDefinition(t *testing.T) {
	t.Parallel()
	const rate, bins, size = 8000, 10, 256
	samples := noise(2, 200+2*80+79)
	a := 2 * math.Pi / 199
	for window, weight := range map[string]func(i float64) float64{
		WindowHanning:     func(i float64) float64 { return 0.5 - 0.5*math.Cos(a*i) },
		WindowHamming:     func(i float64) float64 { return 0.54 - 0.46*math.Cos(a*i) },
		WindowPovey:       func(i float64) float64 { return math.Pow(0.5-0.5*math.Cos(a*i), 0.85) },
		"":                func(i float64) float64 { return math.Pow(0.5-0.5*math.Cos(a*i), 0.85) },
		WindowRectangular: func(float64) float64 { return 1 },
	} {
		bank, err := NewFilterBank(FilterBankConfig{SampleRateHz: rate, Bins: bins, Window: window})
		require.NoError(t, err)
		require.Equal(t, bins, bank.Bins())
		got := bank.Compute(samples)
		require.Len(t, got, 3*bins)
		for f := range 3 {
			part := samples[80*f : 80*f+200]
			mean := 0.0
			for _, v := range part {
				mean += float64(v) / 200
			}
			frame := make([]float64, len(part))
			for i, v := range part {
				frame[i] = float64(v) - mean - 0.97*(float64(part[max(0, i-1)])-mean)
				frame[i] *= weight(float64(i))
			}
			power := plainPower(frame, size, size/2)
			low := 1127 * math.Log(1+20.0/700)
			step := (1127*math.Log(1+rate/2.0/700) - low) / (bins + 1)
			for m := range bins {
				energy := 0.0
				for k, p := range power {
					at := (1127*math.Log(1+float64(k)*rate/size/700) - low) / step
					energy += p * max(0, 1-math.Abs(at-float64(m+1)))
				}
				require.InDelta(t, math.Log(max(energy, 1.1920928955078125e-07)), got[f*bins+m], 2e-3, "%q, frame %d, bin %d", window, f, m)
			}
		}
	}
}

func TestLimitsOfAFilterBank(t *testing.T) {
	t.Parallel()
	// A frame of 1 s has as many samples as the rate.
	good := FilterBankConfig{SampleRateHz: 2000, Bins: 5, LengthMS: 1000, ShiftMS: 1000}
	for _, c := range []struct {
		change func(*FilterBankConfig)
		want   string // of the refusal
	}{
		{func(c *FilterBankConfig) {}, ""},
		{func(c *FilterBankConfig) { c.Bins = 4 }, ""},
		{func(c *FilterBankConfig) { c.Bins = 3 }, "number of mel bins must be from 4 to 1024, got 3"},
		{func(c *FilterBankConfig) { c.Bins = 1024 }, ""},
		{func(c *FilterBankConfig) { c.Bins = 1025 }, "number of mel bins must be from 4 to 1024, got 1025"},
		{func(c *FilterBankConfig) { c.SampleRateHz = 1 << 16 }, ""},
		{func(c *FilterBankConfig) { c.SampleRateHz = 1<<16 + 1 }, "frame length must be from 2 to 65536 samples, got 65537"},
		{func(c *FilterBankConfig) { c.LengthMS = 1 }, ""},
		{func(c *FilterBankConfig) { c.LengthMS = 0.5 }, "frame length must be from 2 to 65536 samples, got 1"},
		{func(c *FilterBankConfig) { c.ShiftMS = 0.5 }, ""},
		{func(c *FilterBankConfig) { c.ShiftMS = 0.4999 }, "frame shift must be at least one sample, got 0.4999 ms"},
		{func(c *FilterBankConfig) { c.SampleRateHz = 41 }, ""},
		{func(c *FilterBankConfig) { c.SampleRateHz = 40 }, "sample rate must be above 40 Hz, got 40"},
	} {
		cfg := good
		c.change(&cfg)
		bank, err := NewFilterBank(cfg)
		if c.want != "" {
			require.ErrorContains(t, err, c.want)
			continue
		}
		require.NoError(t, err, "%+v", cfg)
		require.Equal(t, 1, bank.Frames(bank.Samples(1)))
		require.Len(t, bank.Compute(make([]float32, bank.Samples(2))), 2*cfg.Bins)
	}
}

func TestFramesOfAFilterBank(t *testing.T) {
	t.Parallel()
	bank, err := NewFilterBank(FilterBankConfig{SampleRateHz: 16000, Bins: 23})
	require.NoError(t, err)
	for frames, samples := range map[int]int{-1: 0, 0: 0, 1: 400, 2: 560, 3: 720} {
		require.Equal(t, samples, bank.Samples(frames))
		require.Equal(t, max(0, frames), bank.Frames(samples))
		require.Equal(t, max(0, frames-1), bank.Frames(samples-1))
	}
}

// plainWhisperMel is the definition: the samples, padded with zeros and reflected at both ends.
func plainWhisperMel(cfg WhisperMelConfig, samples []float32, length int) (out []float64) {
	frames := length / cfg.Hop
	out = make([]float64, cfg.Bands*frames)
	padded := make([]float64, length)
	for i, v := range samples[:min(len(samples), length)] {
		padded[i] = float64(v)
	}
	// Slaney's scale: 200/3 Hz a mel up to 1 kHz, then a factor of 6.4 in 27 mels.
	hertz := func(mel float64) float64 {
		if mel < 15 {
			return mel * 200 / 3
		}
		return 1000 * math.Pow(6.4, (mel-15)/27)
	}
	highest := 15 + 27*math.Log(8)/math.Log(6.4)
	bins, loudest := cfg.FFT/2+1, math.Inf(-1)
	for t := range frames {
		frame := make([]float64, cfg.FFT)
		for i := range frame {
			at := t*cfg.Hop + i - cfg.FFT/2
			at = max(at, -at)
			at = min(at, 2*(length-1)-at)
			frame[i] = padded[at] * (0.5 - 0.5*math.Cos(2*math.Pi*float64(i)/float64(cfg.FFT)))
		}
		power := plainPower(frame, cfg.FFT, bins)
		for m := range cfg.Bands {
			left := hertz(highest * float64(m) / float64(cfg.Bands+1))
			centre := hertz(highest * float64(m+1) / float64(cfg.Bands+1))
			right := hertz(highest * float64(m+2) / float64(cfg.Bands+1))
			energy := 0.0
			for k, p := range power {
				hz := float64(k) * float64(cfg.SampleRateHz) / float64(cfg.FFT)
				energy += p * 2 / (right - left) * max(0, min((hz-left)/(centre-left), (right-hz)/(right-centre)))
			}
			level := math.Log10(max(energy, 1e-10))
			loudest = max(loudest, level)
			out[m*frames+t] = level
		}
	}
	for i, v := range out {
		out[i] = (max(v, loudest-8) + 4) / 4
	}
	return out
}

func TestWhisperMelIsItsDefinition(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		cfg             WhisperMelConfig
		samples, length int
	}{
		{WhisperMelConfig{SampleRateHz: 16000, FFT: 64, Hop: 16, Bands: 8}, 400, 400},
		{WhisperMelConfig{SampleRateHz: 16000, FFT: 64, Hop: 16, Bands: 8}, 401, 800},  // frames of padding alone
		{WhisperMelConfig{SampleRateHz: 16000, FFT: 64, Hop: 16, Bands: 8}, 400, 448},  // the reflected end is not silent
		{WhisperMelConfig{SampleRateHz: 16000, FFT: 64, Hop: 16, Bands: 8}, 900, 400},  // longer than the window
		{WhisperMelConfig{SampleRateHz: 16000, FFT: 64, Hop: 16, Bands: 8}, 0, 400},    // silence
		{WhisperMelConfig{SampleRateHz: 16000, FFT: 100, Hop: 40, Bands: 5}, 330, 480}, // no power of two
		{WhisperMelConfig{SampleRateHz: 32000, FFT: 128, Hop: 50, Bands: 12}, 300, 650},
	} {
		mel := NewWhisperMel(c.cfg)
		samples := noise(3, c.samples)
		got, want := mel.Compute(samples, c.length), plainWhisperMel(c.cfg, samples, c.length)
		require.Equal(t, c.length/c.cfg.Hop, mel.Frames(c.length))
		require.Len(t, got, len(want))
		for i := range want {
			require.InDelta(t, want[i], got[i], 1e-5, "%+v, value %d", c, i)
		}
	}
}

// The least value is 8 powers of ten below the loudest one, and not lower.
func TestWhisperMelKeepsItsRange(t *testing.T) {
	t.Parallel()
	mel := NewWhisperMel(WhisperMelConfig{SampleRateHz: 16000, FFT: 64, Hop: 16, Bands: 8})
	loud := make([]float32, 800)
	for i := range 100 {
		loud[i] = float32(30 * math.Sin(float64(i)))
	}
	out := mel.Compute(loud, len(loud))
	least, most := out[0], out[0]
	for _, v := range out {
		least, most = min(least, v), max(most, v)
	}
	require.InDelta(t, 2, most-least, 1e-6)
}

func TestLimitsOfAMelSpectrogram(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		change func(*MelConfig)
		good   bool
	}{
		{func(*MelConfig) {}, true},
		{func(c *MelConfig) { c.FFT = 63 }, false},
		{func(c *MelConfig) { c.Hop = 1 }, true},
		{func(c *MelConfig) { c.Hop = 0 }, false},
		{func(c *MelConfig) { c.Hop = 32 }, true},
		{func(c *MelConfig) { c.Hop = 33 }, false},
		{func(c *MelConfig) { c.Bands = 1 }, true},
		{func(c *MelConfig) { c.Bands = 0 }, false},
		{func(c *MelConfig) { c.Scale = MelHTK }, true},
		{func(c *MelConfig) { c.Scale = "bark" }, false},
		{func(c *MelConfig) { c.LowHz = -1 }, false},
		{func(c *MelConfig) { c.LowHz, c.HighHz = 100, 100 }, false},
		{func(c *MelConfig) { c.LowHz, c.HighHz = 100, 101 }, true},
		{func(c *MelConfig) { c.HighHz = 4000 }, true},
		{func(c *MelConfig) { c.HighHz = 4001 }, false},
		{func(c *MelConfig) { c.LowHz = math.NaN() }, false},
	} {
		cfg := MelConfig{SampleRateHz: 8000, FFT: 64, Hop: 16, Bands: 4, HighHz: 3000, Scale: MelSlaney}
		c.change(&cfg)
		m, err := NewMelSpectrogram(cfg)
		require.Equal(t, c.good, err == nil, "%+v", cfg)
		if c.good {
			require.Equal(t, cfg.Bands, m.Bands())
			require.Len(t, m.Compute(noise(4, 200)), m.Rows(200)*cfg.Bands)
		}
	}
}
