package patterns

import (
	"context"
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/grym-synth/grym-synth/services"
	"github.com/grym-synth/grym-synth/services/audiofile"
)

func TestSurroundingsOfScores(t *testing.T) {
	t.Parallel()
	require.InDelta(t, math.Log(2), nearness(0.5), 1e-12)
	require.InDelta(t, math.Log(1000), nearness(1), 1e-12, "bounded")
	// 44 s have ten best and thirty others.
	var scores []float64
	for i := range 60 {
		scores = append(scores, 0.9-0.01*float64(i))
	}
	s := surround(scores, 44)
	require.InDelta(t, 0.895, s.highest, 1e-12)
	require.InDelta(t, nearness(0.895), s.top, 1e-12)
	ten := 0.0
	for _, v := range scores[:10] {
		ten += nearness(v) / 10
	}
	require.InDelta(t, ten, s.ten, 1e-12)
	require.InDelta(t, 0.9-0.01*24.5, s.median, 1e-12, "of those from the 10th to the 39th")
	require.InDelta(t, 1.5*0.075+0.02, s.deviation, 1e-9)
	half := surround(scores, 22) // five best and fifteen others
	require.InDelta(t, 0.9-0.01*12, half.median, 1e-12)
	require.InDelta(t, 1.5*0.04+0.02, half.deviation, 1e-9)
	few := surround([]float64{0.7, 0.3}, 44)
	require.InDelta(t, 0.5, few.highest, 1e-12)
	require.InDelta(t, 0.3, few.median, 1e-12, "the last stands for the others")
	require.InDelta(t, 0.02, few.deviation, 1e-12)
	one := surround([]float64{0.7}, 1)
	require.InDelta(t, 0.7, one.highest, 1e-12)
	require.InDelta(t, nearness(0.7), one.ten, 1e-12)
	mixed := surroundMixed(scores, 44)
	require.InDelta(t, 0.895, mixed.top, 1e-12)
	require.InDelta(t, s.deviation+0.18, mixed.deviation, 1e-12)

	require.InDelta(t, 0.03, gap(scores, 5), 1e-12)
	require.InDelta(t, 0.02, gap(scores, 57), 1e-12)
	require.Zero(t, gap(scores, 59))
	terms := []term{{2, -1, 1}, {-3, 0, 5}}
	require.InDelta(t, 2*0.5-3*2, logitOf(terms, 0.5, 2), 1e-12)
	require.InDelta(t, 2*1-3*5, logitOf(terms, 7, 9), 1e-12)
	require.InDelta(t, -2, logitOf(terms, -7, -9), 1e-12)
}

func TestTheBestWindowsOfABlock(t *testing.T) {
	t.Parallel()
	var block []window
	for i := range 200 {
		block = append(block, window{start: float64(i), end: float64(i) + 1.2, score: float64((i * 37) % 200)})
	}
	for seconds, want := range map[float64]int{1: 10, 7: 10, 11: 15, 44: 60, 88: 120} {
		got := best(block, seconds)
		require.Len(t, got, want, "%v s", seconds)
		for i := range got[1:] {
			require.Greater(t, got[i].score, got[i+1].score)
		}
	}
	near := []window{{start: 0, end: 1, score: 1}, {start: 0.5, end: 1.5, score: 2}, {start: 2, end: 3, score: 0}}
	require.Equal(t, []window{near[1], near[2]}, best(near, 44))
	require.Empty(t, best(nil, 44))
}

func TestTheAcceptedProbabilityMaximisesF1(t *testing.T) {
	t.Parallel()
	logit := func(p float64) float64 { return math.Log(p / (1 - p)) }
	for name, c := range map[string]struct {
		p    []float64
		want float64
	}{
		"certain":    {[]float64{0.99, 0.98, 0.01}, 0.494975}, // 2*1.97/(2+1.98)/2
		"improbable": {[]float64{0.05, 0.04}, 0.3},
		"nothing":    {nil, 0.3},
		"half":       {[]float64{0.2, 0.9, 0.5}, 0.388889}, // 2*1.4/(2+1.6)/2
	} {
		var got calibrated
		for _, p := range c.p {
			got.logits = append(got.logits, logit(p))
		}
		require.InDelta(t, logit(c.want), got.accepted(), 2e-3, name)
	}
}

func TestTheScaleOfAPattern(t *testing.T) {
	t.Parallel()
	p := pattern{}
	p.Head.Prototype = angle(10)
	p.Derived.ExamplesMean, p.Derived.Background = 0.9, 0.3
	shots := [][]vector{{angle(0), angle(5)}, {angle(20), angle(25)}}
	s := scaleOf(p, shots)
	require.InDelta(t, nearness(0.9), s.examples, 1e-9)
	require.InDelta(t, nearness(0.3), s.background, 1e-9)
	clean := (cosine(22.5) + cosine(17.5)) / 2 // each example by the other and its copy
	require.InDelta(t, nearness(clean), s.clean, 1e-4)
	require.InDeltaSlice(t, float64s(angle(10)), float64s(s.original), 1e-6)
	require.Len(t, s.shots, 4)
	require.InDelta(t, cosine(1), s.closest(angle(26)), 1e-6)
	require.InDelta(t, nearness(0.9), scaleOf(p, shots[:1]).clean, 1e-9, "of a single example")
	require.Nil(t, scaleOf(p, nil))
	require.Nil(t, scaleOf(p, [][]vector{{}}))
	require.Nil(t, scaleOf(pattern{}, shots))
	target := &target{counters: []vector{angle(30)}, scale: s}
	require.False(t, target.isCounter(window{at: angle(19)}))
	require.False(t, target.isCounter(window{at: angle(20)}), "as near to both")
	require.True(t, target.isCounter(window{at: angle(21)}))
}

