package patterns

import (
	"math"
	"math/rand/v2"
)

// Kinds of background noise.
const (
	white = iota
	pink
	brown
	babble
	hum
	noiseKinds
)

// cohortRate is the sample rate of the cohort in Hz.
const cohortRate = 16000

// noise returns n samples of background noise with an effective value of 0.1.
func noise(r *rand.Rand, kind, n, rate int) []float32 {
	x := make([]float64, n)
	switch kind {
	case pink:
		pinkNoise(r, x)
	case brown:
		level := 0.0
		for i := range x {
			level = 0.995*level + r.NormFloat64()
			x[i] = level
		}
	case babble:
		for range 5 {
			for at := -int(r.Float64() * float64(rate)); at < n; {
				word := syllables(r, rate, 1+r.IntN(4))
				mix(x, word, at, 1)
				at += len(word) + int(r.Float64()*0.2*float64(rate))
			}
		}
	case hum:
		base := 50 + 10*float64(r.IntN(2))
		for k := 1; k < 8; k++ {
			gain, phase := r.Float64()/float64(k), 2*math.Pi*r.Float64()
			for i := range x {
				x[i] += gain * math.Sin(2*math.Pi*base*float64(k)*float64(i)/float64(rate)+phase)
			}
		}
	default:
		for i := range x {
			x[i] = r.NormFloat64()
		}
	}
	return level(x, 0.1)
}

// pinkNoise fills x with noise of about -3 dB per octave, the sum of three filtered ones.
func pinkNoise(r *rand.Rand, x []float64) {
	var a, b, c float64
	for i := range x {
		w := r.NormFloat64()
		a = 0.99765*a + 0.0990460*w
		b = 0.96300*b + 0.2965164*w
		c = 0.57000*c + 1.0526913*w
		x[i] = a + b + c + 0.1848*w
	}
}

// level returns the samples scaled to an effective value.
func level(x []float64, rms float64) []float32 {
	var squares float64
	for _, v := range x {
		squares += v * v
	}
	scale := 0.0
	if squares > 0 {
		scale = rms / math.Sqrt(squares/float64(len(x)))
	}
	out := make([]float32, len(x))
	for i, v := range x {
		out[i] = float32(v * scale)
	}
	return out
}

// mix adds y to x from a sample on, as far as it fits.
func mix(x, y []float64, at int, gain float64) {
	for i, v := range y {
		if at+i >= 0 && at+i < len(x) {
			x[at+i] += gain * v
		}
	}
}

// resonator is a filter of two poles.
type resonator struct{ gain, b, c, one, two float64 }

func newResonator(hz, width float64, rate int) *resonator {
	radius := math.Exp(-math.Pi * width / float64(rate))
	b := 2 * radius * math.Cos(2*math.Pi*hz/float64(rate))
	return &resonator{gain: 1 - b + radius*radius, b: b, c: -radius * radius}
}

func (f *resonator) next(x float64) float64 {
	y := f.gain*x + f.b*f.one + f.c*f.two
	f.one, f.two = y, f.one
	return y
}

// syllables returns speech-like sound: vowels of random formants, some after a hiss.
func syllables(r *rand.Rand, rate, count int) []float64 {
	var x []float64
	pitch := 80 + 180*r.Float64()
	for range count {
		if r.Float64() < 0.6 {
			x = append(x, hiss(r, rate)...)
		}
		n := int((0.07 + 0.15*r.Float64()) * float64(rate))
		formants := []*resonator{
			newResonator(250+600*r.Float64(), 80, rate), newResonator(800+1500*r.Float64(), 110, rate),
			newResonator(2200+900*r.Float64(), 160, rate),
		}
		glide, phase := 0.85+0.3*r.Float64(), 0.0
		for i := range n {
			u := float64(i) / float64(n)
			phase += pitch * (1 + (glide-1)*u) / float64(rate)
			pulse := -0.02
			if phase >= 1 {
				phase--
				pulse = 1
			}
			y := pulse
			for _, f := range formants {
				y = f.next(y) + 0.15*y
			}
			x = append(x, y*math.Sin(math.Pi*math.Min(1, 0.05+u))*40)
		}
	}
	return x
}

