package dsp

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
	"gonum.org/v1/gonum/dsp/fourier"
)

// ratios covers every kind: integer ratios down and up, fractions in both directions,
// the steepest, and rates without a common divisor (interpolated banks).
var ratios = []struct{ from, to int }{
	{48000, 16000},
	{16000, 48000},
	{44100, 16000},
	{16000, 44100},
	{22050, 16000},
	{8000, 16000},
	{44100, 48000},
	{192000, 8000},
	{8000, 192000},
	{192000, 11025},
	{44101, 16000},
	{16000, 44101},
	{191999, 8000},
	{15999, 16000},
}

func ratioName(from, to int) string { return fmt.Sprintf("%d to %d Hz", from, to) }

func newResampler(t testing.TB, from, to int) *Resampler {
	t.Helper()
	r, err := NewResampler(from, to)
	require.NoError(t, err)
	return r
}

// resample resamples the whole stream in one call.
func resample(t testing.TB, from, to int, in []float32) []float32 {
	t.Helper()
	r := newResampler(t, from, to)
	return r.Flush(r.Process(nil, in))
}

func sine(frequencyHz float64, rateHz, n int) []float32 {
	x := make([]float32, n)
	for i := range x {
		x[i] = float32(math.Sin(2 * math.Pi * frequencyHz * float64(i) / float64(rateHz)))
	}
	return x
}

// inner removes the ends, which are affected by the silence around the signal.
func inner(x []float32) (from, to int) { return len(x) / 4, len(x) * 3 / 4 }

func decibels(x float64) float64 { return 20 * math.Log10(x) }

func rms(x []float32) float64 {
	var sum float64
	for _, v := range x {
		sum += float64(v) * float64(v)
	}
	return math.Sqrt(sum / float64(len(x)))
}

// inputs is large enough that the inner half is unaffected by the ends.
func inputs(from, to int) int {
	low := min(from, to)
	return from * (16 * zeroCrossings) / low
}

func TestSineInBandKeepsAmplitudeAndPhase(t *testing.T) {
	t.Parallel()
	for _, r := range ratios {
		t.Run(ratioName(r.from, r.to), func(t *testing.T) {
			t.Parallel()
			nyquist := float64(min(r.from, r.to)) / 2
			for _, fraction := range []float64{0.01, 0.31, 0.5, 0.77, 0.89} {
				frequency := fraction * nyquist
				out := resample(t, r.from, r.to, sine(frequency, r.from, inputs(r.from, r.to)))
				want := sine(frequency, r.to, len(out))
				from, to := inner(out)
				for i := from; i < to; i++ {
					require.InDelta(t, want[i], out[i], 5e-5, "sample %d of %.0f Hz", i, frequency)
				}
			}
		})
	}
}

func TestPassBandIsFlat(t *testing.T) {
	t.Parallel()
	for _, r := range ratios {
		t.Run(ratioName(r.from, r.to), func(t *testing.T) {
			t.Parallel()
			nyquist := float64(min(r.from, r.to)) / 2
			worst := 0.0
			for fraction := 0.02; fraction <= 0.9001; fraction += 0.04 {
				out := resample(t, r.from, r.to, sine(fraction*nyquist, r.from, inputs(r.from, r.to)))
				from, to := inner(out)
				gain := toneGain(out[from:to], fraction*nyquist/float64(r.to))
				worst = max(worst, math.Abs(decibels(gain)))
			}
			t.Logf("pass-band to 0.9 of Nyquist within %.5f dB", worst)
			require.Less(t, worst, 0.1)
		})
	}
}

// toneGain fits a sine of a known frequency (cycles per sample) by least squares and
// returns its amplitude.
func toneGain(x []float32, frequency float64) float64 {
	var ss, sc, cc, xs, xc float64
	for i, v := range x {
		s, c := math.Sincos(2 * math.Pi * frequency * float64(i))
		ss, sc, cc = ss+s*s, sc+s*c, cc+c*c
		xs, xc = xs+s*float64(v), xc+c*float64(v)
	}
	det := ss*cc - sc*sc
	return math.Hypot((xs*cc-xc*sc)/det, (xc*ss-xs*sc)/det)
}

func TestSineAboveNewNyquistIsSuppressed(t *testing.T) {
	t.Parallel()
	for _, r := range ratios {
		if r.from <= r.to {
			continue
		}
		t.Run(ratioName(r.from, r.to), func(t *testing.T) {
			t.Parallel()
			low, high := float64(r.to)/2, float64(r.from)/2
			worst := 0.0
			for i := range 25 {
				frequency := low + (high-low)*(0.0001+0.999*float64(i)/24)
				out := resample(t, r.from, r.to, sine(frequency, r.from, inputs(r.from, r.to)))
				from, to := inner(out)
				worst = max(worst, rms(out[from:to])*math.Sqrt2)
			}
			t.Logf("stop-band %.1f dB", decibels(worst))
			require.Less(t, decibels(worst), -90.0)
		})
	}
}

