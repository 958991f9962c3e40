package editing

import (
	"errors"
	"math"
)

// pitchShift changes the pitch and not the tempo.
type pitchShift struct {
	named
	Semitones *float64 `json:"semitones"`
}

func (p *pitchShift) check() error { return required("semitones", p.Semitones, -12, 12) }

func (p *pitchShift) build(in Format, _ Env) (built, error) {
	factor := math.Pow(2, *p.Semitones/12)
	from, to := speedRates(factor)
	stretched := in
	stretched.Frames *= factor
	second, err := newConverter("semitones", stretched, in, from, to)
	if err != nil {
		return built{}, err
	}
	// The exact factor of the resampler, so that the length stays.
	one := newStretcher(in, float64(to)/float64(from))
	s := &shifter{channels: in.Channels, stretch: one, speed: second.stage}
	return built{stage: s, out: in, bytes: one.bytes() + second.bytes}, nil
}

// shifter stretches the sound and then plays it at another speed.
type shifter struct {
	basic
	channels          int
	stretch, speed    stage
	consumed, emitted int64
}

// through returns an Emit that passes blocks through the second stage.
func (s *shifter) through(emit Emit) Emit {
	return func(block []float32) error {
		for len(block) > 0 {
			n := min(len(block), blockFrames*s.channels)
			if err := s.speed.process(block[:n], emit); err != nil {
				return err
			}
			block = block[n:]
		}
		return nil
	}
}

// counted returns an Emit that counts frames and drops those beyond a limit.
func (s *shifter) counted(emit Emit, limit int64) Emit {
	return func(block []float32) error {
		n := min(int64(len(block)/s.channels), limit-s.emitted)
		s.emitted += n
		return emit(block[:n*int64(s.channels)])
	}
}

func (s *shifter) process(block []float32, emit Emit) error {
	s.consumed += int64(len(block) / s.channels)
	return s.stretch.process(block, s.through(s.counted(emit, math.MaxInt64)))
}

func (s *shifter) flush(emit Emit) error {
	limited := s.counted(emit, s.consumed)
	if err := s.stretch.flush(s.through(limited)); err != nil {
		return err
	}
	if err := s.speed.flush(limited); err != nil {
		return err
	}
	for s.emitted < s.consumed {
		if err := limited(make([]float32, min(s.consumed-s.emitted, blockFrames)*int64(s.channels))); err != nil {
			return err
		}
	}
	return nil
}

func (s *shifter) close() error { return errors.Join(s.stretch.close(), s.speed.close()) }
