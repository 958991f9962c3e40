package drawing

import (
	"bytes"
	"encoding/json"
	"image"
	"image/png"
	"os"
	"testing"

	"github.com/stretchr/testify/require"
)

// golden are the values of other implementations; see testdata/golden.py.
type golden struct {
	Colors           map[string][][3]float64
	Mean, Max, Short [][]float64
	Peaks            []int16
}

func readGolden(t *testing.T) (g golden) {
	t.Helper()
	text, err := os.ReadFile("testdata/golden.json")
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(text, &g))
	return g
}

// signal returns pseudo-random samples.
func signal(n int) []float32 {
	samples := make([]float32, n)
	for i := range samples {
		samples[i] = float32((i*7919+i*i*31)%65536-32768) / 32768
	}
	return samples
}

// drawn returns a picture of samples, written in blocks of a number of frames.
func drawn(t *testing.T, cfg Config, samples []float32, block int) (*Drawing, *image.Paletted) {
	t.Helper()
	d, err := New(cfg)
	require.NoError(t, err)
	for rest := samples; len(rest) > 0; {
		n := min(block*cfg.Channels, len(rest))
		require.NoError(t, d.Write(rest[:n]))
		rest = rest[n:]
	}
	require.NoError(t, d.Finish())
	var out bytes.Buffer
	require.NoError(t, d.Encode(&out, PNG))
	picture, err := png.Decode(&out)
	require.NoError(t, err)
	return d, picture.(*image.Paletted)
}

// TestSpectrogramsHaveTheLevelsOfNumpy has a row for each bin.
func TestSpectrogramsHaveTheLevelsOfNumpy(t *testing.T) {
	t.Parallel()
	g := readGolden(t)
	for name, c := range map[string]struct {
		frames int
		want   [][]float64
		peak   bool
	}{"mean": {4000, g.Mean, false}, "max": {4000, g.Max, true}, "short": {300, g.Short, false}} {
		samples := signal(c.frames)
		for i := range samples {
			samples[i] *= float32(1 - 0.999*float64(i)/float64(c.frames-1))
		}
		cfg := Config{
			Kind: Spectrogram, Width: len(c.want), Height: 128, Bare: true, Colors: "gray", Dark: true, SampleRateHz: 8000, Channels: 1,
			Frames: int64(c.frames), Scale: Linear, MaxHz: 4000, FloorDB: -120, CeilingDB: 20, Window: 256, Peak: c.peak,
		}
		for _, block := range []int{c.frames, 37} {
			_, picture := drawn(t, cfg, samples, block)
			for x, column := range c.want {
				for y, level := range column {
					if level > cfg.FloorDB {
						got := cfg.FloorDB + float64(picture.ColorIndexAt(x, y)-1)/(levels-1)*(cfg.CeilingDB-cfg.FloorDB)
						require.InDelta(t, level, got, 0.4, "%s, blocks of %d: column %d, row %d", name, block, x, y)
					}
				}
			}
		}
	}
}

func TestColorMapsAreThoseOfMatplotlib(t *testing.T) {
	t.Parallel()
	for name, want := range readGolden(t).Colors {
		colors := mapColors(name, false)
		for i, c := range want {
			got := colors[i*(levels-1)/(len(want)-1)]
			at := float64(i*(levels-1)/(len(want)-1)) / (levels - 1) * float64(len(want)-1)
			near := want[min(len(want)-1, i+1)]
			for k, v := range []uint8{got.R, got.G, got.B} {
				low, high := min(c[k], near[k]), max(c[k], near[k])
				require.True(t, float64(v) >= low-6 && float64(v) <= high+6, "%s at %.1f: %v, matplotlib has %v", name, at, got, c)
			}
		}
	}
}

func TestPeaksAreThoseOfNumpy(t *testing.T) {
	t.Parallel()
	want := readGolden(t).Peaks
	samples := signal(2000)
	for _, block := range []int{1, 100, 1000} {
		p := NewPeaks(2, 64, false)
		for rest := samples; len(rest) > 0; {
			n := min(2*block, len(rest))
			p.Write(rest[:n])
			rest = rest[n:]
		}
		p.Finish()
		p.Finish()
		require.Equal(t, want, p.Values)
		require.Equal(t, 16, p.Length())
		require.Equal(t, 2, p.Channels())
	}
	p := NewPeaks(2, 10, true)
	p.Write([]float32{1, -1, 0.5, 0.25, -1, -1, 2, 2})
	p.Finish()
	require.Equal(t, []int16{-32768, 32767}, p.Values, "louder samples are clipped")
	require.Equal(t, 1, p.Channels())
}
