package audiofile

import "math"

// mp2Levels are the numbers of levels of the quantisers of layer II. Three samples of the
// first, the second and the fourth are coded as one number.
var mp2Levels = [...]int{0, 3, 5, 7, 9, 15, 31, 63, 127, 255, 511, 1023, 2047, 4095, 8191, 16383, 32767, 65535}

// mp2Quantisers are lists of quantisers from which the allocation of a subband selects.
var mp2Quantisers = [...][16]int{
	{0, 1, 2, 17},
	{0, 1, 2, 3, 4, 5, 6, 17},
	{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 17},
	{0, 1, 3, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17},
	{0, 1, 2, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16},
	{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15},
}

// mp2Band is a range of subbands with the same allocation: the end of the range, the bits
// of an allocation and the list that it selects from.
type mp2Band struct{ end, bits, list int }

// The tables of allocation of ISO 11172-3 (B.2a and B.2b differ in their length, as do
// B.2c and B.2d) and ISO 13818-3 (B.1).
var (
	mp2High = []mp2Band{{3, 4, 3}, {11, 4, 2}, {23, 3, 1}, {30, 2, 0}}
	mp2Low  = []mp2Band{{2, 4, 4}, {12, 3, 4}}
	mp2Half = []mp2Band{{4, 4, 5}, {11, 3, 4}, {30, 2, 4}}
)

// mp2Scales are the scale factors. The last index is not in use.
var mp2Scales = func() (scales [64]float32) {
	for i := range 63 {
		scales[i] = float32(math.Exp2(1 - float64(i)/3))
	}
	return scales
}()

// mp2Slots is the number of samples of one subband in a frame, and mp2Parts that of its
// parts with a scale factor each.
const (
	mp2Slots = 36
	mp2Parts = 3
)

// mp2Layer2 decodes the frames of MPEG 1 and 2 layer II.
type mp2Layer2 struct {
	channels [2]mp3Channel
	slots    [2][mp2Slots][mp3Subbands]float32
}

// mp2Table returns the table of allocation and the number of subbands.
func mp2Table(h mp3Header) ([]mp2Band, int) {
	each := h.kbits / h.channels
	switch {
	case h.version != 1:
		return mp2Half, 30
	case each < 56 && h.rateHz == 32000:
		return mp2Low, 12
	case each < 56:
		return mp2Low, 8
	case each < 96 || h.rateHz == 48000:
		return mp2High, 27
	default:
		return mp2High, 30
	}
}

// decode writes the interleaved samples of a frame.
func (d *mp2Layer2) decode(h mp3Header, frame []byte, out []float32) {
	b := &bitReader{data: frame, at: 8 * mp3HeaderBytes}
	if h.protected {
		b.at += 16 // a checksum
	}
	bands, limit := mp2Table(h)
	bound := limit
	if h.channels == 2 && h.shared > 0 { // joint stereo: the upper subbands have one code
		bound = min(limit, h.shared)
	}
	var levels [mp3Subbands][2]int
	band := 0
	for sb := range limit {
		if sb == bands[band].end {
			band++
		}
		for c := range h.channels {
			if sb >= bound && c == 1 {
				levels[sb][1] = levels[sb][0]
				continue
			}
			levels[sb][c] = mp2Levels[mp2Quantisers[bands[band].list][b.bits(bands[band].bits)]]
		}
	}
	scales := readMP2Scales(b, h.channels, limit, &levels)
	d.slots = [2][mp2Slots][mp3Subbands]float32{}
	for group := range mp2Slots / 3 {
		for sb := range limit {
			var codes [3]int
			for c := range h.channels {
				n := levels[sb][c]
				if n == 0 {
					continue
				}
				if sb < bound || c == 0 {
					codes = readMP2Codes(b, n)
				}
				scale := scales[sb][c][group*3*mp2Parts/mp2Slots] / float32(n)
				for i, code := range codes {
					d.slots[c][3*group+i][sb] = float32(2*code-(n-1)) * scale
				}
			}
		}
	}
	for c := range h.channels {
		for i := range mp2Slots {
			d.channels[c].synthesise(&d.slots[c][i], out[i*mp3Subbands*h.channels+c:], h.channels)
		}
	}
}

// readMP2Scales reads which scale factors are equal, and the scale factors.
func readMP2Scales(b *bitReader, channels, limit int, levels *[mp3Subbands][2]int) (scales [mp3Subbands][2][mp2Parts]float32) {
	var shared [mp3Subbands][2]int
	for sb := range limit {
		for c := range channels {
			if levels[sb][c] > 0 {
				shared[sb][c] = b.bits(2)
			}
		}
	}
	for sb := range limit {
		for c := range channels {
			if levels[sb][c] == 0 {
				continue
			}
			s := &scales[sb][c]
			s[0] = mp2Scales[b.bits(6)]
			switch shared[sb][c] {
			case 0:
				s[1] = mp2Scales[b.bits(6)]
				s[2] = mp2Scales[b.bits(6)]
			case 1:
				s[1] = s[0]
				s[2] = mp2Scales[b.bits(6)]
			case 2:
				s[1], s[2] = s[0], s[0]
			default:
				s[1] = mp2Scales[b.bits(6)]
				s[2] = s[1]
			}
		}
	}
	return scales
}

// readMP2Codes reads three samples of a subband.
func readMP2Codes(b *bitReader, levels int) (codes [3]int) {
	grouped := map[int]int{3: 5, 5: 7, 9: 10}[levels]
	if grouped > 0 {
		code := b.bits(grouped)
		for i := range codes {
			codes[i] = code % levels
			code /= levels
		}
		return codes
	}
	width := 0
	for 1<<width < levels {
		width++
	}
	for i := range codes {
		codes[i] = b.bits(width)
	}
	return codes
}
