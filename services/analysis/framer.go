package analysis

// framer cuts the mono mix into frames and computes their features.
type framer struct {
	analyzer *Analyzer
	spectra  *spectrograph
	onsets   onsetMeter
	pitch    *pitchTracker // nil unless asked for
	summary  frameSummary
	pitches  pitchSummary
	series   map[string]*Values
	pending  []float32
	total    int64 // samples
	count    int64 // frames
	frame    frame
	spectral bool
}

// newFramer returns a framer for what an Analyzer needs. Half a frame of silence comes
// before the first sample.
func newFramer(a *Analyzer) *framer {
	f := &framer{analyzer: a, pending: make([]float32, frameSamples/2, 4*frameSamples), series: make(map[string]*Values)}
	for name := range seriesKinds {
		if a.series(name) {
			f.series[name] = &Values{Width: seriesKinds[name].width}
		}
	}
	chroma := a.has(FeatureChroma) || a.has(FeatureKey) || a.series(SeriesChroma)
	f.spectra = newSpectrograph(chroma)
	f.spectral = len(f.series) > 0 || chroma || a.has(FeatureSpectrum) || a.has(FeatureMFCC) || a.has(FeatureNoise) ||
		a.has(FeatureOnsets) || a.has(FeatureTempo) || a.series(SeriesOnsetStrength)
	if a.has(FeaturePitch) || a.series(SeriesPitch) {
		wanted := a.series(SeriesPitch)
		values := new(Values)
		if wanted {
			f.series[SeriesPitch] = values
		}
		f.pitch = newPitchTracker(func(hz float64) {
			f.pitches.add(hz)
			if wanted {
				values.All = append(values.All, float32(hz))
			}
		})
	}
	return f
}

func (f *framer) write(mono []float32) {
	f.total += int64(len(mono))
	f.pending = append(f.pending, mono...)
	f.compute()
}

// compute computes all complete frames.
func (f *framer) compute() {
	at := 0
	for ; at+frameSamples <= len(f.pending); at += hopSamples {
		f.one(f.pending[at : at+frameSamples])
	}
	f.pending = f.pending[:copy(f.pending, f.pending[at:])]
}

func (f *framer) one(samples []float32) {
	f.count++
	if f.pitch != nil {
		f.pitch.write(samples)
	}
	if !f.spectral {
		return
	}
	f.spectra.compute(samples, &f.frame)
	f.frame.zeroCrossings = crossings(samples)
	f.onsets.write(&f.frame.mel)
	f.summary.add(&f.frame)
	for name, values := range f.series {
		if kind, ok := seriesKinds[name]; ok {
			for _, v := range kind.value(&f.frame) {
				values.All = append(values.All, float32(v))
			}
		}
	}
}

// finish computes the frames at the end, with silence after the last sample, and fills in
// the report.
func (f *framer) finish(r *Report) {
	wanted := 1 + f.total/hopSamples
	f.pending = append(f.pending, make([]float32, frameSamples/2)...)
	f.compute()
	for f.count < wanted { // an odd length
		f.pending = append(f.pending, make([]float32, hopSamples)...)
		f.compute()
	}
	a := f.analyzer
	if f.pitch != nil {
		f.pitch.path.follow(0)
	}
	if a.has(FeaturePitch) {
		p := f.pitches.pitch()
		r.Pitch = &p
	}
	if a.has(FeatureSpectrum) {
		r.Spectrum = f.summary.spectrum()
	}
	if a.has(FeatureMFCC) {
		r.MFCC = statistics(f.summary.mfcc[:])
	}
	if a.has(FeatureChroma) {
		r.Chroma = statistics(f.summary.chroma[:])
	}
	if a.has(FeatureKey) {
		r.Key = f.summary.key()
	}
	if a.has(FeatureNoise) {
		r.Noise = f.summary.levels.noise()
	}
	f.finishRhythm(r)
	for name, values := range f.series {
		unit := "Hz" // of the pitch
		if kind, ok := seriesKinds[name]; ok {
			unit = kind.unit
		}
		r.addSeries(name, &Series{Hop: HopSeconds, Unit: unit, Values: *values})
	}
}

func (f *framer) finishRhythm(r *Report) {
	a := f.analyzer
	envelope, bass := f.onsets.envelopes()
	if a.has(FeatureOnsets) {
		r.Onsets = onsets(envelope)
	}
	if a.has(FeatureTempo) {
		t := tempo(envelope, bass)
		r.Tempo = &t
	}
	if a.series(SeriesOnsetStrength) {
		r.addSeries(SeriesOnsetStrength, &Series{Hop: HopSeconds, Unit: "dB", Values: Values{All: envelope}})
	}
}
