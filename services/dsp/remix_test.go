package dsp_test

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/grym-synth/grym-synth/services/dsp"
)

func TestRemix(t *testing.T) {
	t.Parallel()
	require.Equal(t, []float32{1, 2, 3}, dsp.Remix(nil, []float32{1, 2, 3}, 3, 3))
	require.Equal(t, []float32{2, 0}, dsp.Remix(nil, []float32{1, 3, -1, 1}, 2, 1))
	require.Equal(t, []float32{1, 1, 2, 2}, dsp.Remix(make([]float32, 9), []float32{1, 2}, 1, 2))
	// 5.1: left, right, centre, low frequencies, both surrounds. The weights of
	// ITU-R BS.775 are 1, 0.7071 and 0.7071; their sum is 2.4142.
	got := dsp.Remix(nil, []float32{1, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 9, 0, 0, 0, 0, 0, 0, 0, 1}, 6, 2)
	for i, want := range []float64{0.41421, 0, 0.29289, 0.29289, 0, 0, 0, 0.29289} {
		require.InDelta(t, want, got[i], 1e-5, "value %d", i)
	}
	for from := 3; from <= 8; from++ { // full scale everywhere does not clip
		loud := make([]float32, from)
		for i := range loud {
			loud[i] = 1
		}
		got := dsp.Remix(nil, loud, from, 2)
		require.LessOrEqual(t, got[0], float32(1.000001))
		require.Equal(t, got[0], got[1], "both sides alike")
	}
	for _, bad := range [][2]int{{0, 1}, {3, 4}, {1, 3}, {9, 2}, {2, 0}} {
		require.False(t, dsp.CanRemix(bad[0], bad[1]), "%v", bad)
		require.Panics(t, func() { dsp.Remix(nil, nil, bad[0], bad[1]) })
	}
}

// Every channel equals the output of a Resampler of its own, for any division into
// blocks.
func TestConverterIsAResamplerForEachChannel(t *testing.T) {
	t.Parallel()
	const frames = 20000
	for _, channels := range [][2]int{{1, 1}, {2, 2}, {3, 3}, {2, 1}, {1, 2}, {6, 2}} {
		from, to := channels[0], channels[1]
		in := make([]float32, frames*from)
		for i := range in {
			in[i] = float32(math.Sin(float64(i*i) / 1e6))
		}
		for _, rates := range [][2]int{{48000, 16000}, {22050, 44100}, {16000, 16000}} {
			c, err := dsp.NewConverter(rates[0], rates[1], from, to)
			require.NoError(t, err)
			for range 2 { // it is reset
				var got []float32
				for rest := in; len(rest) > 0; {
					n := min(len(rest), 777*from)
					got = append(got, c.Process(rest[:n])...)
					rest = rest[n:]
				}
				got = append(got, c.Flush()...)
				require.Len(t, got, int(c.OutputLen(frames))*to)
				mixed := in
				if to < from {
					mixed = dsp.Remix(nil, in, from, to)
				}
				for channel := range to {
					r, err := dsp.NewResampler(rates[0], rates[1])
					require.NoError(t, err)
					var one []float32
					for at := channel % min(from, to); at < len(mixed); at += min(from, to) {
						one = append(one, mixed[at])
					}
					for i, want := range r.Flush(r.Process(nil, one)) {
						if got[i*to+channel] != want {
							t.Fatalf("%v %v: frame %d of channel %d is %v, want %v", channels, rates, i, channel, got[i*to+channel], want)
						}
					}
				}
			}
		}
	}
	_, err := dsp.NewConverter(16000, 16000, 3, 5)
	require.ErrorContains(t, err, "convert 3 channels to 5")
	_, err = dsp.NewConverter(16000, 1, 1, 1)
	require.Error(t, err)
}
