package patterns

import (
	"cmp"
	"math"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/grym-synth/grym-synth/services/tasks"
)

func TestLengthsOfWindows(t *testing.T) {
	t.Parallel()
	var lengths []float64
	for n := range windowLengths {
		lengths = append(lengths, windowLength(n))
	}
	require.Equal(t, []float64{0.1, 0.13, 0.17, 0.22, 0.29, 0.37, 0.48, 0.63, 0.82, 1.06, 1.38, 1.79, 2.33, 3.03, 3.94, 5.12, 6.65, 8.65},
		lengths)
	for n, length := range lengths {
		want := 0.5
		if length <= 0.9 {
			want = 0.08
		} else if length <= 3 {
			want = 0.2
		}
		require.Equal(t, want, hopOf(n), "%v s", length)
	}
	for seconds, want := range map[float64][]int{
		0: {0, 1}, 0.1: {0, 1}, 0.113: {0, 1}, 0.115: {0, 1, 2}, 1: {8, 9, 10}, 8.6: {16, 17}, 7.4: {15, 16, 17}, 500: {16, 17},
	} {
		require.Equal(t, want, windowsFor(seconds), "%v s", seconds)
	}
}

func TestStatistics(t *testing.T) {
	t.Parallel()
	mean, deviation := moments(nil)
	require.Zero(t, mean)
	require.Zero(t, deviation)
	mean, deviation = moments([]float64{2, 4, 9})
	require.InDelta(t, 5, mean, 1e-12)
	require.InDelta(t, math.Sqrt(26.0/3), deviation, 1e-12)
	require.Zero(t, quantile(nil, 0.5))
	for part, want := range map[float64]float64{0: 1, 0.25: 1.75, 0.5: 3, 0.99: 7.88, 1: 8} {
		require.InDelta(t, want, quantile([]float64{8, 1, 4, 2}, part), 1e-9, "%v", part)
	}
	require.InDelta(t, 7, quantile([]float64{7}, 0.3), 0)
	require.Equal(t, vector{2, 3}, meanOf([]vector{{1, 2}, {3, 4}, {2, 3}}))
	require.Equal(t, vector{0.6, -0.8}, unit(vector{3, -4}))
	require.Equal(t, vector{0, 0}, unit(vector{0, 0}))
	v := vector{3, 4}
	unit(v)
	require.Equal(t, vector{3, 4}, v, "a copy is scaled")
	require.Equal(t, 0.12346, round(0.123456))
	require.InDelta(t, 0.5, sigmoid(0), 0)
	require.InDelta(t, 0.9, sigmoid(math.Log(9)), 1e-12)
	for n := range 10 {
		a, b := make([]float64, n), make([]float64, n+2)
		want := 0.0
		for i := range a {
			a[i], b[i] = float64(i+2), float64(3*i-1)
			want += a[i] * b[i]
		}
		require.InDelta(t, want, inner(a, b), 1e-9, "%d values", n)
	}
}

func TestVectorsAsText(t *testing.T) {
	t.Parallel()
	v := vector{1, -2.5, float32(math.Inf(1)), 1e-20}
	text, err := v.MarshalText()
	require.NoError(t, err)
	require.Equal(t, "AACAPwAAIMAAAIB/COU8Hg==", string(text))
	var back vector
	require.NoError(t, back.UnmarshalText(text))
	require.Equal(t, v, back)
	require.ErrorContains(t, back.UnmarshalText([]byte("AAA=")), "whole number of float32 values")
	require.Error(t, back.UnmarshalText([]byte("***")))
	require.NoError(t, back.UnmarshalText(nil))
	require.Empty(t, back)
}

