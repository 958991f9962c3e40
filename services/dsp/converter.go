package dsp

import "fmt"

// Converter changes the sample rate and the number of channels of interleaved samples
// as a stream. Not safe for concurrent use.
type Converter struct {
	from, to int // channels
	// between is the number of channels that are resampled, the smaller of input and
	// output.
	between    int
	resamplers []*Resampler
	mixed      []float32
	one        []float32
	resampled  [][]float32
	joined     []float32
	out        []float32
}

// NewConverter returns a converter. Rates are in hertz, as for NewResampler, and
// CanRemix must be true for the numbers of channels.
func NewConverter(fromHz, toHz, from, to int) (*Converter, error) {
	if !CanRemix(from, to) {
		return nil, fmt.Errorf("convert %d channels to %d: the target must be 1, 2 or the same number", from, to)
	}
	c := &Converter{from: from, to: to, between: min(from, to)}
	for range c.between {
		r, err := NewResampler(fromHz, toHz)
		if err != nil {
			return nil, err
		}
		c.resamplers = append(c.resamplers, r)
	}
	c.resampled = make([][]float32, c.between)
	return c, nil
}

// OutputLen returns the total number of output frames for n input frames, including
// those of Flush.
func (c *Converter) OutputLen(n int64) int64 { return c.resamplers[0].OutputLen(n) }

// Process converts interleaved frames and returns the frames that are complete. The
// result is valid until the next call.
func (c *Converter) Process(interleaved []float32) []float32 {
	frames := interleaved
	if c.between != c.from {
		c.mixed = Remix(c.mixed, interleaved, c.from, c.between)
		frames = c.mixed
	}
	for i, r := range c.resamplers {
		one := frames
		if c.between > 1 {
			c.one = c.one[:0]
			for at := i; at < len(frames); at += c.between {
				c.one = append(c.one, frames[at])
			}
			one = c.one
		}
		c.resampled[i] = r.Process(c.resampled[i][:0], one)
	}
	return c.join()
}

// Flush returns the remaining frames and resets the converter.
func (c *Converter) Flush() []float32 {
	for i, r := range c.resamplers {
		c.resampled[i] = r.Flush(c.resampled[i][:0])
	}
	return c.join()
}

// join interleaves the outputs of the resamplers and adds channels if needed.
func (c *Converter) join() []float32 {
	frames := c.resampled[0]
	if c.between > 1 {
		c.joined = c.joined[:0]
		for i := range c.resampled[0] {
			for _, one := range c.resampled {
				c.joined = append(c.joined, one[i])
			}
		}
		frames = c.joined
	}
	if c.between == c.to {
		return frames
	}
	c.out = Remix(c.out, frames, c.between, c.to)
	return c.out
}
