package analysis

import (
	"fmt"
	"slices"
)

// Feature is something that an Analyzer measures.
type Feature string

// Features of a report.
const (
	FeatureLevels   Feature = "levels"
	FeatureLoudness Feature = "loudness"
	FeatureSilence  Feature = "silence"
	FeatureSpectrum Feature = "spectrum"
	FeatureOnsets   Feature = "onsets"
	FeatureTempo    Feature = "tempo"
	FeaturePitch    Feature = "pitch"
	FeatureMFCC     Feature = "mfcc"
	FeatureChroma   Feature = "chroma"
	FeatureKey      Feature = "key"
	FeatureNoise    Feature = "noise"
)

// DefaultFeatures returns what is measured unless something else is asked for.
func DefaultFeatures() []Feature {
	return []Feature{FeatureLevels, FeatureLoudness, FeatureSilence, FeatureSpectrum, FeatureOnsets, FeatureTempo, FeaturePitch, FeatureMFCC}
}

// Features returns all features.
func Features() []Feature {
	return append(DefaultFeatures(), FeatureChroma, FeatureKey, FeatureNoise)
}

// Names of the series that a report can have.
const (
	SeriesRMS           = "rms"
	SeriesCentroid      = "centroid"
	SeriesBandwidth     = "bandwidth"
	SeriesRolloff       = "rolloff"
	SeriesFlatness      = "flatness"
	SeriesContrast      = "contrast"
	SeriesZeroCrossings = "zero_crossings"
	SeriesOnsetStrength = "onset_strength"
	SeriesPitch         = "pitch"
	SeriesMFCC          = "mfcc"
	SeriesMel           = "mel"
	SeriesChroma        = "chroma"
	SeriesMomentary     = "momentary"
	SeriesShortTerm     = "short_term"
)

// seriesKind describes a series: its unit, the numbers of a row, and the frame's values.
type seriesKind struct {
	unit  string
	width int
	value func(f *frame) []float64
}

// seriesKinds are the series of frames. The others are of the meters.
var seriesKinds = map[string]seriesKind{
	SeriesRMS:           {"1", 0, func(f *frame) []float64 { return []float64{f.rms} }},
	SeriesCentroid:      {"Hz", 0, func(f *frame) []float64 { return []float64{f.centroid} }},
	SeriesBandwidth:     {"Hz", 0, func(f *frame) []float64 { return []float64{f.bandwidth} }},
	SeriesRolloff:       {"Hz", 0, func(f *frame) []float64 { return []float64{f.rolloff} }},
	SeriesFlatness:      {"1", 0, func(f *frame) []float64 { return []float64{f.flatness} }},
	SeriesContrast:      {"dB", contrastTop, func(f *frame) []float64 { return f.contrast[:] }},
	SeriesZeroCrossings: {"1", 0, func(f *frame) []float64 { return []float64{f.zeroCrossings} }},
	SeriesMFCC:          {"dB", coefficients, func(f *frame) []float64 { return f.mfcc[:] }},
	SeriesMel:           {"dB", melBands, func(f *frame) []float64 { return f.mel[:] }},
	SeriesChroma:        {"1", chromaBins, func(f *frame) []float64 { return f.chroma[:] }},
}

// meterSeries are the series that need more than a frame.
var meterSeries = []string{SeriesOnsetStrength, SeriesPitch, SeriesMomentary, SeriesShortTerm}

// SeriesNames returns the names of all series in alphabetical order.
func SeriesNames() []string {
	names := slices.Clone(meterSeries)
	for name := range seriesKinds {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// SeriesValues returns the number of values of a series for a recording of the given
// length.
func SeriesValues(name string, seconds float64) (int64, error) {
	switch name {
	case SeriesMomentary, SeriesShortTerm:
		return int64(seconds * subBlocksPerSecond / gateStepBlocks), nil
	case SeriesOnsetStrength, SeriesPitch:
		return 1 + int64(seconds/HopSeconds), nil
	}
	kind, ok := seriesKinds[name]
	if !ok {
		return 0, fmt.Errorf("there is no series %q", name)
	}
	return (1 + int64(seconds/HopSeconds)) * int64(max(1, kind.width)), nil
}
