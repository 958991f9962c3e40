package editing

import "math"

// Windows of the stretch, in seconds: the length of a segment, and how far from its
// nominal place it is searched.
const (
	segmentSeconds = 0.05
	searchSeconds  = 0.0125
	// searchRateHz is about the rate at which the search begins.
	searchRateHz = 16000
)

// timeStretch changes the tempo and not the pitch.
type timeStretch struct {
	named
	Factor *float64 `json:"factor"`
}

func (t *timeStretch) check() error { return required("factor", t.Factor, minFactor, maxFactor) }

func (t *timeStretch) build(in Format, _ Env) (built, error) {
	if *t.Factor == 1 {
		return built{stage: &amplifier{factor: 1}, out: in}, nil
	}
	s := newStretcher(in, *t.Factor)
	out := in
	out.Frames = math.Ceil(in.Frames / *t.Factor)
	return built{stage: s, out: out, bytes: s.bytes()}, nil
}

// stretcher repeats or leaves out sound by WSOLA (Verhelst and Roelands 1993): it adds
// overlapping segments, each from the place near its nominal one where the input is most
// like the continuation of the segment before.
type stretcher struct {
	basic
	channels int
	factor   float64
	hop      int // half a segment
	search   int
	coarse   int // frames averaged for the first search
	window   []float64

	input    []float32 // from frame start on; silence before the beginning
	mono     []float32
	start    int64
	consumed int64
	segments int64
	last     int64     // where the segment before began
	overlap  []float64 // the second half of the segment before
	emitted  int64
	out      []float32
	template []float64
	low      []float64
	carry    float64 // of a frame, so that the rounding of places does not add up
}

func newStretcher(in Format, factor float64) *stretcher {
	rate := float64(in.SampleRateHz)
	s := &stretcher{
		channels: in.Channels, factor: factor, hop: int(segmentSeconds * rate / 2), search: int(searchSeconds * rate),
		coarse: max(1, int(rate/searchRateHz)),
	}
	s.last = -int64(2 * s.hop)
	s.start = -int64(2*s.hop + s.search)
	return s
}

// span returns the number of frames that the input may have.
func (s *stretcher) span() int64 {
	return int64(float64(s.hop)*s.factor) + int64(5*s.hop+2*s.search+2*blockFrames)
}

func (s *stretcher) bytes() int64 {
	return 2*s.span()*int64(4*s.channels+4) + int64(s.hop*(12*s.channels+16)) + int64(16*s.search)
}

func (s *stretcher) process(block []float32, emit Emit) error {
	s.consumed += int64(len(block) / s.channels)
	return s.feed(block, math.MaxInt64, emit)
}

// feed appends input and emits at most limit frames.
func (s *stretcher) feed(block []float32, limit int64, emit Emit) error {
	if s.window == nil {
		s.window = make([]float64, s.hop)
		for i := range s.window { // the rising half of a Hann window
			s.window[i] = (1 - math.Cos(math.Pi*(float64(i)+0.5)/float64(s.hop))) / 2
		}
		s.overlap = make([]float64, s.hop*s.channels)
		s.input = make([]float32, int(-s.start)*s.channels, int(s.span())*s.channels)
		s.mono = make([]float32, -s.start, s.span())
	}
	s.input = append(s.input, block...)
	for i := 0; i < len(block); i += s.channels {
		var sum float32
		for _, v := range block[i : i+s.channels] {
			sum += v
		}
		s.mono = append(s.mono, sum)
	}
	for {
		nominal := int64(math.Round(float64(s.segments-1) * float64(s.hop) * s.factor))
		if max(nominal+int64(s.search), s.last+int64(s.hop))+int64(2*s.hop) > s.start+int64(len(s.mono)) {
			return nil
		}
		if err := s.segment(nominal, limit, emit); err != nil {
			return err
		}
		if s.emitted >= limit {
			return nil
		}
	}
}

