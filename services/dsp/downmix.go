package dsp

// Downmix averages interleaved channels to mono: value i of the result is the mean of
// frame i. dst is overwritten from its start and grown if necessary; it may share its
// start with interleaved. An incomplete last frame is ignored. The result is empty if
// channels is below one.
func Downmix(dst, interleaved []float32, channels int) []float32 {
	if channels < 1 {
		return dst[:0]
	}
	frames := len(interleaved) / channels
	if cap(dst) < frames {
		dst = make([]float32, frames)
	}
	dst = dst[:frames]
	switch channels {
	case 1:
		copy(dst, interleaved)
	case 2:
		for i := range dst {
			dst[i] = (interleaved[2*i] + interleaved[2*i+1]) / 2
		}
	default:
		for i := range dst {
			var sum float64
			for _, x := range interleaved[i*channels : (i+1)*channels] {
				sum += float64(x)
			}
			dst[i] = float32(sum / float64(channels))
		}
	}
	return dst
}
