package analysis

import (
	"math"
	"slices"
)

// Loudness is the loudness of a recording by EBU R 128 and ITU-R BS.1770-4. A value is nil
// where it is not defined: the recording is too short, or nothing is above the gate.
type Loudness struct {
	// IntegratedLUFS is the gated loudness of the whole recording.
	IntegratedLUFS *float64 `json:"integrated_lufs"`
	// RangeLU is the loudness range of EBU Tech 3342.
	RangeLU *float64 `json:"range_lu"`
	// MomentaryMaxLUFS and ShortTermMaxLUFS are the maxima over windows of 0.4 and 3 s.
	MomentaryMaxLUFS *float64 `json:"momentary_max_lufs"`
	ShortTermMaxLUFS *float64 `json:"short_term_max_lufs"`
	// TruePeakDBTP is the maximum between the samples, by oversampling.
	TruePeakDBTP *float64 `json:"true_peak_dbtp"`
}

// Sub-blocks are 10 ms long, so that the maxima do not depend on where a sound begins;
// the gates use windows at steps of 100 ms, as specified.
const (
	subBlocksPerSecond = 100
	momentaryBlocks    = 40
	shortTermBlocks    = 300
	gateStepBlocks     = 10

	absoluteGateLUFS = -70
	relativeGateLU   = -10
	rangeGateLU      = -20
)

// loudnessMeter measures Loudness, true peak excepted.
type loudnessMeter struct {
	rate     int
	channels []weightedChannel
	weights  []float64

	// The sub-block under way.
	energy  float64
	filled  int64
	next    int64 // frame at which it ends
	written int64
	blocks  int64
	// recent has the mean squares of the last shortTermBlocks sub-blocks, as a ring.
	recent [shortTermBlocks]float64

	momentarySum, shortSum float64
	momentaryMax, shortMax float64
	// momentary and short have the mean squares at every gate step. 4 hours are 2 MB.
	momentary, short []float32
}

func newLoudnessMeter(rate, channels int) *loudnessMeter {
	m := &loudnessMeter{rate: rate, channels: make([]weightedChannel, channels), weights: channelWeights(channels)}
	shelf, high := kWeighting(float64(rate))
	for i := range m.channels {
		m.channels[i] = weightedChannel{shelf: shelf, high: high}
	}
	m.next = m.boundary(1)
	return m
}

// boundary returns the frame at which a number of sub-blocks end.
func (m *loudnessMeter) boundary(blocks int64) int64 {
	return (blocks*int64(m.rate) + subBlocksPerSecond/2) / subBlocksPerSecond
}

func (m *loudnessMeter) write(interleaved []float32) {
	channels := len(m.channels)
	for len(interleaved) > 0 {
		n := min(int64(len(interleaved)/channels), m.next-m.written)
		part := interleaved[:n*int64(channels)]
		for c := range m.channels {
			if m.weights[c] > 0 {
				m.energy += m.weights[c] * m.channels[c].squares(part, c, channels)
			}
		}
		interleaved = interleaved[len(part):]
		m.written += n
		m.filled += n
		if m.written == m.next {
			m.endBlock()
		}
	}
}

// endBlock adds the sub-block under way to the windows.
func (m *loudnessMeter) endBlock() {
	mean := m.energy / float64(m.filled)
	at := m.blocks % shortTermBlocks
	leaves := m.recent[at]
	early := m.recent[(m.blocks+shortTermBlocks-momentaryBlocks)%shortTermBlocks]
	m.recent[at] = mean
	m.momentarySum += mean - early
	m.shortSum += mean - leaves
	if at == shortTermBlocks-1 { // rounding errors of the running sums do not accumulate
		m.resum()
	}
	m.blocks++
	m.energy, m.filled = 0, 0
	m.next = m.boundary(m.blocks + 1)
	if m.blocks >= momentaryBlocks {
		value := max(0, m.momentarySum/momentaryBlocks)
		m.momentaryMax = max(m.momentaryMax, value)
		if m.blocks%gateStepBlocks == 0 {
			m.momentary = append(m.momentary, float32(value))
		}
	}
	if m.blocks >= shortTermBlocks {
		value := max(0, m.shortSum/shortTermBlocks)
		m.shortMax = max(m.shortMax, value)
		if m.blocks%gateStepBlocks == 0 {
			m.short = append(m.short, float32(value))
		}
	}
}

func (m *loudnessMeter) resum() {
	m.shortSum, m.momentarySum = 0, 0
	for i, v := range m.recent {
		m.shortSum += v
		if i >= shortTermBlocks-momentaryBlocks {
			m.momentarySum += v
		}
	}
}

func (m *loudnessMeter) loudness() Loudness {
	var l Loudness
	if m.blocks >= momentaryBlocks {
		l.MomentaryMaxLUFS = finite(lufs(m.momentaryMax))
	}
	if m.blocks >= shortTermBlocks {
		l.ShortTermMaxLUFS = finite(lufs(m.shortMax))
	}
	l.IntegratedLUFS = finite(lufs(gatedMean(m.momentary, relativeGateLU)))
	l.RangeLU = loudnessRange(m.short)
	return l
}

// lufs returns the loudness of a weighted mean square.
func lufs(meanSquare float64) float64 { return -0.691 + 10*math.Log10(meanSquare) }

// meanSquare is the inverse of lufs.
func meanSquare(lufs float64) float64 { return math.Pow(10, (lufs+0.691)/10) }

// gatedMean returns the mean of the windows above both gates, zero if there are none.
func gatedMean(windows []float32, relativeLU float64) float64 {
	gate := gateOf(windows, relativeLU)
	var sum float64
	n := 0
	for _, v := range windows {
		if float64(v) >= gate {
			sum += float64(v)
			n++
		}
	}
	if n == 0 {
		return 0
	}
	return sum / float64(n)
}

// gateOf returns the mean square at the relative gate, or at the absolute one if that is
// higher.
func gateOf(windows []float32, relativeLU float64) float64 {
	absolute := meanSquare(absoluteGateLUFS)
	var sum float64
	n := 0
	for _, v := range windows {
		if float64(v) >= absolute {
			sum += float64(v)
			n++
		}
	}
	if n == 0 {
		return absolute
	}
	return max(absolute, sum/float64(n)*math.Pow(10, relativeLU/10))
}

// loudnessRange returns the range of EBU Tech 3342, nil if no window is above the gates.
func loudnessRange(short []float32) *float64 {
	gate := gateOf(short, rangeGateLU)
	var above []float32
	for _, v := range short {
		if float64(v) >= gate {
			above = append(above, v)
		}
	}
	if len(above) == 0 {
		return nil
	}
	slices.Sort(above)
	at := func(share float64) float64 {
		return lufs(float64(above[int(math.Round(share*float64(len(above)-1)))]))
	}
	return finite(at(0.95) - at(0.10))
}
