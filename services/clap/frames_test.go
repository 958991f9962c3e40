package clap

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/grym-synth/grym-synth/services"
	"github.com/grym-synth/grym-synth/services/tasks"
)

// TestWindowsOfFramesAreThoseOfClips compares the vectors of windows with those of clips
// cut out of the recording, for a model that sees each window by itself, and for one with
// frames, whose frames see what is around them.
func TestWindowsOfFramesAreThoseOfClips(t *testing.T) {
	t.Parallel()
	s := randomService(t)
	for _, c := range []struct {
		model   string
		rate    int
		seconds float64
		least   float64
	}{{"ast", 16000, 2.6, 0.99999}, {"", 16000, 23, 0.5}} {
		samples := made(c.rate, c.seconds, 2)
		got, _ := run[*tasks.Embedding](t, s, tasks.Embed, c.model, `{"frames":true,"frame_windows":[1.2,2],"frame_hop":0.6,"space":"sound"}`,
			written(t, c.rate, samples))
		require.Len(t, got.FrameEmbeddings, 2)
		for i, window := range []float64{1.2, 2} {
			track := got.FrameEmbeddings[i]
			require.InDelta(t, window, track.Window, 1e-6)
			require.InDelta(t, 0.6, track.Hop, 1e-6)
			require.InDelta(t, 1+int((c.seconds-window)/0.6+1e-9), len(track.Embeddings), 1)
			for n, vector := range track.Embeddings {
				require.InDelta(t, 1, length(vector), 1e-5)
				if n%5 != 0 {
					continue
				}
				from := int(float64(n) * 0.6 * float64(c.rate))
				clip := samples[from:min(len(samples), from+int(window*float64(c.rate)))]
				alone, _ := run[*tasks.Embedding](t, s, tasks.Embed, c.model, `{"space":"sound"}`, written(t, c.rate, clip))
				require.Greater(t, like(alone.Vector, vector), c.least, "%s, window %d of %v s", c.model, n, window)
			}
		}
	}
}

func like(a, b []float32) float64 {
	wide := make([]float64, len(a))
	for i, v := range a {
		wide[i] = float64(v)
	}
	return cosine(wide, b)
}

// TestFramesDoNotDependOnChunks compares windows inside of a chunk and across two with those
// of a recording that begins elsewhere, so that the chunks do too.
func TestFramesDoNotDependOnChunks(t *testing.T) {
	t.Parallel()
	s := newService(t, t.TempDir())
	samples := made(16000, 34, 3)
	const shift = 4 // seconds
	params := `{"frames":true,"frame_windows":[1],"frame_hop":0.4}`
	one, _ := run[*tasks.Embedding](t, s, tasks.Embed, "", params, written(t, 16000, samples))
	two, _ := run[*tasks.Embedding](t, s, tasks.Embed, "", params, written(t, 16000, samples[shift*16000:]))
	require.Len(t, one.FrameEmbeddings[0].Embeddings, len(two.FrameEmbeddings[0].Embeddings)+shift*10/4)
	for n, vector := range two.FrameEmbeddings[0].Embeddings {
		if n < 3 {
			continue // these see the beginning
		}
		require.Greater(t, like(one.FrameEmbeddings[0].Embeddings[n+shift*10/4], vector), 0.999999, "window %d", n)
	}
}

// TestALongRecordingIsTheMeanOfItsParts compares a recording of two and a half windows with
// the weighted mean of the vectors of these.
func TestALongRecordingIsTheMeanOfItsParts(t *testing.T) {
	t.Parallel()
	s := randomService(t)
	samples := made(16000, 2.5, 4)
	all, _ := run[*tasks.Embedding](t, s, tasks.Embed, "ast", `{"window_seconds":1}`, written(t, 16000, samples))
	sums := make([]float64, all.Dimensions)
	for i, part := range [][]float32{samples[:16000], samples[16000:32000], samples[32000:]} {
		one, _ := run[*tasks.Embedding](t, s, tasks.Embed, "ast", "", written(t, 16000, part))
		for d, v := range one.Vector {
			sums[d] += float64(v) * []float64{1, 1, 0.5}[i]
		}
	}
	require.Greater(t, cosine(sums, all.Vector), 0.999999)
	// One window has all of it.
	whole, _ := run[*tasks.Embedding](t, s, tasks.Embed, "", `{"window_seconds":0}`, written(t, 16000, samples))
	alone, _ := run[*tasks.Embedding](t, s, tasks.Embed, "", "", written(t, 16000, samples))
	require.Equal(t, alone.Vector, whole.Vector)
	err := refused(t, s, tasks.Embed, "ast", `{"window_seconds":0}`, written(t, 16000, made(16000, 11, 1)))
	require.Equal(t, services.KindTooLarge, services.KindOf(err))
}

// TestASliderCutsEveryWindowOnce adds units one by one and in blocks.
func TestASliderCutsEveryWindowOnce(t *testing.T) {
	t.Parallel()
	for _, block := range []int{1, 3, 100} {
		var got [][]float32
		add := func(units []float32) { got = append(got, append([]float32(nil), units...)) }
		s := &slider{width: 1, tracks: []*track{
			{window: 4, hop: 4, rest: true, take: taking(add)}, {window: 3, hop: 5, take: taking(add)}, {window: 50, hop: 1, take: taking(add)},
		}}
		for from := 0; from < 10; from += block {
			var units []float32
			for i := from; i < min(10, from+block); i++ {
				units = append(units, float32(i))
			}
			require.NoError(t, s.add(t.Context(), units))
		}
		require.NoError(t, s.end(t.Context()))
		require.ElementsMatch(t, [][]float32{
			{0, 1, 2, 3}, {4, 5, 6, 7}, {8, 9}, {0, 1, 2}, {5, 6, 7}, {0, 1, 2, 3, 4, 5, 6, 7, 8, 9},
		}, got, "blocks of %d", block)
	}
}
