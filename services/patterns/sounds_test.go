package patterns

import (
	"encoding/json"
	"flag"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

var update = flag.Bool("update", false, "write the golden files anew")

// summary describes a signal: its length, and the effective value, a weighted sum and the mean
// change from sample to sample of each of its parts.
type summary struct {
	Length  int       `json:"length"`
	Levels  []float64 `json:"levels"`
	Sums    []float64 `json:"sums"`
	Changes []float64 `json:"changes"`
}

func summarise(x []float32) (s summary) {
	s.Length = len(x)
	const parts = 5
	for p := range parts {
		var squares, sum, changes float64
		part := x[p*len(x)/parts : (p+1)*len(x)/parts]
		for i, v := range part {
			squares += float64(v) * float64(v)
			sum += float64(v) * float64(1+i%3)
			if i > 0 {
				changes += math.Abs(float64(v - part[i-1]))
			}
		}
		n := float64(max(1, len(part)))
		digits := func(v float64) float64 { return math.Round(v*1e6) / 1e6 }
		s.Levels = append(s.Levels, digits(math.Sqrt(squares/n)))
		s.Sums = append(s.Sums, digits(sum/n))
		s.Changes = append(s.Changes, digits(changes/n))
	}
	return s
}

// TestTheSoundOfTheBackgroundStaysTheSame compares with a golden file, because stored patterns
// were derived with this sound.
func TestTheSoundOfTheBackgroundStaysTheSame(t *testing.T) {
	t.Parallel()
	got := make(map[string]summary)
	for kind := range noiseKinds {
		for _, rate := range []int{cohortRate, 22050} {
			got[fmt.Sprintf("noise %d at %d Hz", kind, rate)] = summarise(noise(seeded(uint64(kind)), kind, 6000, rate))
		}
	}
	for seed := range uint64(40) {
		got[fmt.Sprintf("event %d", seed)] = summarise(level(event(seeded(seed), 8000), 0.1))
	}
	x := instance(seeded(1), doorbell)
	for i, one := range degraded(x) {
		got[fmt.Sprintf("copy %d", i)] = summarise(one.samples)
		require.Equal(t, x.rate, one.rate)
	}
	got["reverberated"] = summarise(reverberated(seeded(2), x.samples[:3000], 8000, 0.3))
	got["probe"] = summarise(probe().samples)
	name := filepath.Join("testdata", "sounds.json")
	if *update {
		text, err := json.MarshalIndent(got, "", " ")
		require.NoError(t, err)
		require.NoError(t, os.MkdirAll("testdata", 0o755))
		require.NoError(t, os.WriteFile(name, append(text, '\n'), 0o644))
	}
	text, err := os.ReadFile(name)
	require.NoError(t, err)
	want := make(map[string]summary)
	require.NoError(t, json.Unmarshal(text, &want))
	require.Len(t, got, len(want))
	for name, w := range want {
		g := got[name]
		require.Equal(t, w.Length, g.Length, name)
		// Processors round products differently, so the values are close and not equal.
		require.InDeltaSlice(t, w.Levels, g.Levels, 2e-5, name)
		require.InDeltaSlice(t, w.Sums, g.Sums, 2e-5, name)
		require.InDeltaSlice(t, w.Changes, g.Changes, 2e-5, name)
	}
}

func TestNoiseHasItsLevelAndColour(t *testing.T) {
	t.Parallel()
	const n = 1 << 14
	// tilt returns the power of low frequencies relative to that of high ones.
	tilt := func(x []float32) float64 {
		var low, high, before float64
		for _, v := range x {
			before = 0.9*before + 0.1*float64(v)
			low += before * before
			high += (float64(v) - before) * (float64(v) - before)
		}
		return low / high
	}
	colours := make([]float64, noiseKinds)
	for kind := range noiseKinds {
		x := noise(seeded(3), kind, n, cohortRate)
		require.Len(t, x, n)
		require.InDelta(t, 0.1, rootMeanSquare(x), 1e-4, "kind %d", kind)
		colours[kind] = tilt(x)
	}
	require.Less(t, colours[white], colours[pink])
	require.Less(t, colours[pink], colours[brown])
	require.Equal(t, []float32{0, 0}, level([]float64{0, 0}, 0.1), "silence has no level")
	require.Zero(t, rootMeanSquare(nil))
}

// TestABandIsRaised measures tones before and after.
func TestABandIsRaised(t *testing.T) {
	t.Parallel()
	gain := func(tone, decibels float64) float64 {
		const rate = 16000
		x := make([]float64, rate)
		addSine(x, tone, 0, 0.1, rate)
		y := make([]float32, len(x))
		for i, v := range x {
			y[i] = float32(v)
		}
		before := rootMeanSquare(y[rate/2:])
		peak(y, 1000, decibels, rate)
		return 20 * math.Log10(rootMeanSquare(y[rate/2:])/before)
	}
	for _, decibels := range []float64{-6, 0, 3, 6} {
		require.InDelta(t, decibels, gain(1000, decibels), 0.05)
		require.InDelta(t, 0, gain(50, decibels), 0.1)
		require.InDelta(t, 0, gain(7000, decibels), 0.25)
	}
}
