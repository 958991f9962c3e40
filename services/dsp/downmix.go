package dsp

const (
	// cancelFrames are the fewest that are looked at for channels that cancel out.
	cancelFrames = 64
	// cancelRatio of the power of the channels is what is left of those in the mean.
	cancelRatio = 1.0 / 1000
)

// Downmix averages interleaved channels to mono: value i of the result is the
// mean of frame i. Where the channels of the block cancel each other out, as
// those of a cable that is soldered the wrong way round do, the mean has less
// than a thousandth of their power, and the first channel with sound is taken
// instead. dst is overwritten from its start and grown where it is too
// short; it may begin where interleaved begins. A last frame that is not whole
// is left out, and fewer than one channel gives nothing.
func Downmix(dst, interleaved []float32, channels int) []float32 {
	if channels < 1 {
		return dst[:0]
	}
	frames := len(interleaved) / channels
	if cap(dst) < frames {
		dst = make([]float32, frames)
	}
	dst = dst[:frames]
	if c := cancelled(interleaved[:frames*channels], channels); c >= 0 {
		for i := range dst {
			dst[i] = interleaved[i*channels+c]
		}
		return dst
	}
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

// cancelled returns the channel to take where the mean of all is next to
// nothing, and -1 elsewhere.
func cancelled(interleaved []float32, channels int) int {
	if channels < 2 || len(interleaved) < cancelFrames*channels {
		return -1
	}
	var mean, all float64
	for i := 0; i < len(interleaved); i += channels {
		var sum, squares float64
		for _, x := range interleaved[i : i+channels] {
			sum += float64(x)
			squares += float64(x) * float64(x)
		}
		mean += sum * sum
		all += squares
	}
	n := float64(channels)
	if mean/(n*n) >= cancelRatio*all/n {
		return -1
	}
	for c := range channels {
		var own float64
		for i := c; i < len(interleaved); i += channels {
			own += float64(interleaved[i]) * float64(interleaved[i])
		}
		if own >= all/(2*n) {
			return c
		}
	}
	return -1
}
