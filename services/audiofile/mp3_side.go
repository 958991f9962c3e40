package audiofile

import "encoding/binary"

// mp3Side is the side information of a frame.
type mp3Side struct {
	// back is the number of bytes before the frame's own data at which its main data
	// begins.
	back int
	// shared are the groups of scale factors that the second granule copies from the
	// first, by channel.
	shared [2][4]bool
	// granules by index and channel.
	granules [2][2]mp3Granule
}

// Block types.
const (
	mp3Long  = 0
	mp3Start = 1
	mp3Short = 2
	mp3Stop  = 3
)

// mp3Granule describes 576 lines of one channel.
type mp3Granule struct {
	bits      int // of scale factors and lines
	bigValues int // pairs
	gain      int
	compress  int // code of the bit lengths of the scale factors
	kind      int
	mixed     bool // the two lowest subbands are long
	tables    [3]int
	regions   [2]int // lines at which the second and third table begin
	lower     [3]int // gain of each window
	preflag   int
	coarse    int // scale factors count twice
	quads     int // table of the small values
}

// bitReader reads numbers from bits. After the end it returns zeros.
type bitReader struct {
	data []byte
	at   int // in bits
}

func (b *bitReader) bit() int {
	i := b.at >> 3
	b.at++
	if i >= len(b.data) {
		return 0
	}
	return int(b.data[i]>>(7-(b.at-1)&7)) & 1
}

func (b *bitReader) bits(n int) int {
	value := b.peek(n)
	b.at += n
	return value
}

// peek returns the next bits, at most 56, without reading them. Bits beyond the end are
// zero.
func (b *bitReader) peek(n int) int {
	i := b.at >> 3
	var word uint64
	if i+8 <= len(b.data) {
		word = binary.BigEndian.Uint64(b.data[i:])
	} else if i < len(b.data) {
		var padded [8]byte
		copy(padded[:], b.data[i:])
		word = binary.BigEndian.Uint64(padded[:])
	}
	return int(word << (b.at & 7) >> (64 - n))
}

// parseMP3Side reads the side information of a frame.
func parseMP3Side(h mp3Header, raw []byte) (side mp3Side) {
	b := &bitReader{data: raw}
	lsf := h.version != 1
	if lsf {
		side.back = b.bits(8)
		b.bits(h.channels) // private
	} else {
		side.back = b.bits(9)
		b.bits(7 - 2*h.channels)
		for c := range h.channels {
			for group := range 4 {
				side.shared[c][group] = b.bit() == 1
			}
		}
	}
	bands := bandsOf(h.rateHz)
	for g := range h.samples / mp3Lines {
		for c := range h.channels {
			side.granules[g][c] = parseMP3Granule(b, lsf, bands)
		}
	}
	return side
}

func parseMP3Granule(b *bitReader, lsf bool, bands *mp3Bands) (g mp3Granule) {
	g.bits, g.bigValues, g.gain = b.bits(12), b.bits(9), b.bits(8)
	if lsf {
		g.compress = b.bits(9)
	} else {
		g.compress = b.bits(4)
	}
	if b.bit() == 1 { // not the normal window
		g.kind, g.mixed = b.bits(2), b.bit() == 1
		g.tables[0], g.tables[1] = b.bits(5), b.bits(5)
		for w := range g.lower {
			g.lower[w] = b.bits(3)
		}
		g.mixed = g.mixed && g.kind == mp3Short
		g.regions = [2]int{bands.long[8], mp3Lines}
		if g.kind == mp3Short {
			g.regions[0] = 3 * bands.short[3]
		}
	} else {
		for t := range g.tables {
			g.tables[t] = b.bits(5)
		}
		first := b.bits(4) + 1
		second := first + b.bits(3) + 1
		g.regions = [2]int{bands.long[first], bands.long[min(second, len(bands.long)-1)]}
	}
	if !lsf {
		g.preflag = b.bit()
	} else if g.compress >= 500 {
		g.preflag = 1
	}
	g.coarse, g.quads = b.bit(), b.bit()
	return g
}
