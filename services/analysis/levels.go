package analysis

import "math"

// clipLevel is the smallest magnitude that counts as clipped: full scale of 16 bits.
const clipLevel = 32767.0 / 32768

// Levels are the levels of a recording over all channels. Levels in decibels are relative
// to full scale, 1.0, and nil for digital silence.
type Levels struct {
	PeakDBFS *float64 `json:"peak_dbfs"`
	RMSDBFS  *float64 `json:"rms_dbfs"`
	// DC is the mean of all samples.
	DC float64 `json:"dc"`
	// ClippedSamples is the number of samples at or beyond the full scale of 16 bits.
	ClippedSamples int64 `json:"clipped_samples"`
	// CrestDB is the peak relative to the root mean square.
	CrestDB *float64 `json:"crest_db"`
}

// levelMeter measures Levels.
type levelMeter struct {
	peak         float32
	sum, squares float64
	samples      int64
	clipped      int64
}

func (m *levelMeter) write(samples []float32) {
	m.samples += int64(len(samples))
	// Sums of a block, four at a time so that the additions overlap, are added once: exact
	// enough for hours. Floats without a sign are in the order of their bits.
	var sums, squares [4]float64
	most, clip := math.Float32bits(m.peak), math.Float32bits(clipLevel)
	for len(samples) > 0 {
		four := samples[:min(len(samples), 4)]
		samples = samples[len(four):]
		for k, v := range four {
			x := float64(v)
			sums[k&3] += x
			squares[k&3] += x * x
			bits := math.Float32bits(v) &^ (1 << 31)
			if bits >= clip {
				m.clipped++
			}
			if bits > most {
				most = bits
			}
		}
	}
	m.peak = math.Float32frombits(most)
	m.sum += sums[0] + sums[1] + sums[2] + sums[3]
	m.squares += squares[0] + squares[1] + squares[2] + squares[3]
}

func (m *levelMeter) levels() Levels {
	l := Levels{ClippedSamples: m.clipped}
	if m.samples == 0 {
		return l
	}
	l.DC = m.sum / float64(m.samples)
	l.PeakDBFS = decibels(float64(m.peak), 20)
	l.RMSDBFS = decibels(m.squares/float64(m.samples), 10)
	if l.PeakDBFS != nil && l.RMSDBFS != nil {
		crest := *l.PeakDBFS - *l.RMSDBFS
		l.CrestDB = &crest
	}
	return l
}

// decibels returns factor times the common logarithm of a value, nil if that is not
// finite.
func decibels(value, factor float64) *float64 {
	return finite(factor * math.Log10(value))
}

// finite returns a pointer to the value, nil if it is not finite.
func finite(v float64) *float64 {
	if math.IsInf(v, 0) || math.IsNaN(v) {
		return nil
	}
	return &v
}