func TestPlacedVectorsHaveLengthOne(t *testing.T) {
	t.Parallel()
	require.InDeltaSlice(t, []float64{0.6, 0.8}, float64s((&space{}).place(vector{3, 4})), 1e-6)
	require.Equal(t, vector{0, 0}, (&space{}).place(vector{0, 0}))
	almost := vector{0.6, 0.80000001}
	require.Equal(t, almost, (&space{}).place(slices.Clone(almost)), "of length one already")
	standard := &space{mean: vector{1, 1}, inverse: vector{2, 1}}
	require.InDeltaSlice(t, []float64{0.8, 0.6}, float64s(standard.place(vector{3, 4})), 1e-6)

	apart := &space{}
	require.NoError(t, apart.survey([]vector{{2, 0}, {0, 3}}))
	require.Equal(t, 2, apart.dims)
	require.True(t, apart.known)
	require.Nil(t, apart.mean, "the mean of orthogonal vectors has a length of half")
	crowd := &space{}
	require.NoError(t, crowd.survey([]vector{{2, 0, 2}, {4, 0, 1}, {3, 3, 0}}))
	require.InDeltaSlice(t, []float64{3, 1, 1}, float64s(crowd.mean), 1e-6)
	require.InDeltaSlice(t, []float64{1 / (math.Sqrt(2.0/3) + 1e-5), 1 / (math.Sqrt2 + 1e-5), 1 / (math.Sqrt(2.0/3) + 1e-5)},
		float64s(crowd.inverse), 1e-5)
	require.ErrorContains(t, (&space{model: "m"}).survey(nil), "m returned no vectors")
	require.ErrorContains(t, (&space{model: "m"}).survey([]vector{{}}), "m returned no vectors")
	require.Equal(t, "m@h", (&space{model: "m", hash: "h"}).key())
	require.Equal(t, "m@h#captions", (&space{model: "m", hash: "h", captions: true}).key())
}

func float64s(v vector) (list []float64) {
	for _, x := range v {
		list = append(list, float64(x))
	}
	return list
}

// TestTheGradientIsTheSlope compares with differences.
func TestTheGradientIsTheSlope(t *testing.T) {
	t.Parallel()
	r := seeded(5)
	var all []observation
	var rows [][]float64
	for i := range 7 {
		at := make(vector, 3)
		row := make([]float64, 3)
		for j := range at {
			at[j] = float32(r.NormFloat64())
			row[j] = cosineScale * float64(at[j])
		}
		all, rows = append(all, observation{at, i%3 == 0, 0.5 + r.Float64()}), append(rows, row)
	}
	x := []float64{0.1, -0.2, 0.05, 0.3}
	gradient, unused := make([]float64, 4), make([]float64, 4)
	loss := logLoss(all, rows, x, gradient)
	want, weights := 0.0, 0.0
	for i, one := range all {
		z := x[3]
		for j := range 3 {
			z += rows[i][j] * x[j]
		}
		if !one.is {
			z = -z
		}
		want -= one.weight * math.Log(sigmoid(z))
		weights += one.weight
	}
	require.InDelta(t, want/weights+ridge*(0.01+0.04+0.0025), loss, 1e-9)
	for i := range x {
		const step = 1e-5
		up, down := slices.Clone(x), slices.Clone(x)
		up[i] += step
		down[i] -= step
		slope := (logLoss(all, rows, up, unused) - logLoss(all, rows, down, unused)) / (2 * step)
		require.InDelta(t, slope, gradient[i], 1e-6, "value %d", i)
	}
	// Far away the loss grows as a line, without an overflow.
	far := logLoss([]observation{{vector{1}, true, 1}, {vector{1}, false, 3}}, [][]float64{{1}, {1}}, []float64{-600, 0}, make([]float64, 2))
	require.InDelta(t, 500.0/4+ridge*360000, far, 1)
}

func TestTheMinimumIsFound(t *testing.T) {
	t.Parallel()
	// A long valley in 6 dimensions, whose axes are mixed.
	evaluations := 0
	bowl := func(x, gradient []float64) (value float64) {
		evaluations++
		clear(gradient)
		for i := range x {
			d := x[i] - float64(i)
			if i > 0 {
				d += 0.5 * (x[i-1] - float64(i-1))
			}
			weight := math.Pow(4, float64(i))
			value += weight * d * d
			gradient[i] += 2 * weight * d
			if i > 0 {
				gradient[i-1] += weight * d
			}
		}
		return value
	}
	x := minimise(bowl, make([]float64, 6))
	for i, v := range x {
		require.InDelta(t, float64(i), v, 1e-4, "value %d", i)
	}
	require.Less(t, evaluations, 80, "the curvature is used")
	start := []float64{0, 1, 2, 3, 4, 5}
	require.Equal(t, start, minimise(bowl, slices.Clone(start)), "it stays at a minimum")
	// A function whose value cannot be improved as its gradient says ends the search.
	odd := func(x, gradient []float64) float64 { gradient[0] = 1; return -x[0] }
	require.Equal(t, []float64{3}, minimise(odd, []float64{3}))
}

