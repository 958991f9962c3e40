package clap

import (
	"fmt"

	"github.com/grym-synth/grym-synth/services/dsp"
)

// extractor computes the network's input from samples in [-1, 1] at the model's rate. Safe
// for concurrent use.
type extractor struct {
	cfg preprocessorConfig
	// mel is that of CLAP, bank that of AST; the other is nil.
	mel  *dsp.MelSpectrogram
	bank *dsp.FilterBank
}

func newExtractor(name string, f *folder) (*extractor, error) {
	p := f.Preprocessor
	e := &extractor{cfg: p}
	var err error
	if f.Network.ModelType == typeAST {
		e.bank, err = dsp.NewFilterBank(dsp.FilterBankConfig{SampleRateHz: p.SampleRateHz, Bins: p.MelBins, Window: dsp.WindowHanning})
		return e, named(name, err)
	}
	scale := dsp.MelSlaney
	if p.Truncation == truncationFusion {
		scale = dsp.MelHTK
	}
	e.mel, err = dsp.NewMelSpectrogram(dsp.MelConfig{
		SampleRateHz: p.SampleRateHz, FFT: p.FFT, Hop: p.Hop, Bands: p.Bands, LowHz: p.LowHz, HighHz: p.HighHz, Scale: scale,
	})
	return e, named(name, err)
}

// named adds the file to an error about the settings of the features.
func named(name string, err error) error {
	if err != nil {
		return fmt.Errorf("%s/preprocessor_config.json: %w", name, err)
	}
	return nil
}

// clip returns the input for a clip of at most the longest length: for CLAP of shape
// [channels, rows, bands], for AST of shape [frames, bins].
func (e *extractor) clip(samples []float32) []float32 {
	if e.bank != nil {
		return e.astClip(samples)
	}
	rows := e.mel.Compute(e.pad(samples))
	if e.cfg.Truncation != truncationFusion {
		return rows
	}
	// A clip of one run has nothing to fuse: the spectrogram four times, as in
	// ClapFeatureExtractor.
	one := len(rows)
	for range 3 {
		rows = append(rows, rows[:one]...)
	}
	return rows
}

// pad returns the samples at full length, padded as ClapFeatureExtractor does.
func (e *extractor) pad(samples []float32) []float32 {
	length := e.cfg.MaxSamples
	padded := make([]float32, length)
	copy(padded, samples)
	if len(samples) == 0 {
		return padded
	}
	whole := length / len(samples) * len(samples)
	switch e.cfg.PaddingMode {
	case paddingRepeat:
		whole = length
	case paddingPad:
		whole = min(length, len(samples))
	}
	for at := len(samples); at < whole; at += len(samples) {
		copy(padded[at:whole], samples)
	}
	return padded
}

// astClip returns frames as ASTFeatureExtractor does: padded with zeros before they are
// normalised.
func (e *extractor) astClip(samples []float32) []float32 {
	out := e.bank.Compute(samples)
	size := e.cfg.MaxLength * e.cfg.MelBins
	for len(out) < size {
		out = append(out, 0)
	}
	out = out[:size]
	if e.cfg.DoNormalize {
		for i, v := range out {
			out[i] = float32((float64(v) - e.cfg.Mean) / (2 * e.cfg.Std))
		}
	}
	return out
}
