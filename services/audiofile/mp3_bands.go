package audiofile

// mp3Lines of one granule.
const mp3Lines = 576

// mp3Band is a run of lines with one scale factor, as they stand in the file:
// in a short block the three windows of a band follow one another.
type mp3Band struct {
	start, width int
	window       int // of a short block; -1 in a long one
}

// mp3Bands are the bands of one sample rate.
type mp3Bands struct {
	long  [23]int // where they begin
	short [14]int // in one window
	// layouts by kind: long blocks, short ones, and mixed ones, in which the
	// lowest 36 lines are long.
	layouts [3][]mp3Band
}

// layout of a granule's bands.
func (b *mp3Bands) layout(g *mp3Granule) []mp3Band {
	switch {
	case g.mixed:
		return b.layouts[2]
	case g.kind == mp3Short:
		return b.layouts[1]
	default:
		return b.layouts[0]
	}
}

// mp3BandTable has the bands of each rate, ISO 11172-3 table B.8 and 13818-3
// table B.2. MPEG 2.5 has those of 16 kHz, but for 8 kHz.
var mp3BandTable = func() map[int]*mp3Bands {
	table := map[int]*mp3Bands{
		44100: {
			long:  [23]int{0, 4, 8, 12, 16, 20, 24, 30, 36, 44, 52, 62, 74, 90, 110, 134, 162, 196, 238, 288, 342, 418, 576},
			short: [14]int{0, 4, 8, 12, 16, 22, 30, 40, 52, 66, 84, 106, 136, 192},
		},
		48000: {
			long:  [23]int{0, 4, 8, 12, 16, 20, 24, 30, 36, 42, 50, 60, 72, 88, 106, 128, 156, 190, 230, 276, 330, 384, 576},
			short: [14]int{0, 4, 8, 12, 16, 22, 28, 38, 50, 64, 80, 100, 126, 192},
		},
		32000: {
			long:  [23]int{0, 4, 8, 12, 16, 20, 24, 30, 36, 44, 54, 66, 82, 102, 126, 156, 194, 240, 296, 364, 448, 550, 576},
			short: [14]int{0, 4, 8, 12, 16, 22, 30, 42, 58, 78, 104, 138, 180, 192},
		},
		22050: {
			long:  [23]int{0, 6, 12, 18, 24, 30, 36, 44, 54, 66, 80, 96, 116, 140, 168, 200, 238, 284, 336, 396, 464, 522, 576},
			short: [14]int{0, 4, 8, 12, 18, 24, 32, 42, 56, 74, 100, 132, 174, 192},
		},
		24000: {
			long:  [23]int{0, 6, 12, 18, 24, 30, 36, 44, 54, 66, 80, 96, 114, 136, 162, 194, 232, 278, 332, 394, 464, 540, 576},
			short: [14]int{0, 4, 8, 12, 18, 26, 36, 48, 62, 80, 104, 136, 180, 192},
		},
		16000: {
			long:  [23]int{0, 6, 12, 18, 24, 30, 36, 44, 54, 66, 80, 96, 116, 140, 168, 200, 238, 284, 336, 396, 464, 522, 576},
			short: [14]int{0, 4, 8, 12, 18, 26, 36, 48, 62, 80, 104, 134, 174, 192},
		},
		8000: {
			long:  [23]int{0, 12, 24, 36, 48, 60, 72, 88, 108, 132, 160, 192, 232, 280, 336, 400, 476, 566, 568, 570, 572, 574, 576},
			short: [14]int{0, 8, 16, 24, 36, 52, 72, 96, 124, 160, 162, 164, 166, 192},
		},
	}
	table[12000], table[11025] = table[16000], table[16000]
	for _, bands := range table {
		bands.arrange()
	}
	return table
}()

func bandsOf(rateHz int) *mp3Bands { return mp3BandTable[rateHz] }

// arrange fills in the layouts.
func (b *mp3Bands) arrange() {
	const mixedLines = 36
	long := func(to int) (bands []mp3Band) {
		for i := 0; i < len(b.long)-1 && b.long[i] < to; i++ {
			bands = append(bands, mp3Band{b.long[i], b.long[i+1] - b.long[i], -1})
		}
		return bands
	}
	short := func(from int) (bands []mp3Band) {
		for i := range len(b.short) - 1 {
			width := b.short[i+1] - b.short[i]
			for w := 0; w < 3 && 3*b.short[i] >= from; w++ {
				bands = append(bands, mp3Band{3*b.short[i] + w*width, width, w})
			}
		}
		return bands
	}
	b.layouts = [3][]mp3Band{long(mp3Lines), short(0), append(long(mixedLines), short(mixedLines)...)}
}