// When upsampling, the stop-band is where the images of the input would be. The
// spectrum is measured without the tone itself.
func TestImagesAreSuppressed(t *testing.T) {
	t.Parallel()
	for _, r := range ratios {
		t.Run(ratioName(r.from, r.to), func(t *testing.T) {
			t.Parallel()
			nyquist := float64(min(r.from, r.to)) / 2
			worst := 0.0
			for _, fraction := range []float64{0.1, 0.45, 0.7, 0.9} {
				out := resample(t, r.from, r.to, sine(fraction*nyquist, r.from, inputs(r.from, r.to)))
				from, to := inner(out)
				worst = max(worst, besideTone(out[from:to], fraction*nyquist/float64(r.to)))
			}
			t.Logf("largest spectral line beside the tone %.1f dB", decibels(worst))
			require.Less(t, decibels(worst), -90.0)
		})
	}
}

// besideTone returns the largest spectral line away from a tone, as a fraction of the
// tone, under a Kaiser window whose own side lobes are below 140 dB.
func besideTone(x []float32, frequency float64) float64 {
	n := len(x)
	windowed := make([]float64, n)
	for i, v := range x {
		t := 2*float64(i)/float64(n-1) - 1
		windowed[i] = float64(v) * besselI0(15*math.Sqrt(1-t*t))
	}
	lines := fourier.NewFFT(n).Coefficients(nil, windowed)
	tone := frequency * float64(n)
	var peak, beside float64
	for i, line := range lines {
		size := math.Hypot(real(line), imag(line))
		if math.Abs(float64(i)-tone) < 8 {
			peak = max(peak, size)
		} else {
			beside = max(beside, size)
		}
	}
	return beside / peak
}

func TestConstantPassesUnchanged(t *testing.T) {
	t.Parallel()
	for _, r := range ratios {
		t.Run(ratioName(r.from, r.to), func(t *testing.T) {
			t.Parallel()
			in := make([]float32, inputs(r.from, r.to))
			for i := range in {
				in[i] = 1
			}
			out := resample(t, r.from, r.to, in)
			from, to := inner(out)
			for i := from; i < to; i++ {
				require.InDelta(t, 1, out[i], 2e-6, "sample %d", i)
			}
		})
	}
}

// An impulse keeps its position: the output is symmetric about its time.
func TestImpulseStaysInPlace(t *testing.T) {
	t.Parallel()
	for _, r := range ratios {
		t.Run(ratioName(r.from, r.to), func(t *testing.T) {
			t.Parallel()
			divisor := gcd(r.from, r.to)
			// An input index that is a multiple of up coincides with an output.
			at := r.from / divisor
			for at < inputs(r.from, r.to)/2 {
				at *= 2
			}
			in := make([]float32, 2*at+1)
			in[at] = 1
			out := resample(t, r.from, r.to, in)
			center := int(int64(at) * int64(r.to) / int64(r.from))
			for k := range 60 {
				require.InDelta(t, out[center-k], out[center+k], 1e-6, "%d from the center", k)
				require.LessOrEqual(t, out[center+k], out[center])
			}
			// The peak of a low-pass impulse response is its cut-off.
			peak := cutoff * min(1, float64(r.to)/float64(r.from))
			require.InDelta(t, peak, out[center], 1e-3*peak)
		})
	}
}

func TestLengths(t *testing.T) {
	t.Parallel()
	for _, r := range ratios {
		t.Run(ratioName(r.from, r.to), func(t *testing.T) {
			t.Parallel()
			for _, n := range []int{0, 1, 2, 3, 7, 159, 160, 441, 1000, 8191, 8192, 8193, 20011} {
				out := resample(t, r.from, r.to, make([]float32, n))
				want := int(math.Ceil(float64(n) * float64(r.to) / float64(r.from)))
				require.Len(t, out, want, "%d inputs", n)
				require.EqualValues(t, want, newResampler(t, r.from, r.to).OutputLen(int64(n)))
			}
		})
	}
}

func TestOutputLenOfYearsOfSoundDoesNotOverflow(t *testing.T) {
	t.Parallel()
	r := newResampler(t, 8000, 191999)
	require.Equal(t, int64(1e12)/8000*191999, r.OutputLen(1e12))
}

