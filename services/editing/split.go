package editing

// Splits reports whether the last operation divides the sound, at the calls of Env.Cut.
func Splits(operations []Operation) bool {
	if len(operations) == 0 {
		return false
	}
	_, ok := operations[len(operations)-1].(*split)
	return ok
}

// split divides the sound at its silences.
type split struct{ removeSilence }

func defaultSplit() *split { return &split{*defaultRemoveSilence()} }

func (s *split) build(in Format, env Env) (built, error) {
	short, bytes := s.shortener(in)
	stage := &splitter{shortener: short, cut: env.Cut, from: -1}
	short.long = stage.end
	out := in
	out.Shorter = true
	return built{stage: stage, out: out, bytes: bytes}, nil
}

// splitter ends a part with the head of each long silence and begins the next one with
// its tail. Silence at both ends of the sound is left out in the same way.
type splitter struct {
	*shortener
	cut  func(from, to int64) error
	from int64 // of the part under way; -1 if there is none
}

// part returns an Emit that begins a part where there is none. The head of the silence at
// the beginning of the sound belongs to none.
func (s *splitter) part(emit Emit) Emit {
	return func(block []float32) error {
		if s.from < 0 {
			if s.shortening || len(block) == 0 {
				return nil
			}
			s.from = s.passed - int64(len(block)/s.channels)
		}
		return emit(block)
	}
}

// end ends the part under way.
func (s *splitter) end() error {
	if s.from < 0 {
		return nil
	}
	from := s.from
	s.from = -1
	if s.cut == nil {
		return nil
	}
	return s.cut(from, s.passed)
}

func (s *splitter) process(block []float32, emit Emit) error {
	return s.shortener.process(block, s.part(emit))
}

func (s *splitter) flush(emit Emit) error {
	if len(s.step) > 0 {
		if err := s.endStep(s.part(emit)); err != nil {
			return err
		}
	}
	if !s.shortening {
		if err := s.release(s.part(emit)); err != nil {
			return err
		}
	}
	return s.end()
}
