package editing

import "math"

// concatenate appends recordings.
type concatenate struct {
	named
	Recordings []struct {
		part
		Pause float64 `json:"pause"`
	} `json:"recordings"`
}

func (c *concatenate) check() error {
	if err := checkList(len(c.Recordings)); err != nil {
		return err
	}
	for i := range c.Recordings {
		r := &c.Recordings[i]
		if err := first(r.part.check(), within("pause", r.Pause, 0, maxPadSeconds)); err != nil {
			return inList(i, err)
		}
	}
	return nil
}

func (c *concatenate) build(in Format, env Env) (built, error) {
	s, out := &appender{}, in
	for i, r := range c.Recordings {
		p, err := newPlayer(env, i, r.part, in)
		if err != nil {
			return built{}, err
		}
		pause := &padder{channels: in.Channels, after: framesOf(r.Pause, in.SampleRateHz)}
		s.pauses, s.players = append(s.pauses, pause), append(s.players, p)
		out.Frames += float64(pause.after) + p.frames
	}
	out.Shorter = out.Shorter || s.players.areShorter()
	return built{stage: s, out: out, bytes: s.players.memory(false) + int64(8*blockFrames*in.Channels)}, nil
}

// appender plays recordings after the sound, each after a pause.
type appender struct {
	basic
	players
	pauses []*padder
}

func (*appender) process(block []float32, emit Emit) error { return emit(block) }

func (a *appender) flush(emit Emit) error {
	for i, p := range a.players {
		if err := a.pauses[i].flush(emit); err != nil {
			return err
		}
		if err := p.play(emit); err != nil {
			return err
		}
	}
	return nil
}

func (a *appender) close() error { return a.players.close() }

// mix adds recordings to the sound.
type mix struct {
	named
	Recordings []struct {
		part
		At float64 `json:"at"`
	} `json:"recordings"`
}

func (m *mix) check() error {
	if err := checkList(len(m.Recordings)); err != nil {
		return err
	}
	for i := range m.Recordings {
		r := &m.Recordings[i]
		if err := first(r.part.check(), within("at", r.At, 0, maxSeconds)); err != nil {
			return inList(i, err)
		}
	}
	return nil
}

func (m *mix) build(in Format, env Env) (built, error) {
	s, out := &adder{channels: in.Channels}, in
	for i, r := range m.Recordings {
		p, err := newPlayer(env, i, r.part, in)
		if err != nil {
			return built{}, err
		}
		at := framesOf(r.At, in.SampleRateHz)
		s.begins, s.players = append(s.begins, at), append(s.players, p)
		out.Frames = max(out.Frames, float64(at)+p.frames)
	}
	out.Shorter = out.Shorter || s.players.areShorter()
	return built{stage: s, out: out, bytes: s.players.memory(true) + int64(8*blockFrames*in.Channels)}, nil
}

// adder adds each recording from its beginning on. The sound is as long as the longest.
type adder struct {
	basic
	players
	channels int
	begins   []int64
	at       int64
	block    []float32
}

func (a *adder) process(block []float32, emit Emit) error {
	if _, err := a.add(block); err != nil {
		return err
	}
	return emit(block)
}

// add adds the recordings to the next block. It returns the number of frames up to which
// a recording has sound, or all where one begins later.
func (a *adder) add(block []float32) (last int64, err error) {
	n := int64(len(block) / a.channels)
	if a.block == nil {
		a.block = make([]float32, blockFrames*a.channels)
	}
	for i, p := range a.players {
		if p.isDone() {
			continue
		}
		skip := max(0, a.begins[i]-a.at)
		if skip >= n {
			last = n
			continue
		}
		to := block[skip*int64(a.channels):]
		read, err := p.read(a.block[:len(to)])
		if err != nil {
			return 0, err
		}
		for k, v := range a.block[:read] {
			to[k] += v
		}
		last = max(last, skip+int64(read/a.channels))
	}
	a.at += n
	return last, nil
}

