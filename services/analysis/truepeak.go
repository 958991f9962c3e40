package analysis

import "math"

// The interpolator of ITU-R BS.1770-4 Annex 2: oversampling to at least 192 kHz by
// a windowed sinc.
const (
	truePeakTaps = 24 // inputs per output
	truePeakBeta = 6.0
)

// groupFrames is the number of frames of which the largest magnitude is found together.
const groupFrames = 8

// reach is the number of groups that the inputs of a group's values can touch.
const reach = (groupFrames+truePeakTaps-2)/groupFrames + 1

// truePeakMeter measures the maximum magnitude of interleaved channels between samples.
// Nearly all values cannot exceed the maximum so far, by a bound that the largest samples
// near them determine, and are not computed.
type truePeakMeter struct {
	channels int
	phases   []interpolatorPhase
	// near, far and rest are the largest of all phases, and middle is the largest sum of near
	// and far.
	near, far, rest, middle float32
	peak                    float32
	// history has the last truePeakTaps-1 frames before the block, then the block.
	history []float32
	groups  []float32 // the largest magnitudes of one channel
}

// interpolatorPhase are the coefficients of one position between two samples.
type interpolatorPhase struct {
	taps [truePeakTaps]float32
	// near and far are the larger and the smaller magnitude of the two coefficients in the
	// middle, and rest the sum of the others'.
	near, far, rest float32
}

func newTruePeakMeter(rate, channels int) *truePeakMeter {
	factor := 1
	for factor < 4 && rate*factor < 192000 {
		factor *= 2
	}
	m := &truePeakMeter{channels: channels, history: make([]float32, (truePeakTaps-1)*channels)}
	for p := 1; p < factor; p++ {
		phase := interpolator(float64(p) / float64(factor))
		m.phases = append(m.phases, phase)
		m.near, m.far, m.rest = max(m.near, phase.near), max(m.far, phase.far), max(m.rest, phase.rest)
		m.middle = max(m.middle, phase.near+phase.far)
	}
	return m
}

// interpolator returns the coefficients for an output that lies a fraction of a sample
// after the middle.
func interpolator(fraction float64) interpolatorPhase {
	const middle = truePeakTaps/2 - 1
	var row [truePeakTaps]float64
	var sum float64
	for i := range row {
		at := float64(i-middle) - fraction
		t := at / (truePeakTaps / 2)
		row[i] = math.Sin(math.Pi*at) / (math.Pi * at) * bessel0(truePeakBeta*math.Sqrt(max(0, 1-t*t)))
		sum += row[i]
	}
	var phase interpolatorPhase
	for i, v := range row {
		phase.taps[i] = float32(v / sum)
		if i != middle && i != middle+1 {
			phase.rest += float32(math.Abs(v / sum))
		}
	}
	phase.near = max(phase.taps[middle], phase.taps[middle+1])
	phase.far = min(phase.taps[middle], phase.taps[middle+1])
	return phase
}

// bessel0 is the modified Bessel function of order zero.
func bessel0(x float64) float64 {
	sum, term := 1.0, 1.0
	for k := 1.0; term > sum*1e-15; k++ {
		term *= x / (2 * k) * x / (2 * k)
		sum += term
	}
	return sum
}

func (m *truePeakMeter) write(interleaved []float32) {
	keep := (truePeakTaps - 1) * m.channels
	m.history = append(m.history[:keep], interleaved...)
	for c := range m.channels {
		m.measure(m.history[c:])
	}
	copy(m.history, m.history[len(m.history)-keep:])
}

// measure raises the peak by the samples of a channel and by the values between them.
//
//go:norace
func (m *truePeakMeter) measure(samples []float32) {
	frames := (len(samples)+m.channels-1)/m.channels - (truePeakTaps - 1) // of values
	m.groups = largest(m.groups[:0], samples, m.channels)
	for _, v := range m.groups {
		m.peak = max(m.peak, v)
	}
	const middle = truePeakTaps/2 - 1
	for from := 0; from < frames; from += groupFrames {
		// The inputs of these values, and the two in the middle of each.
		var around, inside float32
		for _, v := range m.groups[from/groupFrames : min(len(m.groups), from/groupFrames+reach)] {
			around = max(around, v)
		}
		first, last := (from+middle)/groupFrames, (from+groupFrames+middle)/groupFrames
		for _, v := range m.groups[first:min(len(m.groups), last+1)] {
			inside = max(inside, v)
		}
		if m.middle*inside+m.rest*around > m.peak {
			m.examine(samples, from, min(frames, from+groupFrames), around)
		}
	}
}

// largest appends the largest magnitude of each group of frames of a channel.
//
//go:norace
func largest(dst, samples []float32, channels int) []float32 {
	for len(samples) > 0 {
		group := samples[:min(len(samples), groupFrames*channels)]
		samples = samples[len(group):]
		var most uint32 // floats without a sign are in the order of their bits
		for i := 0; i < len(group); i += channels {
			if bits := math.Float32bits(group[i]) &^ (1 << 31); bits > most {
				most = bits
			}
		}
		dst = append(dst, math.Float32frombits(most))
	}
	return dst
}

// examine raises the peak by the values after some frames. around is the largest magnitude
// of all inputs.
//
//go:norace
func (m *truePeakMeter) examine(samples []float32, from, to int, around float32) {
	const middle = truePeakTaps/2 - 1
	before := abs(samples[(from+middle)*m.channels])
	for f := from; f < to; f++ {
		after := abs(samples[(f+middle+1)*m.channels])
		high, low := before, after
		if high < low {
			high, low = low, high
		}
		before = after
		if m.near*high+m.far*low+m.rest*around <= m.peak {
			continue
		}
		for p := range m.phases {
			phase := &m.phases[p]
			if phase.near*high+phase.far*low+phase.rest*around > m.peak {
				m.interpolate(phase, samples[f*m.channels:])
			}
		}
	}
}

// interpolate raises the peak by one value.
//
//go:norace
func (m *truePeakMeter) interpolate(phase *interpolatorPhase, part []float32) {
	var sum float32
	for i, h := range phase.taps {
		sum += h * part[i*m.channels]
	}
	m.peak = max(m.peak, abs(sum))
}

func abs(v float32) float32 { return math.Float32frombits(math.Float32bits(v) &^ (1 << 31)) }

// truePeak returns the peak in dBTP, nil for silence. It ends the stream.
func (m *truePeakMeter) truePeak() *float64 {
	m.write(make([]float32, (truePeakTaps-1)*m.channels)) // the values after the last sample
	return decibels(float64(m.peak), 20)
}
