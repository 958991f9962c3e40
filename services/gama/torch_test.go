package gama

import (
	"compress/gzip"
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// wholeSound is sound k of models/parity/whole_sounds.py, computed with integers only
// so that both sides have the same 16-bit samples.
func wholeSound(k int) []int16 {
	scaled := func(value, by, of int) int { return value * by / of }
	state, saw, square := uint32(12345+7919*k), 0, 0 //nolint:gosec // small
	samples := make([]int16, 8000+1600*k)
	for i := range samples {
		state = state*1664525 + 1013904223
		noise := int(state>>16) - 32768
		saw = (saw + 200 + 137*k) % 65536
		square = (square + 900 + 611*k) % 65536
		value := 0
		switch k % 4 {
		case 0:
			value = saw - 32768
		case 1:
			value = noise
		case 2:
			value = 16000
			if square >= 32768 {
				value = -16000
			}
			value += scaled(noise, 1, 8)
		case 3:
			value = scaled(saw-32768, 4000-i%4000, 4000)
		}
		if k != 19 {
			samples[i] = int16(scaled(value, 32767>>(k%5), 32768)) //nolint:gosec // in range
		}
	}
	return samples
}

func floats(samples []int16) []float32 {
	out := make([]float32, len(samples))
	for i, v := range samples {
		out[i] = float32(v) / 32768
	}
	return out
}

// gamaPreprocessor is the exporter's configuration for GAMA.
var gamaPreprocessor = preprocessorConfig{
	SamplingRate: 16000, MelBins: 128, WindowType: "hanning", SubtractClipMean: true, Mean: -5.081, Std: 4.4849, MaxLength: 1024,
	PadToMaxLength: true,
}

// TestFeaturesAreTorchaudios has torchaudio's features of twenty sounds;
// models/parity/torchaudio_golden.py writes them.
func TestFeaturesAreTorchaudios(t *testing.T) {
	t.Parallel()
	file, err := os.Open(filepath.Join("testdata", "torchaudio.json.gz"))
	require.NoError(t, err)
	defer file.Close()
	unzipped, err := gzip.NewReader(file)
	require.NoError(t, err)
	var golden []struct {
		Samples, Sum int
		Frames       []int
		Values       [][]float64
		Padding      float64
	}
	require.NoError(t, json.NewDecoder(unzipped).Decode(&golden))
	require.Len(t, golden, 20)
	e, err := newExtractor(gamaPreprocessor, 0)
	require.NoError(t, err)
	worst := 0.0
	for k, g := range golden {
		samples := wholeSound(k)
		sum := 0
		for _, v := range samples {
			sum += int(v)
		}
		require.Equal(t, []int{g.Samples, g.Sum}, []int{len(samples), sum}, "sound %d is another", k)
		got, _ := e.features(floats(samples))
		for i, frame := range g.Frames {
			for bin, want := range g.Values[i] {
				// Log-mel, before the normalisation.
				difference := math.Abs(float64(got[frame*128+bin])-want) * e.cfg.Std
				worst = max(worst, difference)
				if difference > 1e-4 {
					t.Errorf("sound %d, frame %d, bin %d: %v, want %v", k, frame, bin, got[frame*128+bin], want)
				}
			}
		}
		require.InDelta(t, g.Padding, got[1023*128], 1e-6)
	}
	t.Logf("largest difference %.1e", worst)
}

// TestTheClipsMeanIsRemoved tests GAMA's first step. Each frame's mean is removed too,
// so the clip's mean is only visible in the samples.
func TestTheClipsMeanIsRemoved(t *testing.T) {
	t.Parallel()
	mean := func(subtract bool) float64 {
		cfg := gamaPreprocessor
		cfg.SubtractClipMean = subtract
		e, err := newExtractor(cfg, 0)
		require.NoError(t, err)
		samples := floats(wholeSound(3))
		for i := range samples {
			samples[i] += 0.05
		}
		e.features(samples)
		sum := 0.0
		for _, v := range samples {
			sum += float64(v)
		}
		return sum / float64(len(samples))
	}
	require.InDelta(t, 0, mean(true), 1e-6)
	require.InDelta(t, 0.05, mean(false), 0.01, "ASTs keep it")
}

// TestTheDivisorIsTheDeviation distinguishes GAMA's normalisation from that of AST,
// which divides by twice the deviation.
func TestTheDivisorIsTheDeviation(t *testing.T) {
	t.Parallel()
	padding := func(cfg preprocessorConfig) float32 {
		e, err := newExtractor(cfg, 0)
		require.NoError(t, err)
		values, _ := e.features(floats(wholeSound(0)))
		return values[1023*128]
	}
	require.InDelta(t, 1.13291266, padding(gamaPreprocessor), 1e-6)
	ast := gamaPreprocessor
	ast.ExtractorType, ast.Mean, ast.Std = astExtractor, -4.2677393, 4.5689974
	require.InDelta(t, 0.46703236, padding(ast), 1e-6)
}
