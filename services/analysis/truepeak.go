package analysis

import "math"

// The interpolator of ITU-R BS.1770-4 Annex 2: oversampling to at least 192 kHz by
// a windowed sinc.
const (
	truePeakTaps = 24 // inputs per output
	truePeakBeta = 6.0
)

// truePeakMeter measures the maximum magnitude of interleaved channels between samples.
// Nearly all values cannot exceed the maximum so far, by a bound that two samples and the
// largest of their neighbours determine, and are not computed.
type truePeakMeter struct {
	channels int
	phases   []interpolatorPhase
	gain     float32 // largest sum of magnitudes of a phase
	// near, far and rest are the largest of all phases.
	near, far, rest float32
	peak            float32
	// history has the last truePeakTaps-1 frames before the block, then the block.
	history []float32
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
		m.gain = max(m.gain, phase.near+phase.far+phase.rest)
		m.near, m.far, m.rest = max(m.near, phase.near), max(m.far, phase.far), max(m.rest, phase.rest)
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
	const part = 64 // frames examined together
	frames := len(m.history)/m.channels - (truePeakTaps - 1)
	for from := 0; from < frames; from += part {
		n := min(part, frames-from)
		m.examine(m.history[from*m.channels : (from+n+truePeakTaps-1)*m.channels])
	}
	copy(m.history, m.history[len(m.history)-keep:])
}

// examine raises the peak by the samples and by the values between them.
func (m *truePeakMeter) examine(part []float32) {
	largest := float32(0)
	for _, v := range part {
		largest = max(largest, v, -v)
	}
	m.peak = max(m.peak, largest)
	if largest*m.gain <= m.peak {
		return
	}
	frames := len(part)/m.channels - (truePeakTaps - 1)
	const middle = truePeakTaps/2 - 1
	around := m.rest * largest
	for c := range m.channels {
		before := abs(part[middle*m.channels+c])
		for f := range frames {
			after := abs(part[(f+middle+1)*m.channels+c])
			high, low := max(before, after), min(before, after)
			before = after
			if m.near*high+m.far*low+around <= m.peak {
				continue
			}
			for p := range m.phases {
				phase := &m.phases[p]
				if phase.near*high+phase.far*low+phase.rest*largest > m.peak {
					m.interpolate(phase, part[f*m.channels+c:])
				}
			}
		}
	}
}

// interpolate raises the peak by one value.
func (m *truePeakMeter) interpolate(phase *interpolatorPhase, part []float32) {
	var sum float32
	for i, h := range phase.taps {
		sum += h * part[i*m.channels]
	}
	m.peak = max(m.peak, abs(sum))
}

func abs(v float32) float32 { return max(v, -v) }

// truePeak returns the peak in dBTP, nil for silence. It ends the stream.
func (m *truePeakMeter) truePeak() *float64 {
	m.write(make([]float32, (truePeakTaps-1)*m.channels)) // the values after the last sample
	return decibels(float64(m.peak), 20)
}
