package analysis

// Span is a part of a recording in seconds, half-open.
type Span struct {
	Start float64 `json:"start"`
	End   float64 `json:"end"`
}

// Silence is where a recording is silent.
type Silence struct {
	// ThresholdDBFS and MinimumSeconds are the parameters in use.
	ThresholdDBFS  float64 `json:"threshold_dbfs"`
	MinimumSeconds float64 `json:"minimum_seconds"`
	// Share of the recording that Segments cover, 0 to 1.
	Share    float64 `json:"share"`
	Segments []Span  `json:"segments"`
}

// silenceMeter finds stretches in which every channel's power over 10 ms is below a
// threshold.
type silenceMeter struct {
	rate, channels int
	threshold      float64 // mean square
	minimum        int64   // frames
	sums           []float64
	filled         int64
	written        int64
	blocks         int64
	start          int64 // frame, -1 outside of silence
	spans          [][2]int64
}

func newSilenceMeter(rate, channels int, thresholdMeanSquare, minimumSeconds float64) *silenceMeter {
	return &silenceMeter{
		rate: rate, channels: channels, threshold: thresholdMeanSquare,
		minimum: int64(minimumSeconds * float64(rate)), sums: make([]float64, channels), start: -1,
	}
}

func (m *silenceMeter) write(interleaved []float32) {
	for len(interleaved) > 0 {
		end := ((m.blocks+1)*int64(m.rate) + subBlocksPerSecond/2) / subBlocksPerSecond
		n := min(int64(len(interleaved)/m.channels), end-m.written)
		part := interleaved[:n*int64(m.channels)]
		for c := range m.channels {
			var sum float64
			for i := c; i < len(part); i += m.channels {
				sum += float64(part[i]) * float64(part[i])
			}
			m.sums[c] += sum
		}
		interleaved = interleaved[len(part):]
		m.filled += n
		m.written += n
		if m.written == end {
			m.endBlock()
		}
	}
}

func (m *silenceMeter) endBlock() {
	silent := true
	for c, sum := range m.sums {
		silent = silent && sum < m.threshold*float64(m.filled)
		m.sums[c] = 0
	}
	begin := m.written - m.filled
	switch {
	case silent && m.start < 0:
		m.start = begin
	case !silent && m.start >= 0:
		m.endSilence(begin)
	}
	m.filled = 0
	m.blocks++
}

func (m *silenceMeter) endSilence(at int64) {
	if at-m.start >= m.minimum {
		m.spans = append(m.spans, [2]int64{m.start, at})
	}
	m.start = -1
}

// silence ends the stream.
func (m *silenceMeter) silence() (share float64, segments []Span) {
	if m.filled > 0 {
		m.endBlock()
	}
	if m.start >= 0 {
		m.endSilence(m.written)
	}
	segments = make([]Span, len(m.spans))
	var silent int64
	for i, span := range m.spans {
		segments[i] = Span{Start: float64(span[0]) / float64(m.rate), End: float64(span[1]) / float64(m.rate)}
		silent += span[1] - span[0]
	}
	if m.written > 0 {
		share = float64(silent) / float64(m.written)
	}
	return share, segments
}
