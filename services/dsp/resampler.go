package dsp

import (
	"fmt"
	"slices"
)

// The limits of a Resampler's sample rates, inclusive.
const (
	MinSampleRateHz = 8000
	MaxSampleRateHz = 192000
)

// resampleBlock is the number of inputs processed at a time, which bounds the history
// for any size of the caller's blocks.
const resampleBlock = 8192

// Resampler changes the sample rate of one channel as a stream. The output is aligned
// with the input: output k is at the time of input k*from/to, and samples beyond the
// ends count as silence. The output does not depend on the division of the input into
// blocks. Frequencies up to 0.9 of the lower Nyquist frequency pass unchanged; those
// above it are attenuated by 100 dB.
//
// Not safe for concurrent use; each channel of a stream needs its own Resampler.
type Resampler struct {
	ratio ratio
	bank  *filterBank

	// history holds the inputs from index start that are still needed. It is silence
	// before the first input.
	history []float32
	start   int64
	inputs  int64 // consumed so far

	// The next output is at input index at + phase/up.
	at    int64
	phase int
}

// NewResampler returns a resampler between two rates in hertz, from MinSampleRateHz to
// MaxSampleRateHz. Equal rates copy the input.
func NewResampler(fromHz, toHz int) (*Resampler, error) {
	for _, hz := range []int{fromHz, toHz} {
		if hz < MinSampleRateHz || hz > MaxSampleRateHz {
			return nil, fmt.Errorf("resample from %d to %d Hz: rates must be from %d to %d Hz",
				fromHz, toHz, MinSampleRateHz, MaxSampleRateHz)
		}
	}
	divisor := gcd(fromHz, toHz)
	r := &Resampler{ratio: ratio{up: toHz / divisor, down: fromHz / divisor}}
	if r.ratio.up != r.ratio.down {
		r.bank = banks.get(r.ratio)
		r.reset()
	}
	return r, nil
}

// reset starts a new stream.
func (r *Resampler) reset() {
	lead := r.bank.half - 1
	if r.history == nil {
		r.history = make([]float32, 0, resampleBlock+2*r.bank.half)
	}
	r.history = r.history[:lead]
	clear(r.history)
	r.start, r.inputs, r.at, r.phase = int64(-lead), 0, 0, 0
}

// OutputLen returns the total number of outputs for n inputs, including those of Flush:
// n*to/from, rounded up.
func (r *Resampler) OutputLen(n int64) int64 {
	up, down := int64(r.ratio.up), int64(r.ratio.down)
	return n/down*up + (n%down*up+down-1)/down
}

// Process consumes src and appends to dst the outputs that are complete. It does not
// retain src.
func (r *Resampler) Process(dst, src []float32) []float32 {
	if r.bank == nil {
		return append(dst, src...)
	}
	dst = slices.Grow(dst, int(r.OutputLen(int64(len(src))))+1)
	for len(src) > 0 {
		n := min(len(src), resampleBlock)
		r.history = append(r.history, src[:n]...)
		r.inputs += int64(n)
		src = src[n:]
		dst = r.produce(dst)
	}
	return dst
}

// Flush appends the remaining outputs, with silence for the missing inputs, and starts
// a new stream.
func (r *Resampler) Flush(dst []float32) []float32 {
	if r.bank == nil {
		return dst
	}
	dst = slices.Grow(dst, int(r.OutputLen(max(0, r.inputs-r.at)))+1)
	// Half a window of silence completes exactly the outputs before the end.
	r.history = append(r.history, make([]float32, r.bank.half)...)
	dst = r.produce(dst)
	r.reset()
	return dst
}

// produce appends the outputs whose window is complete, and drops history that is no
// longer needed.
func (r *Resampler) produce(dst []float32) []float32 {
	taps := 2 * r.bank.half
	step, phaseStep := r.ratio.down/r.ratio.up, r.ratio.down%r.ratio.up
	first := int(r.at - r.start - int64(r.bank.half-1)) // of the window, in history
	for first+taps <= len(r.history) {
		dst = append(dst, r.output(r.history[first:first+taps]))
		advance := step
		if r.phase += phaseStep; r.phase >= r.ratio.up {
			r.phase -= r.ratio.up
			advance++
		}
		first += advance
		r.at += int64(advance)
	}
	// The window is wider than a step, so the next one begins within the history.
	r.history = r.history[:copy(r.history, r.history[first:])]
	r.start += int64(first)
	return dst
}

// output computes the output of a window of inputs for the current phase.
func (r *Resampler) output(window []float32) float32 {
	if r.bank.exact {
		return dot(window, r.bank.row(r.phase))
	}
	// phase/up of an input is this many rows, with an integer and a fractional part.
	scaled := r.phase * r.bank.phases
	row, rest := scaled/r.ratio.up, scaled%r.ratio.up
	left, right := dot(window, r.bank.row(row)), dot(window, r.bank.row(row+1))
	return left + (right-left)*(float32(rest)/float32(r.ratio.up))
}

func gcd(a, b int) int {
	for b != 0 {
		a, b = b, a%b
	}
	return a
}
