package dsp

import (
	"math"
	"sync"
)

// The filter is a sinc under a Kaiser window. 64 zero crossings on each side and this
// beta give 100 dB of attenuation between a pass-band that ends at 0.9 of the lower
// Nyquist frequency and a stop-band that begins at 1.
const (
	zeroCrossings = 64
	kaiserBeta    = 10.06 // 0.1102 (100 dB - 8.7)
	cutoff        = 0.95  // of the lower Nyquist frequency; 6 dB down
)

const (
	// maxBankValues is the maximum number of values of a bank, 2 MiB. All phases of any
	// ratio of two common rates fit.
	maxBankValues = 1 << 19
	// interpolatedPhases is the number of phases per sample of the lower rate, for
	// ratios that do not fit. The error of linear interpolation falls with its square:
	// 1/8 (pi/512)^2 is 106 dB down.
	interpolatedPhases = 512
	// maxBanks is the number of cached banks.
	maxBanks = 16
)

// ratio is the ratio of output to input rate in lowest terms.
type ratio struct{ up, down int }

// filterBank has one row of coefficients for each phase, that is, for each position of
// an output between two inputs. Immutable, shared by resamplers.
type filterBank struct {
	half   int // inputs on each side of an output; a row has twice as many values
	phases int // rows per input; one additional row closes the circle if exact is false
	exact  bool
	values []float32
}

// row returns the coefficients of a phase.
func (b *filterBank) row(phase int) []float32 {
	taps := 2 * b.half
	return b.values[phase*taps : (phase+1)*taps : (phase+1)*taps]
}

// newFilterBank computes the bank of a ratio.
func newFilterBank(r ratio) *filterBank {
	// When downsampling, the filter must cut at the output's Nyquist frequency, which
	// makes it wider by the ratio, measured in inputs.
	stretch := max(1, float64(r.down)/float64(r.up))
	half := int(math.Ceil(zeroCrossings * stretch))
	half = (half + 3) / 4 * 4 // a row has a multiple of 8 values, as dot requires
	bank := &filterBank{half: half, phases: r.up, exact: true}
	rows := r.up
	if r.up*2*half > maxBankValues {
		bank.exact = false
		bank.phases = int(math.Ceil(interpolatedPhases / stretch))
		rows = bank.phases + 1
	}
	bank.values = make([]float32, rows*2*half)
	row := make([]float64, 2*half)
	for phase := range rows {
		fillRow(row, float64(phase)/float64(bank.phases), stretch)
		for i, v := range row {
			bank.values[phase*2*half+i] = float32(v)
		}
	}
	return bank
}

// fillRow computes the coefficients for an output that lies frac inputs after the input
// weighted by row[half-1]. They sum to one, so that a constant passes unchanged through
// every phase.
func fillRow(row []float64, frac, stretch float64) {
	half := len(row) / 2
	width := zeroCrossings * stretch
	var sum float64
	for i := range row {
		distance := frac + float64(half-1-i)
		row[i] = 0
		if math.Abs(distance) < width {
			t := distance / width
			row[i] = sinc(distance*cutoff/stretch) * besselI0(kaiserBeta*math.Sqrt(1-t*t))
		}
		sum += row[i]
	}
	for i := range row {
		row[i] /= sum
	}
}

func sinc(x float64) float64 {
	if x == 0 {
		return 1
	}
	return math.Sin(math.Pi*x) / (math.Pi * x)
}

// besselI0 is the modified Bessel function of order 0, by its power series.
func besselI0(x float64) float64 {
	sum, term := 1.0, 1.0
	for k := 1.0; term > sum*1e-17; k++ {
		term *= (x / (2 * k)) * (x / (2 * k))
		sum += term
	}
	return sum
}

// bankCache caches the most recently used banks. Safe for concurrent use.
type bankCache struct {
	mu    sync.Mutex
	banks map[ratio]*filterBank
	order []ratio // oldest first
}

// banks is the cache of this process. A server uses few different ratios.
var banks bankCache

// get returns the bank of a ratio and computes it if it is not cached. That takes about
// ten milliseconds, during which other callers wait.
func (c *bankCache) get(r ratio) *filterBank {
	c.mu.Lock()
	defer c.mu.Unlock()
	if bank, ok := c.banks[r]; ok {
		return bank
	}
	if c.banks == nil {
		c.banks = make(map[ratio]*filterBank, maxBanks)
	}
	if len(c.order) == maxBanks {
		delete(c.banks, c.order[0])
		c.order = append(c.order[:0], c.order[1:]...)
	}
	bank := newFilterBank(r)
	c.banks[r] = bank
	c.order = append(c.order, r)
	return bank
}
