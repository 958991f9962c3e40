package editing

import "math"

// peak returns the largest magnitude of a frame.
func peak(frame []float32) float64 {
	var largest float32
	for _, v := range frame {
		largest = max(largest, v, -v)
	}
	return float64(largest)
}

// gate lowers what is below a threshold.
type gate struct {
	named
	ThresholdDBFS float64 `json:"threshold_dbfs"`
	RangeDB       float64 `json:"range_db"`
	Attack        float64 `json:"attack"`
	Hold          float64 `json:"hold"`
	Release       float64 `json:"release"`
}

func defaultGate() *gate {
	return &gate{ThresholdDBFS: -50, RangeDB: 80, Attack: 0.005, Hold: 0.05, Release: 0.1}
}

func (g *gate) check() error {
	return first(within("threshold_dbfs", g.ThresholdDBFS, -120, 0), within("range_db", g.RangeDB, 0, 120),
		within("attack", g.Attack, 0, 1), within("hold", g.Hold, 0, 5), within("release", g.Release, 0, 5))
}

func (g *gate) build(in Format, _ Env) (built, error) {
	rate := float64(in.SampleRateHz)
	floor := amplitude(-g.RangeDB)
	return built{out: in, stage: &gater{
		channels: in.Channels, threshold: amplitude(g.ThresholdDBFS), floor: floor, factor: floor,
		attack: (1 - floor) / max(1, g.Attack*rate), release: (1 - floor) / max(1, g.Release*rate),
		hold: 1 + framesOf(g.Hold, in.SampleRateHz),
	}}, nil
}

// gater opens with the first sample at the threshold and closes after the last.
type gater struct {
	basic
	channels                          int
	threshold, floor, attack, release float64
	factor                            float64
	hold, left                        int64 // frames that it stays open
}

func (g *gater) process(block []float32, emit Emit) error {
	for i := 0; i < len(block); i += g.channels {
		frame := block[i : i+g.channels]
		if peak(frame) >= g.threshold {
			g.left = g.hold
		}
		if g.left > 0 {
			g.left--
			g.factor = min(1, g.factor+g.attack)
		} else {
			g.factor = max(g.floor, g.factor-g.release)
		}
		for c := range frame {
			frame[c] *= float32(g.factor)
		}
	}
	return emit(block)
}

// limiter lowers the level before a peak so that no sample exceeds a ceiling.
type limiter struct {
	named
	CeilingDBFS float64 `json:"ceiling_dbfs"`
	LookAhead   float64 `json:"look_ahead"`
	Release     float64 `json:"release"`
}

func defaultLimiter() *limiter { return &limiter{CeilingDBFS: -1, LookAhead: 0.005, Release: 0.05} }

func (l *limiter) check() error {
	return first(within("ceiling_dbfs", l.CeilingDBFS, -60, 0), within("look_ahead", l.LookAhead, 0.0005, 0.05),
		within("release", l.Release, 0.001, 5))
}

func (l *limiter) build(in Format, _ Env) (built, error) {
	ahead := max(1, framesOf(l.LookAhead, in.SampleRateHz))
	s := &limiting{
		channels: in.Channels, ceiling: amplitude(l.CeilingDBFS), ahead: ahead, gain: 1,
		recover: 1 - math.Exp(-1/(l.Release*float64(in.SampleRateHz))),
	}
	return built{out: in, stage: s, bytes: ahead*int64(8*in.Channels+40) + int64(8*blockFrames*in.Channels)}, nil
}

// limiting delays the sound by the look-ahead. The gain of a frame is the mean, over the
// frames of the look-ahead, of gains none of which is above what that frame needs.
type limiting struct {
	basic
	channels         int
	ceiling, recover float64
	ahead            int64
	at               int64     // frames consumed
	needed           []needed  // minima of the last ahead+1 frames, rising
	gain             float64   // the smallest needed, with release
	gains            []float64 // the last ahead+1 of it, as a ring
	sum              float64
	delayed          []float32
	out              []float32
}

// needed is the gain that the frame at an index needs.
type needed struct {
	at   int64
	gain float64
}

func (l *limiting) process(block []float32, emit Emit) error {
	if l.gains == nil {
		l.gains = make([]float64, l.ahead+1)
		for i := range l.gains {
			l.gains[i] = 1
		}
		l.sum = float64(len(l.gains))
	}
	l.delayed = append(l.delayed, block...)
	l.out = l.out[:0]
	from := 0 // in delayed
	for i := 0; i < len(block); i += l.channels {
		factor := l.next(peak(block[i : i+l.channels]))
		if l.at <= l.ahead {
			continue
		}
		for _, v := range l.delayed[from : from+l.channels] {
			l.out = append(l.out, float32(float64(v)*factor))
		}
		from += l.channels
	}
	l.delayed = l.delayed[:copy(l.delayed, l.delayed[from:])]
	return emit(l.out)
}

// next consumes the magnitude of a frame and returns the gain of the frame that is the
// look-ahead before it.
func (l *limiting) next(magnitude float64) float64 {
	gain := 1.0
	if magnitude > l.ceiling {
		gain = l.ceiling / magnitude
	}
	for len(l.needed) > 0 && l.needed[len(l.needed)-1].gain >= gain {
		l.needed = l.needed[:len(l.needed)-1]
	}
	l.needed = append(l.needed, needed{l.at, gain})
	if l.needed[0].at < l.at-l.ahead {
		l.needed = l.needed[:copy(l.needed, l.needed[1:])]
	}
	l.gain = min(l.needed[0].gain, l.gain+(1-l.gain)*l.recover)
	slot := l.at % int64(len(l.gains))
	l.sum += l.gain - l.gains[slot]
	l.gains[slot] = l.gain
	if slot == 0 { // rounding errors do not accumulate
		l.sum = 0
		for _, g := range l.gains {
			l.sum += g
		}
	}
	l.at++
	return l.sum / float64(len(l.gains))
}

func (l *limiting) flush(emit Emit) error {
	if l.at == 0 {
		return nil
	}
	for left := l.ahead; left > 0; {
		n := min(left, blockFrames)
		left -= n
		if err := l.process(make([]float32, n*int64(l.channels)), emit); err != nil {
			return err
		}
	}
	return nil
}
