package editing

import (
	"fmt"
	"math"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/grym-synth/grym-synth/services/analysis"
)

// report measures a sound.
func report(t *testing.T, sound []float32, in Format) *analysis.Report {
	t.Helper()
	a, err := analysis.New(analysis.Config{
		SampleRateHz: in.SampleRateHz, Channels: in.Channels, SilenceDBFS: -60, SilenceSeconds: 0.05,
		Features: []analysis.Feature{analysis.FeatureLevels, analysis.FeatureLoudness, analysis.FeatureSilence},
	})
	require.NoError(t, err)
	a.Write(sound)
	return a.Finish()
}

func TestNormalize(t *testing.T) {
	t.Parallel()
	in := Format{SampleRateHz: 48000, Channels: 2}
	sound := noise(1, 48000*2, 2)
	out, _ := edit(t, sound, in, whole, `{"op":"normalize","mode":"peak","target":-3}`)
	require.InDelta(t, -3, *report(t, out, in).Levels.PeakDBFS, 0.001)
	out, _ = edit(t, sound, in, whole, `{"op":"normalize","mode":"rms","target":-30}`)
	require.InDelta(t, -30, *report(t, out, in).Levels.RMSDBFS, 0.001)
	out, _ = edit(t, sound, in, whole, `{"op":"normalize","mode":"loudness"}`)
	require.InDelta(t, -23, *report(t, out, in).Loudness.IntegratedLUFS, 0.001)

	// The true peak limits the gain.
	out, _ = edit(t, sound, in, whole, `{"op":"normalize","mode":"loudness","target":-5,"true_peak_dbtp":-2}`)
	loudness := report(t, out, in).Loudness
	require.InDelta(t, -2, *loudness.TruePeakDBTP, 0.001)
	require.Less(t, *loudness.IntegratedLUFS, -5.0)

	// The earlier operations count.
	out, _ = edit(t, sound, in, whole, `{"op":"low_pass","frequency":500}`, `{"op":"normalize","mode":"loudness","target":-30}`)
	require.InDelta(t, -30, *report(t, out, in).Loudness.IntegratedLUFS, 0.001)

	silence := make([]float32, 2000)
	for _, mode := range []string{"peak", "rms", "loudness"} {
		out, _ = edit(t, silence, in, whole, `{"op":"normalize","mode":"`+mode+`"}`)
		require.Equal(t, silence, out)
	}
}

func TestLimiter(t *testing.T) {
	t.Parallel()
	in := Format{SampleRateHz: 48000, Channels: 2}
	sound := noise(9, 48000, 2)
	for i := 0; i < len(sound); i += 7000 {
		sound[i] = 3
	}
	for _, ahead := range []float64{0.0005, 0.005, 0.05} {
		out, _ := edit(t, sound, in, whole, fmt.Sprintf(`{"op":"limiter","ceiling_dbfs":-6,"look_ahead":%g}`, ahead))
		require.Len(t, out, len(sound))
		require.LessOrEqual(t, float64(slices.Max(out)), amplitude(-6)*(1+1e-6))
		require.Greater(t, float64(slices.Max(out)), amplitude(-6.5))
	}
	out, _ := edit(t, noise(9, 48000, 2), in, whole, `{"op":"limiter","ceiling_dbfs":-6}`)
	require.InDeltaSlice(t, noise(9, 48000, 2), out, 1e-6) // nothing to do, no delay
}

func TestGate(t *testing.T) {
	t.Parallel()
	in := Format{SampleRateHz: 8000, Channels: 1}
	sound := sine(440, 16000, 8000)
	for i := 8000; i < 16000; i++ {
		sound[i] /= 100
	}
	out, _ := edit(t, sound, in, whole, `{"op":"gate","threshold_dbfs":-30,"range_db":40,"attack":0.01,"hold":0.1,"release":0.05}`)
	require.InDeltaSlice(t, sound[400:8700], out[400:8700], 1e-6)
	for i := 9300; i < 16000; i++ {
		require.InDelta(t, sound[i]/100, out[i], 1e-6)
	}
}

func TestRemoveSilence(t *testing.T) {
	t.Parallel()
	in := Format{SampleRateHz: 16000, Channels: 2}
	sound := slices.Concat(make([]float32, 32000), noise(1, 4000, 2)[:4000], make([]float32, 64000), noise(2, 4000, 2)[:4000],
		make([]float32, 4000))
	out, _ := edit(t, sound, in, whole, `{"op":"remove_silence","minimum":0.3,"keep":0.2}`)
	// Silences of 1, 2 and 0.125 s: the first two are shortened to 0.2 s.
	require.InDelta(t, 0.2+0.125+0.2+0.125+0.125, float64(len(out))/2/16000, 0.021)
	silence := report(t, out, in).Silence
	require.Len(t, silence.Segments, 3)
	out, _ = edit(t, sound, in, whole, `{"op":"remove_silence","minimum":0.05,"keep":0}`)
	require.InDelta(t, 0.25, float64(len(out))/2/16000, 0.03)
	require.Empty(t, report(t, out, in).Silence.Segments)
	out, _ = edit(t, make([]float32, 16000), in, whole, `{"op":"remove_silence","keep":0}`)
	require.Empty(t, out)
	out, _ = edit(t, make([]float32, 16000), in, whole, `{"op":"remove_silence"}`)
	require.Len(t, out, 3200)
}

func TestStretchesKeepThePitch(t *testing.T) {
	t.Parallel()
	const rate = 44100
	for _, hz := range []float64{55, 110, 440, 1000, 3000, 9000} {
		for _, factor := range []float64{0.5, 0.8, 1.25, 2} {
			out, _ := edit(t, sine(hz, 2*rate, rate), Format{SampleRateHz: rate, Channels: 1}, whole,
				fmt.Sprintf(`{"op":"time_stretch","factor":%g}`, factor))
			require.InDelta(t, 2*rate/factor, len(out), 1)
			require.InDelta(t, 0, cents(toneHz(out, hz, rate), hz), 5, "%g Hz at %g", hz, factor)
			level := report(t, out, Format{SampleRateHz: rate, Channels: 1}).Levels
			require.InDelta(t, -9.03, *level.RMSDBFS, 0.5, "%g Hz at %g", hz, factor)
		}
		for _, semitones := range []float64{-12, -5, 1, 7, 12} {
			want := hz * math.Pow(2, semitones/12)
			out, _ := edit(t, sine(hz, 2*rate, rate), Format{SampleRateHz: rate, Channels: 1}, whole,
				fmt.Sprintf(`{"op":"pitch_shift","semitones":%g}`, semitones))
			require.Len(t, out, 2*rate)
			require.InDelta(t, 0, cents(toneHz(out, want, rate), want), 5, "%g Hz by %g", hz, semitones)
		}
		out, _ := edit(t, sine(hz, 2*rate, rate), Format{SampleRateHz: rate, Channels: 1}, whole, `{"op":"speed","factor":1.5}`)
		require.InDelta(t, 0, cents(toneHz(out, hz*1.5, rate), hz*1.5), 0.1)
	}
}

func TestAStretchByOneChangesNothing(t *testing.T) {
	t.Parallel()
	sound := noise(1, 20000, 2)
	out, _ := edit(t, sound, Format{SampleRateHz: 16000, Channels: 2}, whole, `{"op":"time_stretch","factor":1}`)
	require.InDeltaSlice(t, sound, out, 1e-6)
}
