package audiofile

// mp3LookBack is the most bytes that a frame can look back.
const mp3LookBack = 511

// mp3Layer3 decodes the frames of MPEG 1, 2 and 2.5 layer III, ISO 11172-3 and
// 13818-3.
type mp3Layer3 struct {
	// data is the main data of the frame, behind what it may look back to.
	data     []byte
	channels [2]mp3Channel
	lines    [2][mp3Lines]float32
	slots    [mp3Slots][mp3Subbands]float32
}

// decode writes the samples of a frame, interleaved. A frame whose main data is
// not there is silent: the first ones of a piece that was cut out of a file, and
// those behind damage.
func (d *mp3Layer3) decode(h mp3Header, frame []byte, out []float32) {
	at := mp3HeaderBytes
	if h.protected {
		at += 2 // a checksum
	}
	side := parseMP3Side(h, frame[at:at+h.sideBytes()])
	own := frame[at+h.sideBytes():]
	before := min(len(d.data), mp3LookBack)
	known := side.back <= before
	d.data = append(d.data[:copy(d.data, d.data[len(d.data)-before:])], own...)
	b := &bitReader{data: d.data, at: 8 * max(0, before-side.back)}
	bands := bandsOf(h.rateHz)
	var first [2]*mp3Scales
	for g := range h.samples / mp3Lines {
		granules := &side.granules[g]
		var scales [2]mp3Scales
		for c := range h.channels {
			d.lines[c] = [mp3Lines]float32{}
			if !known {
				continue
			}
			end := b.at + granules[c].bits
			if known = end <= 8*len(d.data); !known {
				continue
			}
			if h.version == 1 {
				scales[c] = granules[c].readScales(b, side.shared[c], first[c])
			} else {
				scales[c] = granules[c].readScales2(b, c == 1 && h.joint&mp3Intensity != 0)
			}
			granules[c].readLines(b, end, &d.lines[c])
			granules[c].requantize(bands.layout(&granules[c]), &scales[c], &d.lines[c])
			b.at = end
		}
		if h.joint != 0 && known {
			joinStereo(h, &granules[1], bands.layout(&granules[1]), &scales[1], &d.lines)
		}
		for c := range h.channels {
			d.play(c, &granules[c], bands, out[g*mp3Lines*h.channels+c:], h.channels)
			read := scales[c]
			first[c] = &read
		}
	}
}

// play makes the samples of a granule's channel.
func (d *mp3Layer3) play(c int, g *mp3Granule, bands *mp3Bands, out []float32, stride int) {
	lines := &d.lines[c]
	if g.kind == mp3Short {
		reorder(bands.layout(g), lines)
	}
	g.antialias(lines)
	d.channels[c].hybrid(g, lines, &d.slots)
	for i := range d.slots {
		d.channels[c].synthesise(&d.slots[i], out[i*mp3Subbands*stride:], stride)
	}
}
