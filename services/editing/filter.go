package editing

import "math"

const (
	defaultOrder = 2
	maxOrder     = 8
)

// section is a filter of second order; a0 is 1.
type section struct{ b0, b1, b2, a1, a2 float64 }

// butterworth returns the sections of a low-pass or high-pass filter, by the bilinear
// transform with the frequency of -3 dB in its place.
func butterworth(order int, hz, rateHz float64, high bool) []section {
	k := math.Tan(math.Pi * hz / rateHz)
	var list []section
	if order%2 == 1 {
		s := section{b0: k / (1 + k), b1: k / (1 + k), a1: (k - 1) / (k + 1)}
		if high {
			s.b0, s.b1 = 1/(1+k), -1/(1+k)
		}
		list = append(list, s)
	}
	for i := range order / 2 {
		angle := math.Pi * float64(2*i+1+order%2) / float64(2*order) // of the poles from the real axis
		damping := 2 * math.Cos(angle) * k
		a0 := 1 + damping + k*k
		s := section{b0: k * k / a0, b1: 2 * k * k / a0, b2: k * k / a0, a1: 2 * (k*k - 1) / a0, a2: (1 - damping + k*k) / a0}
		if high {
			s.b0, s.b1, s.b2 = 1/a0, -2/a0, 1/a0
		}
		list = append(list, s)
	}
	return list
}

// shelving returns the shelf of Bristow-Johnson's "Cookbook formulae for audio EQ biquad
// filter coefficients".
func shelving(hz, gainDB, q, rateHz float64, high bool) section {
	a := math.Pow(10, gainDB/40)
	w := 2 * math.Pi * hz / rateHz
	cos, alpha := math.Cos(w), math.Sin(w)/(2*q)
	sign := 1.0
	if high {
		sign = -1
	}
	root := 2 * math.Sqrt(a) * alpha
	a0 := (a + 1) + sign*(a-1)*cos + root
	return section{
		b0: a * ((a + 1) - sign*(a-1)*cos + root) / a0,
		b1: sign * 2 * a * ((a - 1) - sign*(a+1)*cos) / a0,
		b2: a * ((a + 1) - sign*(a-1)*cos - root) / a0,
		a1: -sign * 2 * ((a - 1) + sign*(a+1)*cos) / a0,
		a2: ((a + 1) + sign*(a-1)*cos - root) / a0,
	}
}

// pass is a Butterworth low-pass or high-pass filter.
type pass struct {
	named
	Frequency *float64 `json:"frequency"`
	Order     int      `json:"order"`
	high      bool
}

func (p *pass) check() error {
	return first(required("frequency", p.Frequency, 1, maxHz), within("order", float64(p.Order), 1, maxOrder))
}

// maxHz is the largest frequency of a filter, half the largest sample rate.
const maxHz = 96000

// below returns an error if a frequency is not below half the sample rate.
func below(field string, hz float64, in Format) error {
	if hz < float64(in.SampleRateHz)/2 {
		return nil
	}
	return invalid(field, "must be below half the sample rate, %g Hz, got %g", float64(in.SampleRateHz)/2, hz)
}

func (p *pass) build(in Format, _ Env) (built, error) {
	if err := below("frequency", *p.Frequency, in); err != nil {
		return built{}, err
	}
	return newFilter(in, butterworth(p.Order, *p.Frequency, float64(in.SampleRateHz), p.high)), nil
}

// bandPass is a high-pass and a low-pass filter.
type bandPass struct {
	named
	Low   *float64 `json:"low"`
	High  *float64 `json:"high"`
	Order int      `json:"order"`
}

func (p *bandPass) check() error {
	err := first(required("low", p.Low, 1, maxHz), required("high", p.High, 1, maxHz), within("order", float64(p.Order), 1, maxOrder))
	if err == nil && *p.High <= *p.Low {
		return invalid("high", "must be above low, %g Hz, got %g", *p.Low, *p.High)
	}
	return err
}

func (p *bandPass) build(in Format, _ Env) (built, error) {
	if err := first(below("low", *p.Low, in), below("high", *p.High, in)); err != nil {
		return built{}, err
	}
	rate := float64(in.SampleRateHz)
	return newFilter(in, append(butterworth(p.Order, *p.Low, rate, true), butterworth(p.Order, *p.High, rate, false)...)), nil
}

// shelf raises or lowers what is below or above a frequency.
type shelf struct {
	named
	Frequency *float64 `json:"frequency"`
	GainDB    *float64 `json:"gain_db"`
	Q         float64  `json:"q"`
	high      bool
}

func (s *shelf) check() error {
	return first(required("frequency", s.Frequency, 1, maxHz), required("gain_db", s.GainDB, -40, 40), within("q", s.Q, 0.1, 10))
}

func (s *shelf) build(in Format, _ Env) (built, error) {
	if err := below("frequency", *s.Frequency, in); err != nil {
		return built{}, err
	}
	return newFilter(in, []section{shelving(*s.Frequency, *s.GainDB, s.Q, float64(in.SampleRateHz), s.high)}), nil
}

// filter applies sections to every channel.
type filter struct {
	basic
	channels int
	sections []section
	// state has two values for each channel of each section.
	state []float64
}

func newFilter(in Format, sections []section) built {
	f := &filter{channels: in.Channels, sections: sections, state: make([]float64, 2*len(sections)*in.Channels)}
	return built{stage: f, out: in}
}

func (f *filter) process(block []float32, emit Emit) error {
	for i, s := range f.sections {
		for c := range f.channels {
			state := f.state[2*(i*f.channels+c):][:2]
			s.run(block, c, f.channels, state)
		}
	}
	return emit(block)
}

// run filters one channel in transposed direct form II.
func (s section) run(block []float32, c, channels int, state []float64) {
	s1, s2 := state[0], state[1]
	for i := c; i < len(block); i += channels {
		x := float64(block[i])
		y := s.b0*x + s1
		s1 = s.b1*x - s.a1*y + s2
		s2 = s.b2*x - s.a2*y
		block[i] = float32(y)
	}
	state[0], state[1] = tiny(s1), tiny(s2)
}

// tiny returns zero for a value so small that calculating with it is slow.
func tiny(v float64) float64 {
	if math.Abs(v) < 1e-30 {
		return 0
	}
	return v
}
