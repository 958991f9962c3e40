package dsp

import (
	"fmt"
	"slices"
)

// The sample rates that a Resampler takes, both included.
const (
	MinSampleRateHz = 8000
	MaxSampleRateHz = 192000
)

// resampleBlock is how many inputs are taken in at a time, which bounds the
// history whatever the size of the caller's blocks.
const resampleBlock = 8192

// Resampler changes the sample rate of one channel by streaming. The output is
// aligned with the input: output k stands at the time of input k*from/to, and
// what the filter needs beyond the ends is silence. The output does not depend
// on how the input is cut into blocks. Frequencies up to 0.9 of the lower
// Nyquist frequency pass unchanged; those above it are suppressed by 100 dB.
//
// Not safe for concurrent use; one per channel and stream.
type Resampler struct {
	ratio ratio
	bank  *filterBank

	// history holds the inputs from index start on, as far as they are still
	// needed. Before the first input it begins with silence.
	history []float32
	start   int64
	inputs  int64 // taken in so far

	// The next output stands at input index at + phase/up.
	at    int64
	phase int
}

// NewResampler makes a resampler between two rates in hertz, whole numbers from
// MinSampleRateHz to MaxSampleRateHz. Equal rates copy.
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

// reset begins a new stream.
func (r *Resampler) reset() {
	lead := r.bank.half - 1
	if r.history == nil {
		r.history = make([]float32, 0, resampleBlock+2*r.bank.half)
	}
	r.history = r.history[:lead]
	clear(r.history)
	r.start, r.inputs, r.at, r.phase = int64(-lead), 0, 0, 0
}

// OutputLen is how many outputs n inputs give in all, after Flush:
// n*to/from, rounded up.
func (r *Resampler) OutputLen(n int64) int64 {
	up, down := int64(r.ratio.up), int64(r.ratio.down)
	return n/down*up + (n%down*up+down-1)/down
}

// Process takes in src and appends to dst the outputs that are complete. It
// keeps no reference to src.
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

// Flush appends the outputs that still wait for inputs, with silence in their
// place. The resampler then begins a new stream.
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

// produce appends the outputs whose window is all there, and drops the history
// that is no longer needed.
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

// output weighs a window of inputs for the current phase.
func (r *Resampler) output(window []float32) float32 {
	if r.bank.exact {
		return dot(window, r.bank.row(r.phase))
	}
	// phase/up of an input is this many rows: a whole number and a rest.
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
