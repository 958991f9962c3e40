package analysis

import (
	"encoding/json"
	"math"
	"os"
	"testing"

	"github.com/stretchr/testify/require"
)

// glide is the sound of testdata/series.py.
func glide() []float32 {
	const seconds = 3
	out := make([]float32, seconds*frameRateHz)
	state := uint64(12345)
	for i := range out {
		state = (1103515245*state + 12345) % (1 << 31)
		noise := float64(state)/(1<<30) - 1
		t := float64(i) / frameRateHz
		phase := 2 * math.Pi * (180*t + 40*t*t)
		var x float64
		for k := 1.0; k <= 8; k++ {
			x += math.Sin(k*phase) / k
		}
		out[i] = float32(0.2*x*math.Exp(-6*math.Mod(t, 0.5)) + 0.01*noise)
	}
	return out
}

func tone(rate int, seconds, hz, amplitude float64, channels int) []float32 {
	frames := int(seconds * float64(rate))
	out := make([]float32, 0, frames*channels)
	for i := range frames {
		for range channels {
			out = append(out, float32(amplitude*math.Sin(2*math.Pi*hz*float64(i)/float64(rate))))
		}
	}
	return out
}

// analyze writes samples in blocks of odd lengths.
func analyze(t *testing.T, cfg Config, samples []float32) *Report {
	t.Helper()
	if cfg.SilenceSeconds == 0 {
		cfg.SilenceDBFS, cfg.SilenceSeconds = -60, 0.5
	}
	a, err := New(cfg)
	require.NoError(t, err)
	for block := 1; len(samples) > 0; block = block%4001 + 613 {
		n := min(len(samples), block*cfg.Channels)
		a.Write(samples[:n])
		samples = samples[n:]
	}
	return a.Finish()
}

func TestSeriesAgainstLibrosa(t *testing.T) {
	t.Parallel()
	raw, err := os.ReadFile("testdata/librosa.json")
	require.NoError(t, err)
	var want map[string][]float64
	require.NoError(t, json.Unmarshal(raw, &want))
	names := make([]string, 0, len(want))
	for name := range want {
		names = append(names, name)
	}
	report := analyze(t, Config{SampleRateHz: frameRateHz, Channels: 1, Series: names}, glide())
	for name, values := range want {
		got := report.Series[name]
		require.NotNil(t, got, name)
		width := max(1, got.Values.Width)
		rows := len(got.Values.All) / width
		require.Equal(t, 1+3*frameRateHz/hopSamples, rows, name)
		var squares, errors float64
		for i, v := range values {
			row, column := i/width*5, i%width
			d := float64(got.Values.All[row*width+column]) - v
			squares += v * v
			errors += d * d
		}
		require.Less(t, math.Sqrt(errors/squares), 1e-3, name)
	}
}

// TestLoudnessOfEBUSignals has the signals of EBU Tech 3341 and 3342 that need no
// recording, with their tolerances.
func TestLoudnessOfEBUSignals(t *testing.T) {
	t.Parallel()
	const rate = 48000
	signal := func(parts ...float64) []float32 { // level, seconds, ...
		var out []float32
		for i := 0; i < len(parts); i += 2 {
			out = append(out, tone(rate, parts[i+1], 1000, math.Pow(10, parts[i]/20), 2)...)
		}
		return out
	}
	loudness := func(samples []float32) *Loudness {
		return analyze(t, Config{SampleRateHz: rate, Channels: 2, Features: []Feature{FeatureLoudness}}, samples).Loudness
	}
	for _, c := range []struct {
		name    string
		samples []float32
		want    float64
	}{
		{"3341 case 1", signal(-23, 20), -23},
		{"3341 case 2", signal(-33, 20), -33},
		{"3341 case 3", signal(-36, 10, -23, 60, -36, 10), -23},
		{"3341 case 4", signal(-72, 10, -36, 10, -23, 60, -36, 10, -72, 10), -23},
		{"3341 case 5", signal(-26, 20, -20, 20.1, -26, 20), -23},
	} {
		require.InDelta(t, c.want, *loudness(c.samples).IntegratedLUFS, 0.1, c.name)
	}
	for _, c := range []struct {
		name    string
		samples []float32
		want    float64
	}{
		{"3342 case 1", signal(-20, 20, -30, 20), 10},
		{"3342 case 2", signal(-20, 20, -15, 20), 5},
		{"3342 case 3", signal(-40, 20, -20, 20), 20},
		{"3342 case 4", signal(-50, 20, -35, 20, -20, 20, -35, 20, -50, 20), 15},
	} {
		require.InDelta(t, c.want, *loudness(c.samples).RangeLU, 1, c.name)
	}
	for _, i := range []int{1, 7} { // 3341 cases 11 and 14: the beginning of the tone does not matter
		short := loudness(append(make([]float32, 2*int(0.15*float64(i)*rate)), signal(-23, 3, -200, 1)...))
		require.InDelta(t, -23, *short.ShortTermMaxLUFS, 0.1, "start %d", i)
		momentary := loudness(append(make([]float32, 2*int(0.02*float64(i)*rate)), signal(-23, 0.4, -200, 1)...))
		require.InDelta(t, -23, *momentary.MomentaryMaxLUFS, 0.1, "start %d", i)
	}
}

