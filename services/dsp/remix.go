package dsp

// half is the weight of a channel that both loudspeakers share, 3 dB down.
const half = 0.7071067811865476

// stereoWeights are the weights of each channel for left and right, by the number of
// channels in the order of FLAC and WAV. Following ITU-R BS.775, the centre and
// surround channels are lowered by 3 dB and the low-frequency channel is omitted.
var stereoWeights = [...][][2]float32{
	3: {{1, 0}, {0, 1}, {half, half}},
	4: {{1, 0}, {0, 1}, {half, 0}, {0, half}},
	5: {{1, 0}, {0, 1}, {half, half}, {half, 0}, {0, half}},
	6: {{1, 0}, {0, 1}, {half, half}, {0, 0}, {half, 0}, {0, half}},
	7: {{1, 0}, {0, 1}, {half, half}, {0, 0}, {0.5, 0.5}, {half, 0}, {0, half}},
	8: {{1, 0}, {0, 1}, {half, half}, {0, 0}, {half, 0}, {0, half}, {half, 0}, {0, half}},
}

// CanRemix reports whether Remix supports the conversion: to the same number of
// channels, to one, or to two from at most eight.
func CanRemix(from, to int) bool {
	return from >= 1 && (to == from || to == 1 || (to == 2 && from < len(stereoWeights)))
}

// Remix changes the number of interleaved channels. Conversion to one channel is
// Downmix, one channel is copied to both of two, and more are mixed to two with the
// weights of ITU-R BS.775 divided by their sum so that nothing clips. dst is
// overwritten from its start and grown if necessary; it must not overlap interleaved.
// Remix panics if CanRemix is false.
func Remix(dst, interleaved []float32, from, to int) []float32 {
	if !CanRemix(from, to) {
		panic("dsp: no such remix")
	}
	frames := len(interleaved) / from
	if cap(dst) < frames*to {
		dst = make([]float32, frames*to)
	}
	dst = dst[:frames*to]
	switch {
	case from == to:
		copy(dst, interleaved)
	case to == 1:
		return Downmix(dst, interleaved, from)
	case from == 1:
		for i, x := range interleaved[:frames] {
			dst[2*i], dst[2*i+1] = x, x
		}
	default:
		weights := stereoWeights[from]
		var sum float32
		for _, w := range weights {
			sum += w[0]
		}
		for i := range frames {
			var left, right float32
			for c, x := range interleaved[i*from : (i+1)*from] {
				left += x * weights[c][0]
				right += x * weights[c][1]
			}
			dst[2*i], dst[2*i+1] = left/sum, right/sum
		}
	}
	return dst
}
