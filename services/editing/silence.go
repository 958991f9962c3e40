package editing

import "math"

// silenceSteps is the number of parts of a second whose level is compared with the
// threshold.
const silenceSteps = 100

// removeSilence shortens silence.
type removeSilence struct {
	named
	ThresholdDBFS float64 `json:"threshold_dbfs"`
	Minimum       float64 `json:"minimum"`
	Keep          float64 `json:"keep"`
}

func defaultRemoveSilence() *removeSilence {
	return &removeSilence{ThresholdDBFS: -60, Minimum: 0.5, Keep: 0.1}
}

func (r *removeSilence) check() error {
	err := first(within("threshold_dbfs", r.ThresholdDBFS, -120, 0), within("minimum", r.Minimum, 0.01, 5), within("keep", r.Keep, 0, 5))
	if err == nil && r.Keep > r.Minimum {
		return invalid("keep", "must be at most minimum, %g s, got %g", r.Minimum, r.Keep)
	}
	return err
}

func (r *removeSilence) build(in Format, _ Env) (built, error) {
	s, bytes := r.shortener(in)
	out := in
	out.Shorter = true
	return built{stage: s, out: out, bytes: bytes}, nil
}

// shortener returns the stage and its memory.
func (r *removeSilence) shortener(in Format) (s *shortener, bytes int64) {
	keep := framesOf(r.Keep, in.SampleRateHz)
	s = &shortener{
		rate: int64(in.SampleRateHz), channels: in.Channels, threshold: math.Pow(10, r.ThresholdDBFS/10),
		minimum: framesOf(r.Minimum, in.SampleRateHz), head: keep / 2, tail: keep - keep/2, sums: make([]float64, in.Channels),
	}
	s.next = s.boundary(1)
	// The silence under way, twice for the growth of the buffer.
	held := int64(math.Ceil((r.Minimum + r.Keep + 0.02) * float64(in.SampleRateHz)))
	return s, 2 * 4 * held * int64(in.Channels)
}

// shortener holds back silence until it is clear whether it is long enough.
type shortener struct {
	basic
	rate      int64
	channels  int
	threshold float64 // mean square
	minimum   int64   // frames, as head and tail
	head      int64   // of a long silence that stays
	tail      int64

	step       []float32 // the part of a second under way
	steps      int64
	at, next   int64 // frames consumed, and the end of the step
	sums       []float64
	held       []float32
	shortening bool // the silence held is the end of one whose head has been emitted
	passed     int64
	// long is called once a silence is long enough, after its head has been emitted; it may
	// be nil.
	long func() error
}

// boundary returns the frame at which a number of steps end.
func (s *shortener) boundary(steps int64) int64 {
	return (steps*s.rate + silenceSteps/2) / silenceSteps
}

func (s *shortener) process(block []float32, emit Emit) error {
	for len(block) > 0 {
		n := min(int64(len(block)/s.channels), s.next-s.at)
		part := block[:n*int64(s.channels)]
		for i, v := range part {
			s.sums[i%s.channels] += float64(v) * float64(v)
		}
		s.step = append(s.step, part...)
		block = block[len(part):]
		if s.at += n; s.at == s.next {
			if err := s.endStep(emit); err != nil {
				return err
			}
		}
	}
	return nil
}

func (s *shortener) endStep(emit Emit) error {
	frames := float64(len(s.step) / s.channels)
	silent := true
	for c, sum := range s.sums {
		silent = silent && sum < s.threshold*frames
		s.sums[c] = 0
	}
	s.steps++
	s.next = s.boundary(s.steps + 1)
	step := s.step
	s.step = s.step[:0]
	if !silent {
		if err := s.release(emit); err != nil {
			return err
		}
		return s.pass(step, emit)
	}
	s.held = append(s.held, step...)
	if !s.shortening && int64(len(s.held)/s.channels) >= s.minimum {
		s.shortening = true
		head := s.head * int64(s.channels)
		if err := s.pass(s.held[:head], emit); err != nil {
			return err
		}
		s.held = s.held[:copy(s.held, s.held[head:])]
		if s.long != nil {
			if err := s.long(); err != nil {
				return err
			}
		}
	}
	if s.shortening {
		s.drop(int64(len(s.held)/s.channels) - s.tail)
	}
	return nil
}

// pass emits frames and counts them.
func (s *shortener) pass(block []float32, emit Emit) error {
	s.passed += int64(len(block) / s.channels)
	return emit(block)
}

// drop removes frames from the beginning of what is held.
func (s *shortener) drop(frames int64) {
	if frames > 0 {
		s.passed += frames
		s.held = s.held[:copy(s.held, s.held[frames*int64(s.channels):])]
	}
}

// release emits the silence that stays.
func (s *shortener) release(emit Emit) error {
	s.shortening = false
	err := s.pass(s.held, emit)
	s.held = s.held[:0]
	return err
}

func (s *shortener) flush(emit Emit) error {
	if len(s.step) > 0 {
		if err := s.endStep(emit); err != nil {
			return err
		}
	}
	return s.release(emit)
}