// TestTheRegressionIsAtItsMinimum needs no reference: the gradient there is zero.
func TestTheRegressionIsAtItsMinimum(t *testing.T) {
	t.Parallel()
	r := seeded(6)
	var all []observation
	rows := make([][]float64, 40)
	for i := range rows {
		is := i%2 == 0
		at := make(vector, 4)
		for j := range at {
			at[j] = float32(0.5 * r.NormFloat64())
			if is && j == 1 {
				at[j] += 0.5
			}
			rows[i] = append(rows[i], cosineScale*float64(at[j]))
		}
		all = append(all, observation{at, is, 1})
	}
	weights, bias := regression(all)
	x := []float64{0, 0, 0, 0, bias}
	for i, w := range weights {
		x[i] = float64(w) / cosineScale
	}
	gradient := make([]float64, 5)
	logLoss(all, rows, x, gradient)
	for i, g := range gradient {
		require.InDelta(t, 0, g, 1e-4, "value %d", i)
	}
	require.Greater(t, weights[1], float32(0.1))
}

// plainPeaks takes the best windows of all, as long as none collides with one that was taken
// from its own group of overlapping windows.
func plainPeaks(all []window) (found []window) {
	sorted := slices.Clone(all)
	slices.SortFunc(sorted, func(a, b window) int { return cmp.Compare(a.start, b.start) })
	for len(sorted) > 0 {
		n, end := 1, sorted[0].end
		for n < len(sorted) && sorted[n].start < end {
			end = max(end, sorted[n].end)
			n++
		}
		group := slices.Clone(sorted[:n])
		sorted = sorted[n:]
		slices.SortStableFunc(group, func(a, b window) int { return cmp.Compare(b.score, a.score) })
		var chosen []window
	next:
		for _, w := range group {
			for _, other := range chosen {
				shared := math.Min(w.end, other.end) - math.Max(w.start, other.start)
				if shared > 0.25*math.Min(w.end-w.start, other.end-other.start) {
					continue next
				}
			}
			chosen = append(chosen, w)
		}
		slices.SortFunc(chosen, func(a, b window) int { return cmp.Compare(a.start, b.start) })
		found = append(found, chosen...)
	}
	return found
}

func TestPeaksAreTheBestWindows(t *testing.T) {
	t.Parallel()
	r := seeded(7)
	for round := range 30 {
		var all []window
		at := 0.0
		var inPieces peaks
		for range 60 {
			at += float64(r.IntN(8)) / 8
			for range 1 + r.IntN(2) {
				w := window{start: at, end: at + float64(1+r.IntN(12))/8, score: r.Float64(), at: vector{1}}
				all = append(all, w)
				inPieces.add(w)
			}
			if r.IntN(3) == 0 {
				inPieces.settle(at) // a later window may begin at the same time
			}
		}
		inPieces.settle(math.Inf(1))
		require.Equal(t, plainPeaks(all), inPieces.found, "round %d", round)
		require.Empty(t, inPieces.pending)
	}
	a := window{start: 0, end: 4}
	for _, c := range []struct {
		other window
		want  bool
	}{
		{window{start: 3, end: 7}, false}, {window{start: 2.99, end: 7}, true}, {window{start: 5, end: 6}, false},
		{window{start: 3.75, end: 4.75}, false}, {window{start: 3.74, end: 4.74}, true}, {window{start: 1, end: 2}, true},
	} {
		require.Equal(t, c.want, a.collides(c.other), "%v", c.other)
		require.Equal(t, c.want, c.other.collides(a), "%v", c.other)
	}
}

func TestAGroupWithoutAnEndIsDecided(t *testing.T) {
	t.Parallel()
	for _, windows := range []int{mostPending, mostPending + 1} {
		var p peaks
		for i := range windows {
			p.add(window{start: float64(i) / 100, end: float64(i)/100 + 0.5, score: float64(i % 7)})
		}
		p.settle(0)
		if windows > mostPending {
			require.Empty(t, p.pending)
			require.NotEmpty(t, p.found)
		} else {
			require.Len(t, p.pending, windows)
			require.Empty(t, p.found)
		}
	}
}

