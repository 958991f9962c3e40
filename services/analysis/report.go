package analysis

import "math"

// Statistic is the mean of a feature over all frames in which it is defined, and its
// standard deviation; nil if there are none.
type Statistic struct {
	Mean      *float64 `json:"mean"`
	Deviation *float64 `json:"deviation"`
}

// Spectrum are statistics of the spectral features.
type Spectrum struct {
	CentroidHz    Statistic `json:"centroid_hz"`
	BandwidthHz   Statistic `json:"bandwidth_hz"`
	RolloffHz     Statistic `json:"rolloff_hz"`
	Flatness      Statistic `json:"flatness"`
	ZeroCrossings Statistic `json:"zero_crossings"`
	// ContrastDB has the bands below 200 Hz, then six octaves.
	ContrastDB []Statistic `json:"contrast_db"`
}

// Noise is an estimate of the level between the sounds of a recording.
type Noise struct {
	// FloorDBFS is the 5th percentile of the frames' levels.
	FloorDBFS *float64 `json:"floor_dbfs"`
	// SignalToNoiseDB is the mean power relative to that of the floor.
	SignalToNoiseDB *float64 `json:"signal_to_noise_db"`
}

// Report has the features that were asked for; the others are nil.
type Report struct {
	Levels   *Levels            `json:"levels,omitempty"`
	Loudness *Loudness          `json:"loudness,omitempty"`
	Silence  *Silence           `json:"silence,omitempty"`
	Spectrum *Spectrum          `json:"spectrum,omitempty"`
	Onsets   []Point            `json:"onsets,omitzero"`
	Tempo    *Tempo             `json:"tempo,omitempty"`
	Pitch    *Pitch             `json:"pitch,omitempty"`
	MFCC     []Statistic        `json:"mfcc,omitempty"`
	Chroma   []Statistic        `json:"chroma,omitempty"`
	Key      *Key               `json:"key,omitempty"`
	Noise    *Noise             `json:"noise,omitempty"`
	Series   map[string]*Series `json:"series,omitempty"`
}

// moments accumulates a mean and a deviation by Welford's method. NaN is left out.
type moments struct {
	n, mean, squares float64
}

func (m *moments) add(v float64) {
	if math.IsNaN(v) {
		return
	}
	m.n++
	delta := v - m.mean
	m.mean += delta / m.n
	m.squares += delta * (v - m.mean)
}

func (m *moments) statistic() Statistic {
	if m.n == 0 {
		return Statistic{}
	}
	return Statistic{Mean: finite(m.mean), Deviation: finite(math.Sqrt(m.squares / m.n))}
}

func statistics(all []moments) []Statistic {
	out := make([]Statistic, len(all))
	for i := range all {
		out[i] = all[i].statistic()
	}
	return out
}

// frameSummary accumulates what a report has of all frames.
type frameSummary struct {
	centroid, bandwidth, rolloff, flatness, zeroCrossings moments
	contrast                                              [contrastTop]moments
	mfcc                                                  [coefficients]moments
	chroma                                                [chromaBins]moments
	levels                                                levelHistogram
}

func (s *frameSummary) add(f *frame) {
	s.centroid.add(f.centroid)
	s.bandwidth.add(f.bandwidth)
	s.rolloff.add(f.rolloff)
	s.flatness.add(f.flatness)
	s.zeroCrossings.add(f.zeroCrossings)
	for i, v := range f.contrast {
		s.contrast[i].add(v)
	}
	for i, v := range f.mfcc {
		s.mfcc[i].add(v)
	}
	for i, v := range f.chroma {
		s.chroma[i].add(v)
	}
	s.levels.add(f.rms)
}

func (s *frameSummary) spectrum() *Spectrum {
	return &Spectrum{
		CentroidHz: s.centroid.statistic(), BandwidthHz: s.bandwidth.statistic(), RolloffHz: s.rolloff.statistic(),
		Flatness: s.flatness.statistic(), ZeroCrossings: s.zeroCrossings.statistic(), ContrastDB: statistics(s.contrast[:]),
	}
}

func (s *frameSummary) key() *Key {
	var chroma [chromaBins]float64
	for i := range chroma {
		chroma[i] = s.chroma[i].mean
	}
	return keyOf(chroma)
}

// levelHistogram counts frames by level, in steps of a tenth of a decibel.
type levelHistogram struct {
	counts [1501]int // from -150 dBFS
	n      int
	power  float64
}

func (h *levelHistogram) add(rms float64) {
	db := 20 * math.Log10(max(rms, 1e-8))
	h.counts[int(math.Round(min(1500, max(0, 10*(db+150)))))]++
	h.n++
	h.power += rms * rms
}

func (h *levelHistogram) noise() *Noise {
	const share = 0.05
	seen, wanted := 0, int(share*float64(h.n))
	for i, count := range h.counts {
		if seen += count; seen > wanted {
			floor := float64(i)/10 - 150
			if floor <= -150 {
				return &Noise{}
			}
			return &Noise{FloorDBFS: &floor, SignalToNoiseDB: finite(10*math.Log10(h.power/float64(h.n)) - floor)}
		}
	}
	return &Noise{}
}
