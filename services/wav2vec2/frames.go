package wav2vec2

import (
	"math"

	"github.com/grym-synth/grym-synth/services/tasks"
)

// slides computes the means of the frames in sliding windows of several lengths.
type slides struct {
	width, hop int
	// most is the maximum number of values of all results together.
	most   int
	values int
	// frames has the frames that later windows need, the first of which is number base.
	frames []float32
	base   int
	total  int
	tracks []slide
}

// slide has the windows of one length.
type slide struct {
	window int
	result tasks.FrameEmbeddings
}

// newSlides returns the windows that the parameters request, for frames of the given
// number of values and seconds.
func newSlides(p tasks.EmbedParams, width int, seconds float64) *slides {
	count := func(length float64) int { return max(1, int(math.Round(length/seconds))) }
	lengths, hop := p.Sliding()
	s := &slides{width: width, hop: count(hop), most: maxFrameValues}
	for _, length := range lengths {
		n := count(length)
		s.tracks = append(s.tracks, slide{window: n, result: tasks.FrameEmbeddings{
			Hop: roundMicro(float64(s.hop) * seconds), Window: roundMicro(float64(n) * seconds),
		}})
	}
	return s
}

// add processes further frames. It reports whether the results are within their limit.
func (s *slides) add(values []float32) bool {
	s.frames = append(s.frames, values...)
	s.total += len(values) / s.width
	next := s.total
	for i := range s.tracks {
		one := &s.tracks[i]
		from := len(one.result.Embeddings) * s.hop
		for ; from+one.window <= s.total; from += s.hop {
			if !s.take(one, from, from+one.window) {
				return false
			}
		}
		next = min(next, from)
	}
	s.frames = s.frames[:copy(s.frames, s.frames[(next-s.base)*s.width:])]
	s.base = next
	return true
}

// take appends the mean of a range of frames to the results of one length.
func (s *slides) take(one *slide, from, to int) bool {
	if s.values += s.width; s.values > s.most {
		return false
	}
	pool := meanPool{sums: make([]float64, s.width)}
	pool.add(s.frames[(from-s.base)*s.width : (to-s.base)*s.width])
	one.result.Embeddings = append(one.result.Embeddings, pool.mean())
	return true
}

// end returns all results. A recording shorter than a window has the mean of all frames.
func (s *slides) end() []tasks.FrameEmbeddings {
	list := make([]tasks.FrameEmbeddings, len(s.tracks))
	for i := range s.tracks {
		one := &s.tracks[i]
		if len(one.result.Embeddings) == 0 {
			s.take(one, 0, s.total)
		}
		list[i] = one.result
	}
	return list
}