// hiss returns a short noise in a band, as of a consonant.
func hiss(r *rand.Rand, rate int) []float64 {
	x := make([]float64, int((0.02+0.09*r.Float64())*float64(rate)))
	f := newResonator(math.Min(0.4*float64(rate), 1500+5000*r.Float64()), 900, rate)
	for i := range x {
		x[i] = 1.5 * f.next(r.NormFloat64()) * math.Sin(math.Pi*float64(i)/float64(len(x)))
	}
	return x
}

// event returns one of the sounds of the cohort.
func event(r *rand.Rand, rate int) []float64 {
	n := int((0.15 + 1.1*r.Float64()) * float64(rate))
	x := make([]float64, n)
	hz, to := 80*math.Pow(50, r.Float64()), 80*math.Pow(50, r.Float64())
	decay := 2 + 12*r.Float64()
	switch r.IntN(8) {
	case 0: // a tone with harmonics
		for k := 1; k < 6; k++ {
			addSine(x, hz*float64(k), hz*float64(k), r.Float64()/float64(k), rate)
		}
	case 1: // a chirp
		addSine(x, hz, to, 1, rate)
	case 2: // a bell: partials that are no harmonics
		for range 6 {
			addSine(x, hz*(1+6*r.Float64()), 0, r.Float64(), rate)
		}
		fade(x, decay, rate)
	case 3: // a pluck
		pluck(r, x, int(float64(rate)/hz)+2)
	case 4: // clicks
		for at := 0; at < n; at += int(float64(rate)/(3+30*r.Float64())) + 1 {
			x[at] = 1
		}
		filter(x, newResonator(hz+200, 200, rate))
	case 5: // noise in a band, rising and falling
		for i := range x {
			x[i] = r.NormFloat64() * (1 + math.Sin(2*math.Pi*(1+8*decay/14)*float64(i)/float64(rate)))
		}
		filter(x, newResonator(hz+100, 0.3*hz+50, rate))
	case 6: // a thump
		addSine(x, 150, 40, 1, rate)
		fade(x, decay+6, rate)
	default:
		return syllables(r, rate, 1+r.IntN(5))
	}
	return x
}

// addSine adds a sine that glides from one frequency to another; a second of 0 Hz means
// no glide.
func addSine(x []float64, from, to, gain float64, rate int) {
	if to == 0 {
		to = from
	}
	phase := 0.0
	for i := range x {
		hz := from + (to-from)*float64(i)/float64(len(x))
		if hz < 0.45*float64(rate) {
			x[i] += gain * math.Sin(2*math.Pi*phase)
		}
		phase += hz / float64(rate)
	}
}

func fade(x []float64, decay float64, rate int) {
	for i := range x {
		x[i] *= math.Exp(-decay * float64(i) / float64(rate))
	}
}

func filter(x []float64, f *resonator) {
	for i := range x {
		x[i] = f.next(x[i])
	}
}

// pluck fills x with the sound of a string of the given period.
func pluck(r *rand.Rand, x []float64, period int) {
	line := make([]float64, period)
	for i := range line {
		line[i] = r.Float64()*2 - 1
	}
	for i := range x {
		at, next := i%period, (i+1)%period
		x[i] = line[at]
		line[at] = 0.498 * (line[at] + line[next])
	}
}

// otherSound is cohort, which tests make once.
var otherSound = cohort

// cohort returns the sound of nothing in particular: noises and many different events.
// It is the same every time. Windows of it show how high a pattern scores by chance.
func cohort() sound {
	r := rand.New(rand.NewPCG(27, 411))
	var all []float32
	for _, rms := range []float64{0.01, 0.1} {
		for kind := range noiseKinds {
			for _, v := range noise(r, kind, 3*cohortRate, cohortRate) {
				all = append(all, v*float32(rms/0.1))
			}
		}
	}
	for range 160 {
		x := append(make([]float64, int(0.1*r.Float64()*cohortRate)), event(r, cohortRate)...)
		floor := noise(r, r.IntN(noiseKinds), len(x), cohortRate)
		loud, quiet := 0.03+0.12*r.Float64(), float32(math.Pow(10, -(0.5+1.5*r.Float64())))
		for i, v := range level(x, loud) {
			all = append(all, v+quiet*floor[i]*float32(loud/0.1))
		}
	}
	for i, v := range all {
		all[i] = max(-1, min(1, v))
	}
	return sound{samples: all, rate: cohortRate}
}
