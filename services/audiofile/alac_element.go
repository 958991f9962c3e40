package audiofile

import (
	"fmt"
	"math/bits"
)

// alacHead is the beginning of an element.
type alacHead struct {
	frames int
	split  int  // lower bits that are stored apart
	raw    bool // not compressed
}

// readHead reads the beginning of an element after its kind.
func (c alacCoding) readHead(b *bitReader) (alacHead, error) {
	b.bits(4 + 12) // instance, unused
	partial, split, raw := b.bits(1) == 1, 8*b.bits(2), b.bits(1) == 1
	h := alacHead{frames: c.frames, split: split, raw: raw}
	if partial {
		h.frames = b.bits(32)
	}
	if h.frames > c.frames || split >= c.bits || split == 24 || raw && split > 0 {
		return alacHead{}, fmt.Errorf("%w: %d frames, %d bits apart", errALAC, h.frames, split)
	}
	return h, nil
}

// alacPredictor has the parameters of one channel of an element.
type alacPredictor struct {
	mode, shift int
	adapt       int // a quarter of the rate of adaptation of the code
	count       int
	weights     [32]int16
}

// element decodes the samples of one or two channels into d.levels.
func (d *alacDecoder) element(b *bitReader, width int) (frames int, err error) {
	h, err := d.readHead(b)
	if err != nil {
		return 0, err
	}
	if h.raw {
		for i := range h.frames {
			for c := range width {
				d.levels[c][i] = extend(int32(b.bits(d.bits)), d.bits)
			}
		}
		return h.frames, nil
	}
	mixBits, mixed := b.bits(8), int32(int8(b.bits(8)))
	var predictors [2]alacPredictor
	for c := range width {
		p := &predictors[c]
		p.mode, p.shift, p.adapt, p.count = b.bits(4), b.bits(4), b.bits(3), b.bits(5)
		for i := range p.count {
			p.weights[i] = int16(b.bits(16))
		}
	}
	for i := range width * h.frames {
		if h.split == 0 || b.at > 8*len(b.data) {
			break
		}
		d.low[i] = int32(b.bits(h.split))
	}
	size := d.bits - h.split + width - 1
	if size > 32 {
		return 0, fmt.Errorf("%w: %d bits", errALAC, size)
	}
	for c := range width {
		residual := d.residual[:h.frames]
		if err := d.readResidual(b, residual, predictors[c].adapt, size); err != nil {
			return 0, err
		}
		predictors[c].restore(residual, d.levels[c][:h.frames], size)
	}
	if width == 2 && mixed != 0 {
		unmix(d.levels[0][:h.frames], d.levels[1][:h.frames], mixBits, mixed)
	}
	if h.split > 0 {
		for i := range h.frames {
			for c := range width {
				d.levels[c][i] = d.levels[c][i]<<h.split | d.low[i*width+c]
			}
		}
	}
	return h.frames, nil
}

// unmix computes left and right from a weighted sum and the difference.
func unmix(sum, difference []int32, shift int, weight int32) {
	for i, v := range difference {
		left := sum[i] + v - (weight*v)>>shift
		sum[i], difference[i] = left, left-v
	}
}

// extend extends the sign of a number of the given bits.
func extend(x int32, size int) int32 { return x << (32 - size) >> (32 - size) }

// Constants of the adaptive Golomb code.
const (
	alacMeanBits   = 9 // fraction of the mean
	alacPrefix     = 9 // ones before a number that is not coded
	alacLargest    = 0xffff
	alacRunMean    = 1 << (alacMeanBits - 2) // below it a run of zeros follows
	alacRunBits    = 16
	alacRunLargest = 0xffff
)

// readResidual reads the differences from the prediction: adaptive Golomb codes whose
// parameter follows the mean, with runs of zeros where it is low.
func (d *alacDecoder) readResidual(b *bitReader, dst []int32, adapt, size int) error {
	rate := uint32(d.adapt * adapt / 4)
	mean, carried := uint32(d.mean), uint32(0)
	for i := 0; i < len(dst); {
		if b.at > 8*len(b.data) {
			return fmt.Errorf("%w: it is too short", errALAC)
		}
		k := min(31-bits.LeadingZeros32(mean>>alacMeanBits+3), d.most)
		code := golomb(b, 1<<k-1, k, size)
		n := code + carried
		level := int32((n + 1) >> 1)
		if n&1 == 1 {
			level = -level
		}
		dst[i] = level
		i++
		mean += rate*n - rate*mean>>alacMeanBits
		if code > alacLargest {
			mean = alacLargest
		}
		carried = 0
		if mean >= alacRunMean || i == len(dst) {
			continue
		}
		k = bits.LeadingZeros32(mean) - 24 + int(mean+16)>>6
		run := int(golomb(b, uint32(min(1<<k, 1<<d.most)-1), k, alacRunBits))
		if run > len(dst)-i {
			return fmt.Errorf("%w: a run of %d zeros", errALAC, run)
		}
		clear(dst[i : i+run])
		i += run
		if mean = 0; run < alacRunLargest {
			carried = 1
		}
	}
	return nil
}

// golomb reads a number: ones that count multiples of step, a zero and a remainder of k
// bits, or k-1 if it is zero. After nine ones the number follows with the given bits.
func golomb(b *bitReader, step uint32, k, size int) uint32 {
	ones := bits.LeadingZeros32(^uint32(b.peek(32)))
	if ones >= alacPrefix {
		b.at += alacPrefix
		return uint32(b.bits(size))
	}
	b.at += ones + 1
	if k == 1 {
		return uint32(ones)
	}
	value := uint32(ones) * step
	if rest := uint32(b.peek(k)); rest > 1 {
		b.at += k
		return value + rest - 1
	}
	b.at += k - 1
	return value
}

// restore adds the prediction to the residual. The weights adapt by the signs of the
// residual and of the differences. Sums wrap at 32 bits.
func (p *alacPredictor) restore(residual, out []int32, size int) {
	if len(out) == 0 {
		return
	}
	if p.mode != 0 { // a first order on top
		accumulate(residual, residual, size)
	}
	switch p.count {
	case 0:
		copy(out, residual)
		return
	case 31:
		accumulate(out, residual, size)
		return
	}
	lead := min(p.count+1, len(out))
	accumulate(out[:lead], residual[:lead], size)
	weights := p.weights[:p.count]
	half := int32(0)
	if p.shift > 0 {
		half = 1 << (p.shift - 1)
	}
	for i := lead; i < len(out); i++ {
		base := out[i-lead]
		before := out[i-p.count : i] // the latest is the last
		sum := half
		for k, w := range weights {
			sum += int32(w) * (before[p.count-1-k] - base)
		}
		out[i] = extend(residual[i]+base+sum>>p.shift, size)
		p.learn(residual[i], base, before)
	}
}

// learn adapts the weights after a sample.
func (p *alacPredictor) learn(left, base int32, before []int32) {
	way := sign(left)
	for k := p.count - 1; k >= 0 && left*way > 0; k-- {
		difference := base - before[p.count-1-k]
		side := sign(difference)
		p.weights[k] -= int16(way * side)
		left -= int32(p.count-k) * (way * side * difference >> p.shift)
	}
}

func sign(x int32) int32 {
	switch {
	case x > 0:
		return 1
	case x < 0:
		return -1
	}
	return 0
}

// accumulate writes the running sum of src.
func accumulate(dst, src []int32, size int) {
	last := int32(0)
	for i, x := range src {
		last = extend(last+x, size)
		dst[i] = last
	}
}
