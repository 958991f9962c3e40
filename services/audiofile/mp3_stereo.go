package audiofile

import "math"

// Modes of joint stereo; both may be on.
const (
	mp3Intensity = 1
	mp3Middle    = 2
)

// joinStereo makes left and right of the lines of joint stereo. The scale
// factors are those of the right channel.
func joinStereo(h mp3Header, right *mp3Granule, bands []mp3Band, scales *mp3Scales, lines *[2][mp3Lines]float32) {
	first := len(bands) // band of intensity, by window
	bounds := [4]int{first, first, first, first}
	if h.joint&mp3Intensity != 0 {
		bounds = intensityBounds(bands, &lines[1])
	}
	for i, band := range bands {
		l, r := lines[0][band.start:band.start+band.width], lines[1][band.start:band.start+band.width]
		if i >= bounds[band.window+1] {
			if left, right, ok := intensity(h, right, bands, scales, i); ok {
				for j, x := range l {
					l[j], r[j] = x*left, x*right
				}
				continue
			}
		}
		if h.joint&mp3Middle != 0 {
			for j := range l {
				l[j], r[j] = (l[j]+r[j])*(math.Sqrt2/2), (l[j]-r[j])*(math.Sqrt2/2)
			}
		}
	}
}

// intensityBounds returns the first band of intensity by the window plus one:
// all of the right channel from there on is zero.
func intensityBounds(bands []mp3Band, right *[mp3Lines]float32) (bounds [4]int) {
	for i, band := range bands {
		for _, x := range right[band.start : band.start+band.width] {
			if x == 0 {
				continue
			}
			bounds[band.window+1] = i + 1
			if band.window < 0 { // below the short bands of a mixed block
				break
			}
			bounds[0] = i + 1
			break
		}
	}
	return bounds
}

// intensity returns the weights of one channel's lines for left and right; ok is
// false where the band has no position.
func intensity(h mp3Header, right *mp3Granule, bands []mp3Band, scales *mp3Scales, i int) (l, r float32, ok bool) {
	window := bands[i].window
	if last := i+1 >= len(bands) || (window >= 0 && i+3 >= len(bands)); last { // it has no scale factor of its own
		i -= 1
		if window >= 0 {
			i -= 2
		}
	}
	position := scales.values[i]
	if position == scales.most[i] {
		return 0, 0, false
	}
	if h.version == 1 {
		if position == 6 {
			return 1, 0, true
		}
		ratio := math.Tan(float64(position) * math.Pi / 12)
		return float32(ratio / (1 + ratio)), float32(1 / (1 + ratio)), true
	}
	power := -float64((position+1)/2) / 4 * float64(1+right.compress&1)
	weight := float32(math.Exp2(power))
	if position%2 == 1 {
		return weight, 1, true
	}
	return 1, weight, true
}
