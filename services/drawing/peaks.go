package drawing

import "math"

// Peaks are the extremes of equal stretches of a recording.
type Peaks struct {
	// Values has the lowest and the highest sample of each channel of each stretch, as of 16
	// bits.
	Values []int16

	channels, out int
	per           int64
	filled        int64
	low, high     []float32
}

// NewPeaks returns the peaks of stretches of a number of frames. With mix they are those of
// the mix of all channels.
func NewPeaks(channels int, framesPerPeak int64, mix bool) *Peaks {
	p := &Peaks{channels: channels, out: channels, per: framesPerPeak}
	if mix {
		p.out = 1
	}
	p.low, p.high = make([]float32, p.out), make([]float32, p.out)
	p.reset()
	return p
}

func (p *Peaks) reset() {
	p.filled = 0
	for c := range p.low {
		p.low[c], p.high[c] = float32(math.Inf(1)), float32(math.Inf(-1))
	}
}

// Channels returns the number of channels of the peaks.
func (p *Peaks) Channels() int { return p.out }

// Length returns the number of complete stretches.
func (p *Peaks) Length() int { return len(p.Values) / (2 * p.out) }

// Write adds whole frames of interleaved samples.
func (p *Peaks) Write(interleaved []float32) {
	for len(interleaved) > 0 {
		n := min(int64(len(interleaved)/p.channels), p.per-p.filled)
		part := interleaved[:int(n)*p.channels]
		for c := range p.out {
			p.add(c, part)
		}
		interleaved = interleaved[len(part):]
		if p.filled += n; p.filled == p.per {
			p.end()
		}
	}
}

// add adds frames to the stretch under way.
func (p *Peaks) add(c int, part []float32) {
	low, high := p.low[c], p.high[c]
	if p.out == p.channels {
		for f := c; f < len(part); f += p.channels {
			low, high = min(low, part[f]), max(high, part[f])
		}
	} else {
		for f := 0; f < len(part); f += p.channels {
			v := mean(part[f : f+p.channels])
			low, high = min(low, v), max(high, v)
		}
	}
	p.low[c], p.high[c] = low, high
}

// end ends the stretch under way.
func (p *Peaks) end() {
	for c := range p.out {
		p.Values = append(p.Values, sample(p.low[c]), sample(p.high[c]))
	}
	p.reset()
}

// Finish ends the stream. The last stretch may be shorter.
func (p *Peaks) Finish() {
	if p.filled > 0 {
		p.end()
	}
}

// sample returns a sample as of 16 bits.
func sample(v float32) int16 {
	return int16(min(math.MaxInt16, max(math.MinInt16, math.Round(float64(v)*32768))))
}
