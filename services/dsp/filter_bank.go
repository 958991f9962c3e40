package dsp

import (
	"math"
	"sync"
)

// The filter: a sinc under a Kaiser window. 64 zero crossings on each side and
// this beta give 100 dB between a pass-band that ends at 0.9 of the lower
// Nyquist frequency and a stop-band that begins at 1.
const (
	zeroCrossings = 64
	kaiserBeta    = 10.06 // 0.1102 (100 dB - 8.7)
	cutoff        = 0.95  // of the lower Nyquist frequency; 6 dB down
)

const (
	// maxBankValues of one bank, 2 MiB. Every ratio of two usual rates fits
	// with all its phases.
	maxBankValues = 1 << 19
	// interpolatedPhases of one sample of the lower rate, for ratios that do
	// not fit. The error of a line between neighbours falls with its square:
	// 1/8 (pi/512)^2 is 106 dB down.
	interpolatedPhases = 512
	// maxBanks that are kept for later resamplers.
	maxBanks = 16
)

// ratio of output to input rate, in lowest terms.
type ratio struct{ up, down int }

// filterBank holds one row of coefficients for each phase: for each place that
// an output can take between two inputs. Immutable, shared by resamplers.
type filterBank struct {
	half   int // inputs on each side of an output; a row has twice as many values
	phases int // rows per input; where exact is false one more row closes the circle
	exact  bool
	values []float32
}

// row of a phase.
func (b *filterBank) row(phase int) []float32 {
	taps := 2 * b.half
	return b.values[phase*taps : (phase+1)*taps : (phase+1)*taps]
}

// newFilterBank computes the bank of a ratio.
func newFilterBank(r ratio) *filterBank {
	// Going down, the filter must cut at the output's Nyquist frequency, which
	// makes it wider in inputs by the ratio.
	stretch := max(1, float64(r.down)/float64(r.up))
	half := int(math.Ceil(zeroCrossings * stretch))
	half = (half + 3) / 4 * 4 // rows of a multiple of 8, as dot wants them
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

// fillRow computes the coefficients for an output that stands frac inputs
// after the input that row[half-1] weighs. They sum to one, so that a constant
// passes unchanged through every phase.
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

// bankCache keeps the banks of the latest ratios. Safe for concurrent use.
type bankCache struct {
	mu    sync.Mutex
	banks map[ratio]*filterBank
	order []ratio // oldest first
}

// banks is shared by the process: a server sees few ratios, over and over.
var banks bankCache

// get gives the bank of a ratio, computing it at most once while it is kept.
// Computing takes some ten milliseconds, so others wait meanwhile.
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
