package audiofile

import "math"

const (
	mp3Subbands = 32
	mp3Slots    = 18 // of one subband in a granule
)

// mp3Channel is what one channel carries from granule to granule.
type mp3Channel struct {
	overlap [mp3Lines]float32
	// vectors are those of the synthesis, of which at is the latest.
	vectors [1024]float32
	at      int
}

// mp3Windows of the four kinds of blocks. That of a short block covers one of
// its three.
var mp3Windows = func() (w [4][36]float32) {
	long := func(i int) float32 { return float32(math.Sin(math.Pi / 36 * (float64(i) + 0.5))) }
	short := func(i int) float32 { return float32(math.Sin(math.Pi / 12 * (float64(i) + 0.5))) }
	for i := range 36 {
		w[mp3Long][i] = long(i)
	}
	for i := range 18 {
		w[mp3Start][i], w[mp3Stop][35-i] = long(i), long(i)
	}
	for i := range 6 {
		w[mp3Start][18+i], w[mp3Stop][12+i] = 1, 1
		w[mp3Start][24+i], w[mp3Stop][6+i] = short(6+i), short(i)
		w[mp3Short][i], w[mp3Short][6+i] = short(i), short(6+i)
	}
	return w
}()

// The cosines of the transforms: of 18 and 6 lines, and of the synthesis.
var mp3Cos36, mp3Cos12, mp3Cos64 = func() (c36 [36][18]float32, c12 [12][6]float32, c64 [32][16]float32) {
	for i := range c36 {
		for k := range c36[i] {
			c36[i][k] = float32(math.Cos(math.Pi / 72 * float64((2*i+19)*(2*k+1))))
		}
	}
	for i := range c12 {
		for k := range c12[i] {
			c12[i][k] = float32(math.Cos(math.Pi / 24 * float64((2*i+7)*(2*k+1))))
		}
	}
	for m := range c64 {
		for k := range c64[m] {
			c64[m][k] = float32(math.Cos(math.Pi / 64 * float64(m*(2*k+1))))
		}
	}
	return c36, c12, c64
}()

// mp3Alias are the butterflies between subbands.
var mp3Alias = func() (pairs [8][2]float32) {
	for i, c := range []float64{-0.6, -0.535, -0.33, -0.185, -0.095, -0.041, -0.0142, -0.0037} {
		scale := 1 / math.Sqrt(1+c*c)
		pairs[i] = [2]float32{float32(scale), float32(c * scale)}
	}
	return pairs
}()

// antialias undoes the overlap of the filters of neighbouring long subbands.
func (g *mp3Granule) antialias(lines *[mp3Lines]float32) {
	last := mp3Subbands
	if g.kind == mp3Short {
		last = 1
		if g.mixed {
			last = 2
		}
	}
	for sb := 1; sb < last; sb++ {
		for i, pair := range mp3Alias {
			low, high := lines[18*sb-1-i], lines[18*sb+i]
			lines[18*sb-1-i] = low*pair[0] - high*pair[1]
			lines[18*sb+i] = high*pair[0] + low*pair[1]
		}
	}
}

// hybrid turns the lines of a granule into the samples of the subbands, by time
// slot.
func (c *mp3Channel) hybrid(g *mp3Granule, lines *[mp3Lines]float32, slots *[mp3Slots][mp3Subbands]float32) {
	for sb := range mp3Subbands {
		in := lines[18*sb : 18*sb+18]
		overlap := c.overlap[18*sb : 18*sb+18]
		kind := g.kind
		if g.mixed && sb < 2 {
			kind = mp3Long
		}
		var out [36]float32
		if !allZero(in) {
			transform(kind, in, &out)
		}
		for i := range mp3Slots {
			x := out[i] + overlap[i]
			if i&sb&1 == 1 { // odd subbands stand on their head
				x = -x
			}
			slots[i][sb] = x
			overlap[i] = out[18+i]
		}
	}
}

func allZero(lines []float32) bool {
	for _, x := range lines {
		if x != 0 {
			return false
		}
	}
	return true
}

// transform is the inverse cosine transform of one subband, under its window.
func transform(kind int, in []float32, out *[36]float32) {
	window := &mp3Windows[kind]
	if kind != mp3Short {
		for i := range out {
			var sum float32
			for k, cos := range &mp3Cos36[i] {
				sum += in[k] * cos
			}
			out[i] = sum * window[i]
		}
		return
	}
	for w := range 3 {
		for i := range 12 {
			var sum float32
			for k, cos := range &mp3Cos12[i] {
				sum += in[3*k+w] * cos
			}
			out[6+6*w+i] += sum * window[i]
		}
	}
}

// mp3Filter is the window of the synthesis.
var mp3Filter = func() (d [512]float32) {
	for i, level := range mp3Window {
		d[i] = float32(level) / 65536
		switch {
		case i > 0 && i%64 == 0:
			d[512-i] = d[i]
		case i > 0:
			d[512-i] = -d[i]
		}
	}
	return d
}()

// synthesise makes 32 samples of one slot, every so many places of out.
func (c *mp3Channel) synthesise(slot *[mp3Subbands]float32, out []float32, stride int) {
	c.at = (c.at - 64) & 1023
	v := c.vectors[c.at : c.at+64]
	var sums [2][16]float32
	for k := range 16 {
		sums[0][k], sums[1][k] = slot[k]+slot[31-k], slot[k]-slot[31-k]
	}
	for m := range mp3Subbands {
		var sum float32
		half := &sums[m&1]
		for k, cos := range &mp3Cos64[m] {
			sum += half[k] * cos
		}
		// Value i of the vector has the frequency 16+i, which repeats with
		// changed signs around 32 and 64.
		if m >= 16 {
			v[m-16] = sum
			v[48-m] = -sum
		} else {
			v[48-m] = -sum
			v[48+m] = -sum
		}
	}
	v[16] = 0
	for j := range mp3Subbands {
		var sum float32
		for i := range 8 {
			sum += c.vectors[(c.at+128*i+j)&1023] * mp3Filter[64*i+j]
			sum += c.vectors[(c.at+128*i+96+j)&1023] * mp3Filter[64*i+32+j]
		}
		out[j*stride] = sum
	}
}