// TestLoudnessOfFiveChannels is case 6 of EBU Tech 3341.
func TestLoudnessOfFiveChannels(t *testing.T) {
	t.Parallel()
	const rate = 48000
	samples := tone(rate, 20, 1000, 1, 5)
	for i := range samples {
		samples[i] *= float32(math.Pow(10, []float64{-28, -28, -24, -30, -30}[i%5]/20))
	}
	report := analyze(t, Config{SampleRateHz: rate, Channels: 5, Features: []Feature{FeatureLoudness}}, samples)
	require.InDelta(t, -23, *report.Loudness.IntegratedLUFS, 0.1)
}

// TestTruePeaksOfEBUSignals has cases 15 to 19 of EBU Tech 3341: no sample lies on the
// peak of the wave.
func TestTruePeaksOfEBUSignals(t *testing.T) {
	t.Parallel()
	const rate = 48000
	for _, c := range []struct{ divisor, degrees, amplitude, want float64 }{
		{4, 0, 0.5, -6.02}, {4, 45, 0.5, -6.02}, {6, 60, 0.5, -6.02}, {8, 67.5, 0.5, -6.02}, {4, 45, 1.41, 2.98},
	} {
		samples := make([]float32, rate)
		for i := range samples {
			fade := min(1, float64(min(i, len(samples)-1-i))/480)
			samples[i] = float32(fade * c.amplitude * math.Sin(2*math.Pi*(float64(i)/c.divisor+c.degrees/360)))
		}
		report := analyze(t, Config{SampleRateHz: rate, Channels: 1, Features: []Feature{FeatureLoudness}}, samples)
		require.InDelta(t, c.want, *report.Loudness.TruePeakDBTP, 0.1, c)
	}
}

func TestLevelsAndSilence(t *testing.T) {
	t.Parallel()
	samples := tone(8000, 1, 440, 0.5, 2)
	samples = append(samples, make([]float32, 2*8000)...)
	samples = append(samples, 1, -1)
	report := analyze(t, Config{SampleRateHz: 8000, Channels: 2, Features: []Feature{FeatureLevels, FeatureSilence}}, samples)
	require.InDelta(t, 0, *report.Levels.PeakDBFS, 1e-6)
	require.InDelta(t, -9.03-3.01, *report.Levels.RMSDBFS, 0.02)
	require.InDelta(t, 12.04, *report.Levels.CrestDB, 0.02)
	require.EqualValues(t, 2, report.Levels.ClippedSamples)
	require.InDelta(t, 0, report.Levels.DC, 1e-6)
	require.Equal(t, []Span{{Start: 1, End: 2}}, report.Silence.Segments)
	require.InDelta(t, 0.5, report.Silence.Share, 0.001)
}

// TestNothingIsNotANumber: every feature and series of silence, of one sample and of
// nothing can be encoded.
func TestNothingIsNotANumber(t *testing.T) {
	t.Parallel()
	for _, samples := range [][]float32{nil, {0}, {1}, make([]float32, 9000), tone(8000, 0.05, 100, 1, 1)} {
		report := analyze(t, Config{SampleRateHz: 8000, Channels: 1, Features: Features(), Series: SeriesNames()}, samples)
		_, err := json.Marshal(report)
		require.NoError(t, err)
	}
	report := analyze(t, Config{SampleRateHz: 8000, Channels: 1, Features: Features()}, make([]float32, 9000))
	require.Nil(t, report.Levels.PeakDBFS)
	require.Nil(t, report.Loudness.IntegratedLUFS)
	require.Nil(t, report.Pitch.MedianHz)
	require.Nil(t, report.Tempo.BPM)
	require.Nil(t, report.Spectrum.CentroidHz.Mean)
	require.Nil(t, report.Noise.FloorDBFS)
	require.Empty(t, report.Onsets)
	require.InDelta(t, 1, report.Silence.Share, 1e-9)
}