func TestBlocksHaveTheSameOutputAsOneCall(t *testing.T) {
	t.Parallel()
	for _, r := range ratios {
		t.Run(ratioName(r.from, r.to), func(t *testing.T) {
			t.Parallel()
			random := rand.New(rand.NewPCG(1, 2))
			in := make([]float32, inputs(r.from, r.to)+2*resampleBlock+17)
			for i := range in {
				in[i] = random.Float32()*2 - 1
			}
			want := resample(t, r.from, r.to, in)
			streamed := newResampler(t, r.from, r.to)
			for _, size := range []int{1, 2, 3, 160, 1023, 8192, 8193, 0} { // 0: any
				var out []float32
				for rest := in; len(rest) > 0; {
					n := min(size, len(rest))
					if size == 0 {
						n = min(random.IntN(5000), len(rest))
					}
					out = streamed.Process(out, rest[:n])
					rest = rest[n:]
				}
				// Flush begins a new stream, so the same resampler serves each size.
				out = streamed.Flush(out)
				require.Equal(t, want, out, "blocks of %d", size)
			}
		})
	}
}

func TestEqualRatesCopy(t *testing.T) {
	t.Parallel()
	in := []float32{0.1, -0.2, 3}
	r := newResampler(t, 16000, 16000)
	out := r.Flush(r.Process([]float32{9}, in))
	require.Equal(t, []float32{9, 0.1, -0.2, 3}, out)
	require.EqualValues(t, 3, r.OutputLen(3))
	in[0] = 5
	require.Equal(t, float32(0.1), out[1], "the output is a copy")
}

func TestProcessAppends(t *testing.T) {
	t.Parallel()
	in := sine(440, 48000, 5000)
	r := newResampler(t, 48000, 16000)
	out := r.Flush(r.Process([]float32{7, 8}, in))
	require.Equal(t, []float32{7, 8}, out[:2])
	require.Equal(t, resample(t, 48000, 16000, in), out[2:])
}

func TestRatesOutsideTheRangeAreRefused(t *testing.T) {
	t.Parallel()
	for _, r := range []struct{ from, to int }{{0, 16000}, {16000, 0}, {-1, 16000}, {7999, 16000}, {16000, 192001}} {
		_, err := NewResampler(r.from, r.to)
		require.ErrorContains(t, err, "from 8000 to 192000 Hz", "%v", r)
	}
}

func TestOddRatiosStaySmall(t *testing.T) {
	t.Parallel()
	for _, r := range ratios {
		bank := newResampler(t, r.from, r.to).bank
		require.LessOrEqual(t, len(bank.values), maxBankValues, "%v", r)
		require.Zero(t, bank.half%4, "%v", r)
	}
	require.False(t, newResampler(t, 44101, 16000).bank.exact)
	require.True(t, newResampler(t, 44100, 16000).bank.exact)
}

func TestBanksAreSharedAndBounded(t *testing.T) {
	t.Parallel()
	var cache bankCache
	first := cache.get(ratio{1, 3})
	require.Same(t, first, cache.get(ratio{1, 3}))
	for i := range 2 * maxBanks {
		cache.get(ratio{1, 4 + i})
		require.LessOrEqual(t, len(cache.banks), maxBanks)
		require.Len(t, cache.order, len(cache.banks))
	}
	require.NotSame(t, first, cache.get(ratio{1, 3}))
}

func TestDotAgreesWithPlainLoop(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(3, 4))
	for _, n := range []int{8, 16, 136, 392} {
		x, h := make([]float32, n+5), make([]float32, n)
		for i := range h {
			h[i] = random.Float32() - 0.5
		}
		for i := range x {
			x[i] = random.Float32() - 0.5
		}
		for offset := range 5 {
			var want float64
			for i, v := range h {
				want += float64(v) * float64(x[offset+i])
			}
			require.InDelta(t, want, dot(x[offset:offset+n], h), 1e-5)
			require.InDelta(t, want, dotLoop(x[offset:offset+n], h), 1e-5)
		}
	}
}

// One minute per iteration; the metric is extrapolated to an hour.
func BenchmarkResample(b *testing.B) {
	for _, r := range []struct{ from, to int }{{48000, 16000}, {44100, 16000}, {8000, 16000}, {44101, 16000}} {
		b.Run(fmt.Sprintf("%d-%d", r.from, r.to), func(b *testing.B) {
			in := sine(440, r.from, 60*r.from)
			out := make([]float32, 0, 60*r.to+1)
			resampler := newResampler(b, r.from, r.to)
			b.ReportAllocs()
			for b.Loop() {
				out = resampler.Flush(resampler.Process(out[:0], in))
			}
			b.ReportMetric(60*b.Elapsed().Seconds()/float64(b.N), "s/hour")
		})
	}
}