// segment adds the segment near a place and emits half a segment.
func (s *stretcher) segment(nominal, limit int64, emit Emit) error {
	at := -int64(s.hop) // the first one only has its second half in the output
	if s.segments > 0 {
		at = s.find(nominal)
	}
	from := int(at-s.start) * s.channels
	s.out = s.out[:0]
	for i, rise := range s.window {
		fall := s.window[s.hop-1-i]
		for c := range s.channels {
			k := i*s.channels + c
			s.out = append(s.out, float32(s.overlap[k]+rise*float64(s.input[from+k])))
			s.overlap[k] = fall * float64(s.input[from+s.hop*s.channels+k])
		}
	}
	s.last = at
	s.segments++
	next := int64(math.Round(float64(s.segments-1) * float64(s.hop) * s.factor))
	if drop := min(at+int64(s.hop), next-int64(s.search)) - s.start; drop > 0 {
		s.input = s.input[:copy(s.input, s.input[int(drop)*s.channels:])]
		s.mono = s.mono[:copy(s.mono, s.mono[drop:])]
		s.start += drop
	}
	if s.segments == 1 { // before the beginning
		return nil
	}
	n := min(int64(s.hop), limit-s.emitted)
	s.emitted += n
	return emit(s.out[:int(n)*s.channels])
}

// find returns the place near the nominal one that is most like the continuation of the
// last segment: first by averages of a few frames, then frame by frame.
func (s *stretcher) find(nominal int64) int64 {
	template := s.mono[s.last+int64(s.hop)-s.start:][:s.hop]
	region := s.mono[nominal-int64(s.search)-s.start:][:s.hop+2*s.search]
	s.template = averages(s.template[:0], template, s.coarse)
	s.low = averages(s.low[:0], region, s.coarse)
	best := s.search / s.coarse
	best = likest(s.template, s.low, 0, len(s.low)-len(s.template), best) * s.coarse
	s.template = averages(s.template[:0], template, 1)
	s.low = averages(s.low[:0], region, 1)
	best = likest(s.template, s.low, max(0, best-s.coarse), min(2*s.search, best+s.coarse), min(best, 2*s.search))
	place := float64(best) + s.fraction(best) + s.carry
	chosen := min(max(math.Round(place), 0), float64(2*s.search))
	s.carry = min(max(place-chosen, -1), 1)
	return nominal - int64(s.search) + int64(chosen)
}

// fraction returns how far the maximum of the similarity is from a frame, by a parabola.
func (s *stretcher) fraction(best int) float64 {
	if best == 0 || best == 2*s.search {
		return 0
	}
	before, at, after := similarity(s.template, s.low[best-1:]), similarity(s.template, s.low[best:]), similarity(s.template, s.low[best+1:])
	if bend := before - 2*at + after; bend < -1e-9*at {
		return min(max((before-after)/(2*bend), -0.5), 0.5)
	}
	return 0
}

// averages appends the means of groups of values.
func averages(dst []float64, values []float32, group int) []float64 {
	for i := 0; i+group <= len(values); i += group {
		var sum float64
		for _, v := range values[i : i+group] {
			sum += float64(v)
		}
		dst = append(dst, sum)
	}
	return dst
}

// likest returns the offset, from least to most, at which the signal correlates best with
// the template; start if the others are not better.
//
//go:norace
func likest(template, signal []float64, least, most, start int) int {
	best, most := start, min(most, len(signal)-len(template))
	highest := similarity(template, signal[start:])
	for offset := least; offset <= most; offset++ {
		if like := similarity(template, signal[offset:]); like > highest+1e-9 {
			best, highest = offset, like
		}
	}
	return best
}

// similarity returns the correlation relative to the magnitude of the signal.
//
//go:norace
func similarity(template, signal []float64) float64 {
	var product, energy float64
	for i, v := range template {
		product += v * signal[i]
		energy += signal[i] * signal[i]
	}
	if energy < 1e-12 {
		return 0
	}
	return product / math.Sqrt(energy)
}

// length returns the number of frames of the result.
func (s *stretcher) length() int64 {
	if s.consumed == 0 {
		return 0
	}
	return max(1, int64(math.Round(float64(s.consumed)/s.factor)))
}

func (s *stretcher) flush(emit Emit) error {
	limit := s.length()
	silence := make([]float32, blockFrames*s.channels)
	for s.emitted < limit {
		clear(silence)
		if err := s.feed(silence, limit, emit); err != nil {
			return err
		}
	}
	return nil
}
