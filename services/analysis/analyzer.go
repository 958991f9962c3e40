package analysis

import (
	"fmt"
	"math"
	"slices"

	"github.com/grym-synth/grym-synth/services/dsp"
)

// Config selects what an Analyzer measures.
type Config struct {
	// SampleRateHz and Channels of the recording.
	SampleRateHz, Channels int
	// Features of the report.
	Features []Feature
	// Series of the report, by name.
	Series []string
	// SilenceDBFS is the level below which sound is silence, and SilenceSeconds the
	// shortest silence reported.
	SilenceDBFS, SilenceSeconds float64
}

// Analyzer measures interleaved samples as a stream. The report does not depend on the
// division into blocks, but for the mix to mono of channels that cancel out. Not safe for
// concurrent use.
type Analyzer struct {
	cfg       Config
	levels    *levelMeter
	loudness  *loudnessMeter
	peak      *truePeakMeter
	silence   *silenceMeter
	frames    *framer
	mono      []float32
	resampled []float32
	resampler *dsp.Resampler
}

// New returns an Analyzer, or an error for an unknown feature or series and for a sample
// rate beyond the limits of dsp.Resampler.
func New(cfg Config) (*Analyzer, error) {
	a := &Analyzer{cfg: cfg}
	for _, feature := range cfg.Features {
		if !slices.Contains(Features(), feature) {
			return nil, fmt.Errorf("there is no feature %q", feature)
		}
	}
	for _, name := range cfg.Series {
		if _, err := SeriesValues(name, 0); err != nil {
			return nil, err
		}
	}
	if a.has(FeatureLevels) {
		a.levels = new(levelMeter)
	}
	if a.has(FeatureLoudness) || a.series(SeriesMomentary) || a.series(SeriesShortTerm) {
		a.loudness = newLoudnessMeter(cfg.SampleRateHz, cfg.Channels)
	}
	if a.has(FeatureLoudness) {
		a.peak = newTruePeakMeter(cfg.SampleRateHz, cfg.Channels)
	}
	if a.has(FeatureSilence) {
		a.silence = newSilenceMeter(cfg.SampleRateHz, cfg.Channels, math.Pow(10, cfg.SilenceDBFS/10), cfg.SilenceSeconds)
	}
	if a.framed() {
		resampler, err := dsp.NewResampler(cfg.SampleRateHz, frameRateHz)
		if err != nil {
			return nil, fmt.Errorf("sample rate: %w", err)
		}
		a.resampler, a.frames = resampler, newFramer(a)
	}
	return a, nil
}

func (a *Analyzer) has(feature Feature) bool { return slices.Contains(a.cfg.Features, feature) }

func (a *Analyzer) series(name string) bool { return slices.Contains(a.cfg.Series, name) }

// framed reports whether anything is computed for each frame.
func (a *Analyzer) framed() bool {
	for _, feature := range a.cfg.Features {
		if feature != FeatureLevels && feature != FeatureLoudness && feature != FeatureSilence {
			return true
		}
	}
	for _, name := range a.cfg.Series {
		if name != SeriesMomentary && name != SeriesShortTerm {
			return true
		}
	}
	return false
}

// Write measures whole frames of interleaved samples.
func (a *Analyzer) Write(interleaved []float32) {
	if a.levels != nil {
		a.levels.write(interleaved)
	}
	if a.loudness != nil {
		a.loudness.write(interleaved)
	}
	if a.peak != nil {
		a.peak.write(interleaved)
	}
	if a.silence != nil {
		a.silence.write(interleaved)
	}
	if a.frames != nil {
		a.mono = dsp.Downmix(a.mono, interleaved, a.cfg.Channels)
		a.resampled = a.resampler.Process(a.resampled[:0], a.mono)
		a.frames.write(a.resampled)
	}
}

// Finish ends the stream and returns the report.
func (a *Analyzer) Finish() *Report {
	r := new(Report)
	if a.frames != nil {
		a.frames.write(a.resampler.Flush(a.resampled[:0]))
		a.frames.finish(r)
	}
	if a.levels != nil {
		levels := a.levels.levels()
		r.Levels = &levels
	}
	if a.peak != nil {
		loudness := a.loudness.loudness()
		loudness.TruePeakDBTP = a.peak.truePeak()
		r.Loudness = &loudness
	}
	if a.silence != nil {
		r.Silence = &Silence{ThresholdDBFS: a.cfg.SilenceDBFS, MinimumSeconds: a.cfg.SilenceSeconds}
		r.Silence.Share, r.Silence.Segments = a.silence.silence()
	}
	if a.series(SeriesMomentary) {
		r.addSeries(SeriesMomentary, loudnessSeries(a.loudness.momentary, momentaryBlocks))
	}
	if a.series(SeriesShortTerm) {
		r.addSeries(SeriesShortTerm, loudnessSeries(a.loudness.short, shortTermBlocks))
	}
	return r
}

func (r *Report) addSeries(name string, s *Series) {
	if r.Series == nil {
		r.Series = make(map[string]*Series)
	}
	r.Series[name] = s
}

// loudnessSeries returns the loudness of windows of a number of sub-blocks; the time of
// a value is the end of its window.
func loudnessSeries(windows []float32, blocks int) *Series {
	s := &Series{Hop: float64(gateStepBlocks) / subBlocksPerSecond, Start: float64(blocks) / subBlocksPerSecond, Unit: "LUFS"}
	s.Values.All = make([]float32, len(windows))
	for i, v := range windows {
		s.Values.All[i] = float32(lufs(float64(v)))
	}
	return s
}