// flush continues with the recordings that are longer than the sound.
func (a *adder) flush(emit Emit) error {
	block := make([]float32, blockFrames*a.channels)
	for {
		clear(block)
		n, err := a.add(block)
		if err != nil || n == 0 {
			return err
		}
		if err := emit(block[:n*int64(a.channels)]); err != nil {
			return err
		}
	}
}

func (a *adder) close() error { return a.players.close() }

// crossfade joins recordings with an overlap.
type crossfade struct {
	named
	Recordings []part  `json:"recordings"`
	Duration   float64 `json:"duration"`
	Curve      string  `json:"curve"`
}

const maxCrossfadeSeconds = 20

func defaultCrossfade() *crossfade { return &crossfade{Duration: 1, Curve: curveSine} }

func (c *crossfade) check() error {
	if curves[c.Curve] == nil {
		return invalid("curve", "must be %s, %s or %s, got %.40q", curveLinear, curveSine, curveCosine, c.Curve)
	}
	if err := first(checkList(len(c.Recordings)), within("duration", c.Duration, 0.001, maxCrossfadeSeconds)); err != nil {
		return err
	}
	for i := range c.Recordings {
		if err := c.Recordings[i].check(); err != nil {
			return inList(i, err)
		}
	}
	return nil
}

func (c *crossfade) build(in Format, env Env) (built, error) {
	overlap := max(1, framesOf(c.Duration, in.SampleRateHz))
	size := overlap * int64(in.Channels)
	s := &crossfader{channels: in.Channels, curve: curves[c.Curve], size: int(size)}
	out := in
	for i, r := range c.Recordings {
		p, err := newPlayer(env, i, r, in)
		if err != nil {
			return built{}, err
		}
		s.players = append(s.players, p)
		out.Frames += p.frames - math.Min(float64(overlap), math.Min(out.Frames, p.frames))
	}
	out.Shorter = out.Shorter || s.players.areShorter()
	return built{stage: s, out: out, bytes: s.players.memory(false) + 3*4*size + int64(8*blockFrames*in.Channels)}, nil
}

// crossfader holds back the end of the sound, into which each recording is faded.
type crossfader struct {
	basic
	players
	channels int
	curve    func(float64) float64
	size     int // samples of the overlap
	held     *ring
}

func (c *crossfader) process(block []float32, emit Emit) error {
	if c.held == nil {
		c.held = &ring{channels: c.channels, samples: make([]float32, c.size)}
	}
	return emit(c.held.swap(block))
}

func (c *crossfader) flush(emit Emit) error {
	for _, p := range c.players {
		if err := c.join(p, emit); err != nil {
			return err
		}
	}
	if c.held == nil {
		return nil
	}
	for _, part := range c.held.parts() {
		if err := emit(part); err != nil {
			return err
		}
	}
	return nil
}

// join fades a recording in while the sound held back fades out.
func (c *crossfader) join(p *player, emit Emit) error {
	head := make([]float32, c.size)
	n, err := p.read(head)
	if err != nil {
		return err
	}
	head = head[:n]
	var tail []float32
	if c.held != nil {
		for _, part := range c.held.parts() {
			tail = append(tail, part...)
		}
	}
	c.held = nil
	overlap := min(len(head), len(tail))
	if err := emit(tail[:len(tail)-overlap]); err != nil {
		return err
	}
	tail = tail[len(tail)-overlap:]
	frames := overlap / c.channels
	for i := range frames {
		x := (float64(i) + 0.5) / float64(frames)
		in, out := float32(c.curve(x)), float32(c.curve(1-x))
		for k := i * c.channels; k < (i+1)*c.channels; k++ {
			head[k] = head[k]*in + tail[k]*out
		}
	}
	if err := c.process(head, emit); err != nil {
		return err
	}
	return p.play(func(block []float32) error { return c.process(block, emit) })
}

func (c *crossfader) close() error { return c.players.close() }