func TestPitchOfTones(t *testing.T) {
	t.Parallel()
	for _, rate := range []int{8000, 48000} {
		for _, hz := range []float64{50, 82.4, 110, 220, 440, 880, 1234.5, 1900, 2000} {
			report := analyze(t, Config{SampleRateHz: rate, Channels: 1, Features: []Feature{FeaturePitch}}, tone(rate, 1, hz, 0.3, 1))
			require.InEpsilon(t, hz, *report.Pitch.MedianHz, 0.005, "%v Hz at %d", hz, rate)
			require.Greater(t, report.Pitch.VoicedShare, 0.9, "%v Hz at %d", hz, rate)
		}
	}
}

func TestPitchOfNoise(t *testing.T) {
	t.Parallel()
	samples := make([]float32, 3*22050)
	state := uint64(1)
	for i := range samples {
		state = (1103515245*state + 12345) % (1 << 31)
		samples[i] = float32(state)/(1<<30) - 1
	}
	report := analyze(t, Config{SampleRateHz: 22050, Channels: 1, Features: []Feature{FeaturePitch}}, samples)
	require.Less(t, report.Pitch.VoicedShare, 0.05)
}

// drums returns a bar pattern: a deep drum on the beat and short noises between.
func drums(rate int, bpm, seconds float64, between []float64) (samples []float32, times []float64) {
	samples = make([]float32, int(seconds*float64(rate)))
	state := uint64(7)
	hit := func(at float64, deep bool) {
		times = append(times, at)
		for i := range rate / 8 {
			t := float64(i) / float64(rate)
			n := int(at*float64(rate)) + i
			if n >= len(samples) {
				return
			}
			state = (1103515245*state + 12345) % (1 << 31)
			v := 0.2 * (float64(state)/(1<<30) - 1) * math.Exp(-t*90)
			if deep {
				v = 0.7 * math.Sin(2*math.Pi*70*t) * math.Exp(-t*25) * (1 - 8*t)
			}
			samples[n] += float32(v)
		}
	}
	for beat := 0.0; beat*60/bpm < seconds-0.2; beat++ {
		hit(beat*60/bpm+0.05, true)
		for _, part := range between {
			if at := (beat+part)*60/bpm + 0.05; at < seconds-0.2 {
				hit(at, false)
			}
		}
	}
	return samples, times
}

func TestTempoAndOnsets(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		bpm     float64
		between []float64
	}{{66, []float64{0.5}}, {90, []float64{1.0 / 3, 2.0 / 3}}, {120, nil}, {140, []float64{0.5}}, {168, []float64{0.5}}} {
		samples, times := drums(44100, c.bpm, 20, c.between)
		report := analyze(t, Config{SampleRateHz: 44100, Channels: 1, Features: []Feature{FeatureTempo, FeatureOnsets}}, samples)
		require.NotNil(t, report.Tempo.BPM, "%v", c)
		require.InEpsilon(t, c.bpm, *report.Tempo.BPM, 0.04, "%v", c)
		found := 0
		for _, want := range times {
			for _, onset := range report.Onsets {
				if math.Abs(onset.Time-want) <= 0.05 {
					found++
					break
				}
			}
		}
		require.GreaterOrEqual(t, found, len(times)*9/10, "%v", c)
		require.LessOrEqual(t, len(report.Onsets), len(times)*11/10, "%v", c)
	}
}

func TestKey(t *testing.T) {
	t.Parallel()
	// A cadence in D major: D, G, A7, D.
	chords := [][]float64{{293.66, 369.99, 440}, {293.66, 392, 493.88}, {277.18, 329.63, 440, 392}, {293.66, 369.99, 440}}
	var samples []float32
	for _, chord := range chords {
		part := make([]float32, 22050)
		for _, hz := range chord {
			for i, v := range tone(22050, 1, hz, 0.15, 1) {
				part[i] += v
			}
		}
		samples = append(samples, part...)
	}
	report := analyze(t, Config{SampleRateHz: 22050, Channels: 1, Features: []Feature{FeatureKey}}, samples)
	require.Equal(t, "D", report.Key.Tonic)
	require.Equal(t, "major", report.Key.Mode)
}

func TestUnknownNames(t *testing.T) {
	t.Parallel()
	_, err := New(Config{SampleRateHz: 8000, Channels: 1, Features: []Feature{"volume"}})
	require.ErrorContains(t, err, `"volume"`)
	_, err = New(Config{SampleRateHz: 8000, Channels: 1, Series: []string{"volume"}})
	require.ErrorContains(t, err, `"volume"`)
}

func TestValuesSurviveJSON(t *testing.T) {
	t.Parallel()
	for _, raw := range []string{`[]`, `[1,null,2.5]`, `[[1,2],[null,4]]`} {
		var v Values
		require.NoError(t, json.Unmarshal([]byte(raw), &v))
		out, err := json.Marshal(v)
		require.NoError(t, err)
		require.Equal(t, raw, string(out))
	}
}
