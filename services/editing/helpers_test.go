package editing

import (
	"math"
	"math/cmplx"
	"math/rand/v2"
	"os"
	"testing"

	"github.com/stretchr/testify/require"
)

// edit runs operations over a sound in blocks of the sizes that next returns.
func edit(t *testing.T, sound []float32, in Format, next func() int, operations ...string) ([]float32, Format) {
	t.Helper()
	dir := t.TempDir()
	in.Frames = float64(len(sound) / in.Channels)
	chain, err := New(parse(t, operations...), in, Env{Dir: dir, MaxBytes: 1 << 30, MaxSeconds: 1e6, Open: shelfOf().open})
	require.NoError(t, err)
	var out []float32
	collect := func(block []float32) error {
		out = append(out, block...)
		return nil
	}
	rest := append([]float32(nil), sound...)
	for len(rest) > 0 && !chain.Full() {
		n := min(next()*in.Channels, len(rest))
		require.NoError(t, chain.Process(rest[:n], collect))
		rest = rest[n:]
	}
	require.NoError(t, chain.Flush(collect))
	require.NoError(t, chain.Close())
	left, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Empty(t, left)
	return out, chain.Output()
}

// whole is a size of blocks.
func whole() int { return 8192 }

func parse(t *testing.T, operations ...string) (list []Operation) {
	t.Helper()
	for _, raw := range operations {
		operation, err := Parse([]byte(raw))
		require.NoError(t, err, raw)
		list = append(list, operation)
	}
	return list
}

// noise returns noise of one amplitude with silent stretches.
func noise(seed uint64, frames, channels int) []float32 {
	random := rand.New(rand.NewPCG(seed, 1))
	list := make([]float32, frames*channels)
	for i := range list {
		if i/channels*4/max(1, frames) != 2 { // the third quarter is silent
			list[i] = random.Float32() - 0.5
		}
	}
	return list
}

// sine returns a tone of amplitude a half.
func sine(hz float64, frames, rate int) []float32 {
	list := make([]float32, frames)
	for i := range list {
		list[i] = float32(math.Sin(2*math.Pi*hz*float64(i)/float64(rate)) / 2)
	}
	return list
}

// magnitude returns the magnitude of a signal at a frequency.
func magnitude(signal []float64, hz, rate float64) float64 {
	var sum complex128
	turn, step := complex(1, 0), cmplx.Rect(1, -2*math.Pi*hz/rate)
	for _, v := range signal {
		sum += complex(v, 0) * turn
		turn *= step
	}
	return cmplx.Abs(sum)
}

// toneHz returns the mean frequency of a tone near a frequency, by the phase from window
// to window.
func toneHz(signal []float32, near, rate float64) float64 {
	window, hop := int(rate/10), int(rate/100)
	hann := make([]float64, window)
	for i := range hann {
		hann[i] = 1 - math.Cos(2*math.Pi*float64(i)/float64(window))
	}
	var total, last float64
	n := 0
	for at := window; at+2*window < len(signal); at += hop {
		var sum complex128
		turn, step := cmplx.Rect(1, -2*math.Pi*near*float64(at)/rate), cmplx.Rect(1, -2*math.Pi*near/rate)
		for i, v := range signal[at : at+window] {
			sum += complex(float64(v)*hann[i], 0) * turn
			turn *= step
		}
		phase := cmplx.Phase(sum)
		if at > window {
			total += math.Remainder(phase-last, 2*math.Pi)
			n++
		}
		last = phase
	}
	return near + total/(2*math.Pi)*rate/float64(n*hop)
}

func cents(a, b float64) float64 { return 1200 * math.Log2(a/b) }
