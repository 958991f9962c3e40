package patterns

import (
	"cmp"
	"math"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/grym-synth/grym-synth/services/tasks"
)

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