func TestABlockIsDecidedOnceTheNextIsLongEnough(t *testing.T) {
	t.Parallel()
	r := seeded(81)
	p, e := axis(r)
	x := targetOf(p, e)
	x.settle(89)
	require.Zero(t, x.from)
	x.settle(90)
	require.InDelta(t, 60, x.from, 0)
	x.settle(149)
	require.InDelta(t, 60, x.from, 0)
	x.settle(270)
	require.InDelta(t, 240, x.from, 0)
}

func TestPartsOfARecordingAreRead(t *testing.T) {
	t.Parallel()
	whole := sound{rate: 8000}
	for i := range 20_000 { // 2.5 s in more than one block
		whole.samples = append(whole.samples, float32(i)/20_000)
	}
	require.InDelta(t, 2.5, whole.seconds(), 1e-12)
	read := func(start, end, most float64) (sound, error) {
		d, err := decode(whole.source(), audiofile.DefaultLimits())
		require.NoError(t, err)
		defer d.close()
		require.InDelta(t, 2.5, d.length(), 1e-9)
		return readSpan(t.Context(), d, start, end, most)
	}
	for _, c := range []struct {
		start, end, most float64
		from, to         int
		says             string
	}{
		{0, 0, 10, 0, 20_000, ""},
		{0, 9, 10, 0, 20_000, ""},
		{1, 2, 1, 8000, 16_000, ""},
		{1.0001, 1.001, 1, 8001, 8008, ""},
		{2, 0, 1, 16_000, 20_000, ""},
		{2.5, 3, 1, 0, 0, ""},
		{2.6, 3, 1, 0, 0, "begins at 2.600 s, but the recording has 2.500 s"},
		{0, 2, 1.9, 0, 0, "must be at most 1.9 s long"},
		{0, 0, 2.5, 0, 20_000, ""},
		{0, 0, 2.4, 0, 0, "must be at most 2.4 s long"},
	} {
		got, err := read(c.start, c.end, c.most)
		if c.says != "" {
			require.ErrorContains(t, err, c.says)
			continue
		}
		require.NoError(t, err, c)
		require.Equal(t, 8000, got.rate)
		require.Equal(t, append([]float32(nil), whole.samples[c.from:c.to]...), append([]float32(nil), got.samples...), c)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	d, err := decode(whole.source(), audiofile.DefaultLimits())
	require.NoError(t, err)
	defer d.close()
	_, err = readSpan(ctx, d, 0, 0, 10)
	require.ErrorIs(t, err, context.Canceled)
	_, err = decode(wave("nonsense"), audiofile.DefaultLimits())
	require.Error(t, err)
}

func TestFaultsGetTheNameOfTheirField(t *testing.T) {
	t.Parallel()
	for field, want := range map[string]string{"": "spans[1]", "file": "spans[1]", "audio_id": "spans[1]", "end": "spans[1].end"} {
		require.ErrorContains(t, fieldFault(services.Invalidf(field, "is odd"), "spans[1]"), want+" is odd")
	}
	plain := services.Internal(nil, "broken")
	require.Equal(t, error(plain), fieldFault(plain, "x"))
	require.ErrorIs(t, fieldFault(context.Canceled, "x"), context.Canceled)
}

func TestLimitsOfTheConfiguration(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		cfg  Config
		says string
	}{
		{DefaultConfig(), ""},
		{Config{MaxPatterns: 1}, ""},
		{Config{MaxPatterns: 0}, "maxPatterns: must be 1 to 10000, got 0"},
		{Config{MaxPatterns: 10_000, Model: "clap"}, ""},
		{Config{MaxPatterns: 10_001}, "maxPatterns: must be 1 to 10000, got 10001"},
		{Config{MaxPatterns: 1, Model: "a b"}, "model: must be the name of a model"},
	} {
		errs := c.cfg.Validate()
		if c.says == "" {
			require.Empty(t, errs)
			continue
		}
		require.Len(t, errs, 1)
		require.ErrorContains(t, errs[0], c.says)
	}
}

func TestNamesOfPatterns(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	for name, good := range map[string]bool{
		"door bell": true, "Türklingel": true, "a": true, "": false, " a": false, "a ": false, "a\tb": false, "a\x1fb": false, "a\x7fb": false,
		"a\u0085b": false, "pat_" + "abcdefghijklmnopqrstuvwxyz": false,
	} {
		err := b.checkName("me", name, "")
		if good {
			require.NoError(t, err, "%q", name)
		} else {
			require.ErrorContains(t, err, "name must be a text without surrounding spaces and control characters", "%q", name)
		}
	}
}