func TestPairsOfDetectionsAreCounted(t *testing.T) {
	t.Parallel()
	own := []place{{10, 11}}
	for name, c := range map[string]struct {
		other                      place
		follows, followed, overlap int
	}{
		"long before":        {place{7, 7.99}, 0, 0, 0},
		"two seconds before": {place{7, 8}, 1, 0, 0},
		"just before":        {place{9, 10}, 1, 0, 0},
		"into the beginning": {place{9, 10.01}, 0, 0, 1},
		"within":             {place{10.2, 10.4}, 0, 0, 1},
		"into the end":       {place{10.9, 12}, 0, 0, 1},
		"just after":         {place{11, 12}, 0, 1, 0},
		"two seconds after":  {place{13, 14}, 0, 1, 0},
		"long after":         {place{13.01, 14}, 0, 0, 0},
	} {
		var r tasks.PatternRelation
		count(&r, own, []place{c.other})
		require.Equal(t, []int{c.follows, c.followed, c.overlap}, []int{r.Follows, r.FollowedBy, r.Overlaps}, name)
	}
	var r tasks.PatternRelation
	count(&r, []place{{10, 11}, {20, 21}}, []place{{9, 10}, {11, 12}, {12, 13}, {19, 22}})
	require.Equal(t, []int{1, 1, 1}, []int{r.Follows, r.FollowedBy, r.Overlaps}, "each detection counts once")
}

func TestConfidenceOfAScore(t *testing.T) {
	t.Parallel()
	h := head{Kind: tasks.HeadPrototype, Prototype: vector{0, 1}, Threshold: 0.6, Slope: 10}
	require.InDelta(t, 0.5, h.confidence(0.6), 1e-12)
	require.InDelta(t, 1/(1+math.Exp(-2)), h.confidence(0.8), 1e-12)
	for _, confidence := range []float64{0.01, 0.3, 0.5, 0.99} {
		require.InDelta(t, confidence, h.confidence(h.least(confidence)), 1e-12)
	}
	require.InDelta(t, 3, h.score(vector{2, 3}), 1e-6)
	h.Kind, h.Weights, h.Bias = tasks.HeadLogistic, vector{2, 1}, -4
	require.InDelta(t, 3, h.score(vector{2, 3}), 1e-6)
	require.InDelta(t, -3, h.logit(vector{0, 1}), 1e-6)
	require.InDelta(t, 3, verdict{about: []vector{{0, 1}, {2, 3}, {1, 1}}}.best(h), 1e-6)
	require.True(t, math.IsInf(verdict{}.best(h), -1))
}

// corrected returns verdicts whose best scores by the prototype {1} are the given ones: those
// below zero are negated and not the pattern.
func corrected(scores ...float32) (list []verdict) {
	for _, v := range scores {
		list = append(list, verdict{about: []vector{{max(v, -v)}}, is: v > 0})
	}
	return list
}

func TestTheThresholdAgreesWithCorrections(t *testing.T) {
	t.Parallel()
	h := head{Kind: tasks.HeadPrototype, Prototype: vector{1}}
	for name, c := range map[string]struct {
		verdicts []verdict
		given    float64
		want     float64
	}{
		"none":                          {nil, 0.5, 0.5},
		"accepted alone":                {corrected(0.2, 0.3), 0.5, 0.5},
		"rejected alone":                {corrected(-0.9, -0.8), 0.5, 0.5},
		"the given one agrees":          {corrected(0.8, -0.2), 0.7, 0.7},
		"higher":                        {corrected(0.8, -0.6), 0.5, 0.7},
		"lower":                         {corrected(0.3, -0.1), 0.5, 0.2},
		"the nearest of those as good":  {corrected(0.8, 0.8, -0.6, -0.4), 0.3, 0.7},
		"between what cannot be parted": {corrected(0.9, 0.5, -0.7, -0.1), 0.6, 0.3},
	} {
		require.InDelta(t, c.want, cut(h, c.verdicts, c.given), 1e-6, name)
	}
	h.Threshold = 0.5
	verdicts := corrected(0.5, 0.6, 0.4, -0.5, -0.49, -0.3, -0.2)
	require.Equal(t, tasks.Judgement{Head: tasks.HeadPrototype, Threshold: 0.5, RightFound: 2, RightMissed: 1, WrongFound: 1, WrongMissed: 3},
		judge(h, verdicts))
	require.InDelta(t, 2*2.0/(4+1+1), agreement(h, verdicts), 1e-9)
	require.Zero(t, agreement(h, nil))
	var sum tally
	sum.add(judge(h, verdicts))
	sum.add(judge(h, corrected(0.9, -0.8)))
	require.Equal(t, tally{found: 3, wrong: 2, missed: 1}, sum)
	require.InDelta(t, 2*3.0/(6+2+1), sum.f1(), 1e-9)
	require.Zero(t, (&tally{}).f1())
}

// angle returns a vector of length one.
func angle(degrees float64) vector {
	sin, cos := math.Sincos(degrees * math.Pi / 180)
	return vector{float32(cos), float32(sin)}
}

