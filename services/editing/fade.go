package editing

import "math"

// Curves of a fade.
const (
	curveLinear = "linear"
	curveSine   = "sine"   // a quarter of a sine: equal power
	curveCosine = "cosine" // half a cosine: no corners
)

// curves return the amplitude at a fraction of the fade.
var curves = map[string]func(x float64) float64{
	curveLinear: func(x float64) float64 { return x },
	curveSine:   func(x float64) float64 { return math.Sin(math.Pi / 2 * x) },
	curveCosine: func(x float64) float64 { return (1 - math.Cos(math.Pi*x)) / 2 },
}

// fade raises the level at the beginning and lowers it at the end.
type fade struct {
	named
	In    float64 `json:"in"`
	Out   float64 `json:"out"`
	Curve string  `json:"curve"`
}

func (f *fade) check() error {
	if curves[f.Curve] == nil {
		return invalid("curve", "must be %s, %s or %s, got %.40q", curveLinear, curveSine, curveCosine, f.Curve)
	}
	return first(within("in", f.In, 0, maxSeconds), within("out", f.Out, 0, maxSeconds))
}

// maxRing is the maximum number of samples of a fade at the end that are held in memory,
// 4 MiB.
const maxRing = 1 << 20

func (f *fade) build(in Format, env Env) (built, error) {
	curve, out := curves[f.Curve], framesOf(f.Out, in.SampleRateHz)
	s := &fader{channels: in.Channels, curve: curve, in: framesOf(f.In, in.SampleRateHz)}
	switch size := out * int64(in.Channels); {
	case out == 0:
		return built{stage: s, out: in}, nil
	case size <= maxRing:
		s.ring = &ring{channels: in.Channels, samples: make([]float32, size)}
		s.out = out
		return built{stage: s, out: in, bytes: 4 * size}, nil
	default:
		s.spool = newSpool(env, in.Channels)
		s.out = out
		return built{stage: s, out: in, bytes: spoolBytes(in.Channels)}, nil
	}
}

// ring delays sound by a number of samples.
type ring struct {
	channels int
	samples  []float32
	at       int  // the oldest sample, if full
	full     bool // otherwise there are at samples
}

// swap stores a block and returns in its place the samples that leave the ring.
func (r *ring) swap(block []float32) []float32 {
	if !r.full {
		n := copy(r.samples[r.at:], block)
		block = block[n:]
		if r.at += n; r.at < len(r.samples) {
			return nil
		}
		r.at, r.full = 0, true
	}
	for i := 0; i < len(block); {
		n := min(len(block)-i, len(r.samples)-r.at)
		stored := r.samples[r.at : r.at+n]
		for k, v := range block[i : i+n] {
			block[i+k], stored[k] = stored[k], v
		}
		i += n
		if r.at += n; r.at == len(r.samples) {
			r.at = 0
		}
	}
	return block
}

// parts returns the samples in the ring in their order.
func (r *ring) parts() [2][]float32 {
	if !r.full {
		return [2][]float32{r.samples[:r.at]}
	}
	return [2][]float32{r.samples[r.at:], r.samples[:r.at]}
}

// fader holds back the end of the sound, in memory or, if it is long, in a file.
type fader struct {
	basic
	channels    int
	curve       func(float64) float64
	in, out, at int64
	ring        *ring
	spool       *spool
}

func (f *fader) process(block []float32, emit Emit) error {
	n := int64(len(block) / f.channels)
	for i := int64(0); i < n && f.at+i < f.in; i++ {
		f.scale(block, i, float64(f.at+i)/float64(f.in))
	}
	f.at += n
	switch {
	case f.spool != nil:
		return f.spool.write(block)
	case f.ring != nil:
		return emit(f.ring.swap(block))
	}
	return emit(block)
}

// scale applies the curve to one frame.
func (f *fader) scale(block []float32, frame int64, x float64) {
	factor := float32(f.curve(x))
	for c := range int64(f.channels) {
		block[frame*int64(f.channels)+c] *= factor
	}
}

func (f *fader) flush(emit Emit) error {
	switch {
	case f.spool != nil:
		return f.spool.read(false, func(at int64, block []float32) error { return f.end(at, block, emit) })
	case f.ring != nil:
		at := max(0, f.at-f.out)
		for _, part := range f.ring.parts() {
			if err := f.end(at, part, emit); err != nil {
				return err
			}
			at += int64(len(part) / f.channels)
		}
	}
	return nil
}

// end applies the fade at the end to a block that begins at a frame.
func (f *fader) end(at int64, block []float32, emit Emit) error {
	n := int64(len(block) / f.channels)
	for i := max(0, f.at-f.out-at); i < n; i++ {
		f.scale(block, i, float64(f.at-1-at-i)/float64(f.out))
	}
	return emit(block)
}

func (f *fader) close() error {
	if f.spool == nil {
		return nil
	}
	return f.spool.close()
}
