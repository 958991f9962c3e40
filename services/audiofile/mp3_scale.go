package audiofile

import "math"

// mp3Scales are the scale factors of a granule, by the bands of its layout.
type mp3Scales struct {
	values [39]int
	// most are the largest values that the bits hold, which stand for no
	// position of intensity stereo.
	most [39]int
}

// mp3ScaleBits are the bits of the lower and the upper scale factors of MPEG 1.
var mp3ScaleBits = [16][2]int{
	{0, 0}, {0, 1}, {0, 2}, {0, 3}, {3, 0}, {1, 1}, {1, 2}, {1, 3},
	{2, 1}, {2, 2}, {2, 3}, {3, 1}, {3, 2}, {3, 3}, {4, 2}, {4, 3},
}

// mp3SharedBands are the long bands of the groups that granules share.
var mp3SharedBands = [5]int{0, 6, 11, 16, 21}

// readScales reads the scale factors of MPEG 1. first are those of the first
// granule, nil in it.
func (g *mp3Granule) readScales(b *bitReader, shared [4]bool, first *mp3Scales) (s mp3Scales) {
	lower, upper := mp3ScaleBits[g.compress][0], mp3ScaleBits[g.compress][1]
	if g.kind != mp3Short {
		for group := range 4 {
			for i := mp3SharedBands[group]; i < mp3SharedBands[group+1]; i++ {
				n := lower
				if i >= 11 {
					n = upper
				}
				if s.most[i] = mp3IntensityOff; first != nil && shared[group] {
					s.values[i] = first.values[i]
				} else {
					s.values[i] = b.bits(n)
				}
			}
		}
		return s
	}
	turn, count := 18, 36
	if g.mixed {
		turn, count = 17, 35
	}
	for i := range count {
		n := lower
		if i >= turn {
			n = upper
		}
		s.values[i], s.most[i] = b.bits(n), mp3IntensityOff
	}
	return s
}

// mp3IntensityOff is the position that stands for none in MPEG 1.
const mp3IntensityOff = 7

// mp3ScaleCounts of MPEG 2, ISO 13818-3 section 2.4.3.2: how many scale factors
// have each of four lengths, by the range of the length's code and by the layout
// of the bands.
var mp3ScaleCounts = [6][3][4]int{
	{{6, 5, 5, 5}, {9, 9, 9, 9}, {6, 9, 9, 9}},
	{{6, 5, 7, 3}, {9, 9, 12, 6}, {6, 9, 12, 6}},
	{{11, 10, 0, 0}, {18, 18, 0, 0}, {15, 18, 0, 0}},
	{{7, 7, 7, 0}, {12, 12, 12, 0}, {6, 15, 12, 0}},
	{{6, 6, 6, 3}, {12, 9, 9, 6}, {6, 12, 9, 6}},
	{{8, 8, 5, 0}, {15, 12, 9, 0}, {6, 18, 9, 0}},
}

// scaleLengths splits the code of MPEG 2 into the four lengths in bits. The
// right channel of intensity stereo has a code of its own.
func scaleLengths(compress int, intensity bool) (lengths [4]int, row int) {
	if intensity {
		switch c := compress >> 1; {
		case c < 180:
			return [4]int{c / 36, c % 36 / 6, c % 6, 0}, 3
		case c < 244:
			c -= 180
			return [4]int{c >> 4 & 3, c >> 2 & 3, c & 3, 0}, 4
		default:
			c -= 244
			return [4]int{c / 3, c % 3, 0, 0}, 5
		}
	}
	switch c := compress; {
	case c < 400:
		return [4]int{c >> 4 / 5, c >> 4 % 5, c >> 2 & 3, c & 3}, 0
	case c < 500:
		c -= 400
		return [4]int{c >> 2 / 5, c >> 2 % 5, c & 3, 0}, 1
	default:
		c -= 500
		return [4]int{c / 3, c % 3, 0, 0}, 2
	}
}

// readScales2 reads the scale factors of MPEG 2.
func (g *mp3Granule) readScales2(b *bitReader, intensity bool) (s mp3Scales) {
	lengths, row := scaleLengths(g.compress, intensity)
	layout := 0
	if g.kind == mp3Short {
		layout = 1
	}
	if g.mixed {
		layout = 2
	}
	i := 0
	for group, count := range mp3ScaleCounts[row][layout] {
		for range count {
			s.values[i], s.most[i] = b.bits(lengths[group]), 1<<lengths[group]-1
			if lengths[group] == 0 {
				s.most[i] = -1 // zero is a position here
			}
			i++
		}
	}
	return s
}

// mp3Pretab raises the upper long bands where the preflag is set.
var mp3Pretab = [22]int{11: 1, 1, 1, 1, 2, 2, 3, 3, 3, 2}

// requantize scales the lines by the gains.
func (g *mp3Granule) requantize(bands []mp3Band, scales *mp3Scales, lines *[mp3Lines]float32) {
	step := 2 << g.coarse // of a scale factor, in quarters of a power of two
	for i, band := range bands {
		exponent := g.gain - 210
		scale := scales.values[i]
		if band.window >= 0 {
			exponent -= 8 * g.lower[band.window]
		} else if g.preflag == 1 {
			scale += mp3Pretab[i]
		}
		factor := float32(math.Exp2(float64(exponent-step*scale) / 4))
		for j := band.start; j < band.start+band.width; j++ {
			lines[j] *= factor
		}
	}
}

// reorder puts the lines of short blocks side by side by their frequency.
func reorder(bands []mp3Band, lines *[mp3Lines]float32) {
	var sorted [mp3Lines]float32
	for _, band := range bands {
		if band.window < 0 {
			copy(sorted[band.start:band.start+band.width], lines[band.start:])
			continue
		}
		base := band.start - band.window*band.width
		for j := range band.width {
			sorted[base+3*j+band.window] = lines[band.start+j]
		}
	}
	*lines = sorted
}
