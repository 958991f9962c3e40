package editing

import "math"

// maxSeconds is the largest time in the parameters of an operation, one day.
const maxSeconds = 86400

// trim returns the part between two times.
type trim struct {
	named
	Start float64  `json:"start"`
	End   *float64 `json:"end"`
}

func (t *trim) check() error {
	if err := within("start", t.Start, 0, maxSeconds); err != nil || t.End == nil {
		return err
	}
	if *t.End <= t.Start {
		return invalid("end", "must be above start, %g, got %g", t.Start, *t.End)
	}
	return within("end", *t.End, 0, maxSeconds)
}

func (t *trim) build(in Format, _ Env) (built, error) {
	s := &trimmer{channels: in.Channels, start: framesOf(t.Start, in.SampleRateHz), end: math.MaxInt64}
	if float64(s.start) >= in.Frames {
		return built{}, invalid("start", "must be before the end of the sound at %.6g s, got %g", in.Seconds(), t.Start)
	}
	if t.End != nil {
		s.end = max(framesOf(*t.End, in.SampleRateHz), s.start+1)
	}
	out := in
	out.Frames = min(in.Frames, float64(s.end)) - float64(s.start)
	return built{stage: s, out: out}, nil
}

type trimmer struct {
	basic
	channels       int
	start, end, at int64
}

func (t *trimmer) process(block []float32, emit Emit) error {
	n := int64(len(block) / t.channels)
	from := min(max(t.start-t.at, 0), n)
	to := min(max(t.end-t.at, from), n)
	t.at += n
	if from == to {
		return nil
	}
	return emit(block[from*int64(t.channels) : to*int64(t.channels)])
}

func (t *trimmer) full() bool { return t.at >= t.end }

// pad adds silence.
type pad struct {
	named
	Before float64 `json:"before"`
	After  float64 `json:"after"`
}

func (p *pad) check() error {
	return first(within("before", p.Before, 0, maxPadSeconds), within("after", p.After, 0, maxPadSeconds))
}

const maxPadSeconds = 3600

func (p *pad) build(in Format, _ Env) (built, error) {
	s := &padder{channels: in.Channels, before: framesOf(p.Before, in.SampleRateHz), after: framesOf(p.After, in.SampleRateHz)}
	out := in
	out.Frames += float64(s.before + s.after)
	return built{stage: s, out: out, bytes: int64(4 * blockFrames * in.Channels)}, nil
}

type padder struct {
	basic
	channels      int
	before, after int64
	silence       []float32
}

func (p *padder) process(block []float32, emit Emit) error {
	if err := p.emit(&p.before, emit); err != nil {
		return err
	}
	return emit(block)
}

func (p *padder) flush(emit Emit) error {
	if err := p.emit(&p.before, emit); err != nil {
		return err
	}
	return p.emit(&p.after, emit)
}

// emit emits a number of silent frames and sets it to zero.
func (p *padder) emit(frames *int64, emit Emit) error {
	for *frames > 0 {
		n := min(*frames, blockFrames)
		*frames -= n
		if p.silence == nil {
			p.silence = make([]float32, blockFrames*p.channels)
		}
		clear(p.silence)
		if err := emit(p.silence[:n*int64(p.channels)]); err != nil {
			return err
		}
	}
	return nil
}

// gain changes the level.
type gain struct {
	named
	GainDB *float64 `json:"gain_db"`
}

func (g *gain) check() error { return required("gain_db", g.GainDB, -100, 60) }

func (g *gain) build(in Format, _ Env) (built, error) {
	return built{stage: &amplifier{factor: float32(amplitude(*g.GainDB))}, out: in}, nil
}

type amplifier struct {
	basic
	factor float32
}

func (a *amplifier) process(block []float32, emit Emit) error {
	for i := range block {
		block[i] *= a.factor
	}
	return emit(block)
}
