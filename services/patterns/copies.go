package patterns

import (
	"hash/fnv"
	"math"
	"math/rand/v2"
)

// copiesOfExample is the number of degraded copies of each example. Without them a
// threshold is derived from clean sound alone, and rejects the sound in a room or noise.
const copiesOfExample = 3

// degraded returns copies of an example as they would sound in a room, through other
// equipment and in noise. The same example has the same copies.
func degraded(example sound) []sound {
	h := fnv.New64a()
	var raw [4]byte
	for i := 0; i < len(example.samples); i += 1 + len(example.samples)/4096 {
		bits := math.Float32bits(example.samples[i])
		raw = [4]byte{byte(bits), byte(bits >> 8), byte(bits >> 16), byte(bits >> 24)}
		_, _ = h.Write(raw[:]) // never fails
	}
	r := rand.New(rand.NewPCG(h.Sum64(), uint64(len(example.samples))))
	list := make([]sound, 0, copiesOfExample)
	for range copiesOfExample {
		x := equalised(r, reverberated(r, example.samples, example.rate, 0.2+0.5*r.Float64()), example.rate)
		kind := []int{pink, babble, brown}[r.IntN(3)]
		floor := noise(r, kind, len(x), example.rate)
		gain := float32(rootMeanSquare(example.samples) / 0.1 * math.Pow(10, -(4+14*r.Float64())/20))
		for i := range x {
			x[i] = max(-1, min(1, x[i]+gain*floor[i]))
		}
		list = append(list, sound{samples: x, rate: example.rate})
	}
	return list
}

func rootMeanSquare(x []float32) float64 {
	var sum float64
	for _, v := range x {
		sum += float64(v) * float64(v)
	}
	return math.Sqrt(sum / float64(max(1, len(x))))
}

// reverberated returns x in a room whose sound decays by 60 dB in the given seconds, with
// 50 ms of what follows. The room's response is a sparse random sequence.
//
//go:norace
func reverberated(r *rand.Rand, x []float32, rate int, seconds float64) []float32 {
	out := make([]float32, len(x)+rate/20)
	copy(out, x)
	taps := int(1200 * seconds)
	direct := 0.25 + 0.35*r.Float64()
	for range taps {
		at := r.Float64() * seconds
		gain := float32(direct * math.Pow(10, -3*at/seconds) / math.Sqrt(0.08*float64(taps)))
		if r.IntN(2) == 0 {
			gain = -gain
		}
		from := 1 + int((0.002+at)*float64(rate))
		for i := from; i < len(out) && i-from < len(x); i++ {
			out[i] += gain * x[i-from]
		}
	}
	return out
}

// equalised returns x with three bands raised or lowered by up to 6 dB.
func equalised(r *rand.Rand, x []float32, rate int) []float32 {
	for range 3 {
		hz := 100 * math.Pow(0.4*float64(rate)/100, r.Float64())
		peak(x, hz, 12*r.Float64()-6, rate)
	}
	return x
}

// peak raises or lowers a band around a frequency by a number of decibels.
//
//go:norace
func peak(x []float32, hz, decibels float64, rate int) {
	a := math.Pow(10, decibels/40)
	w := 2 * math.Pi * hz / float64(rate)
	alpha := math.Sin(w) / 1.4
	norm := 1 + alpha/a
	b0, b1, b2 := (1+alpha*a)/norm, -2*math.Cos(w)/norm, (1-alpha*a)/norm
	a1, a2 := b1, (1-alpha/a)/norm
	var x1, x2, y1, y2 float64
	for i, v := range x {
		y := b0*float64(v) + b1*x1 + b2*x2 - a1*y1 - a2*y2
		x1, x2, y1, y2 = float64(v), x1, y, y1
		x[i] = float32(y)
	}
}