func cosine(degrees float64) float64 { return math.Cos(degrees * math.Pi / 180) }

func TestTheThresholdLiesHalfway(t *testing.T) {
	t.Parallel()
	l := lesson{shots: [][]vector{{angle(0)}, {angle(20)}}, background: []vector{angle(90), angle(70)}}
	got := l.threshold()
	mean := cosine(20) // each example by the other
	// The prototype is at 10 degrees; of two values the mark is nearly the higher one.
	high := cosine(80) + 0.999*(cosine(60)-cosine(80))
	require.Equal(t, byExamples, got.Method)
	require.InDelta(t, mean, got.ExamplesMean, 1e-5)
	require.InDelta(t, 0, got.ExamplesDeviation, 1e-5)
	require.InDelta(t, high, got.Background, 1e-5)
	require.InDelta(t, (mean+high)/2, got.Value, 2e-5)
	require.Equal(t, 2, got.BackgroundWindows)
	require.Nil(t, got.CounterExamples)

	far := l
	far.counters = []vector{angle(100)}
	require.Equal(t, byExamples, far.threshold().Method)
	require.InDelta(t, got.Value, far.threshold().Value, 1e-9)
	require.InDelta(t, 0, *far.threshold().CounterExamples, 1e-5)
	near := l
	near.counters = []vector{angle(100), angle(-20)}
	require.Equal(t, byCounter, near.threshold().Method)
	require.InDelta(t, cosine(30), *near.threshold().CounterExamples, 1e-5)
	require.InDelta(t, (mean+cosine(30))/2, near.threshold().Value, 2e-5)
	near.counters = []vector{angle(5)}
	require.InDelta(t, mean-leastMargin, near.threshold().Value, 2e-5, "never above the examples")

	one := lesson{shots: [][]vector{{angle(0), angle(30), angle(60)}}, background: []vector{angle(120)}}
	got = one.threshold()
	require.Equal(t, byCopies, got.Method)
	require.InDelta(t, (cosine(45)+cosine(0)+cosine(45))/3, got.ExamplesMean, 1e-5, "each by the other two")
	require.Empty(t, lesson{shots: [][]vector{{angle(0)}}}.leftOut())

	h := byPrototype(l, l.threshold())
	require.Equal(t, tasks.HeadPrototype, h.Kind)
	require.InDelta(t, 0.9, h.confidence(l.threshold().ExamplesMean), 1e-9)
	require.InDeltaSlice(t, float64s(angle(10)), float64s(h.Prototype), 1e-6)
	require.InDeltaSlice(t, float64s(angle(20)), float64s(l.prototype(0)), 1e-6)
	narrow := tasks.PatternThreshold{Value: 0.8, ExamplesMean: 0.81}
	require.InDelta(t, math.Log(9)/leastMargin, byPrototype(l, narrow).Slope, 1e-9)
}

func TestASelfTestLeavesOutEachExample(t *testing.T) {
	t.Parallel()
	require.Nil(t, lesson{shots: [][]vector{{angle(0)}, {angle(1)}}}.selfTest())
	l := lesson{
		shots:      [][]vector{{angle(0)}, {angle(4)}, {angle(8)}, {angle(75)}},
		counters:   []vector{angle(20), angle(100)},
		background: []vector{angle(5), angle(120), angle(130)},
	}
	got := l.selfTest()
	require.Equal(t, &tasks.SelfTest{
		Examples: 4, Found: got.Found, CounterExamples: 2, CounterExamplesFound: got.CounterExamplesFound,
		BackgroundWindows: 12, BackgroundFound: got.BackgroundFound,
	}, got)
	// The same by hand.
	found, background, counters := 0, 0, 0
	for i := range l.shots {
		rest := lesson{counters: l.counters, background: l.background}
		for j, shot := range l.shots {
			if j != i {
				rest.shots = append(rest.shots, shot)
			}
		}
		least, p := rest.threshold().Value, rest.prototype(-1)
		if dot(l.shots[i][0], p) >= least {
			found++
		}
		for _, v := range l.background {
			if dot(v, p) >= least {
				background++
			}
		}
	}
	for _, v := range l.counters {
		if dot(v, l.prototype(-1)) >= l.threshold().Value {
			counters++
		}
	}
	require.Equal(t, []int{found, background, counters}, []int{got.Found, got.BackgroundFound, got.CounterExamplesFound})
	require.Equal(t, 3, found)
	require.Positive(t, background)
}
