package whisper

import "github.com/grym-synth/grym-synth/services/dsp"

// extractor computes the spectrograms of windows. Safe for concurrent use.
type extractor struct {
	*dsp.WhisperMel
	hop int
}

func newExtractor(p preprocessorConfig) *extractor {
	mel := dsp.NewWhisperMel(dsp.WhisperMelConfig{SampleRateHz: p.SamplingRate, FFT: p.FFT, Hop: p.HopLength, Bands: p.FeatureSize})
	return &extractor{WhisperMel: mel, hop: p.HopLength}
}

// features returns the spectrogram of a window of so many frames, of shape [bands, frames].
func (e *extractor) features(samples []float32, frames int) []float32 {
	return e.Compute(samples, frames*e.hop)
}
