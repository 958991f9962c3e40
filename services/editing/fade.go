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

func (f *fade) build(in Format, env Env) (built, error) {
	s := &fader{channels: in.Channels, curve: curves[f.Curve], in: framesOf(f.In, in.SampleRateHz), out: framesOf(f.Out, in.SampleRateHz)}
	b := built{stage: s, out: in}
	if s.out > 0 {
		s.spool = newSpool(env, in.Channels)
		b.bytes = spoolBytes(in.Channels)
	}
	return b, nil
}

// fader writes the sound to a file if it fades out, because the end is not known before.
type fader struct {
	basic
	channels    int
	curve       func(float64) float64
	in, out, at int64
	spool       *spool
}

func (f *fader) process(block []float32, emit Emit) error {
	n := int64(len(block) / f.channels)
	for i := int64(0); i < n && f.at+i < f.in; i++ {
		f.scale(block, i, float64(f.at+i)/float64(f.in))
	}
	f.at += n
	if f.spool != nil {
		return f.spool.write(block)
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
	if f.spool == nil {
		return nil
	}
	return f.spool.read(false, func(at int64, block []float32) error {
		n := int64(len(block) / f.channels)
		for i := max(0, f.at-f.out-at); i < n; i++ {
			f.scale(block, i, float64(f.at-1-at-i)/float64(f.out))
		}
		return emit(block)
	})
}

func (f *fader) close() error {
	if f.spool == nil {
		return nil
	}
	return f.spool.close()
}
