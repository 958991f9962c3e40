package patterns

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/grym-synth/grym-synth/services/tasks"
)

// at returns a vector of length 1 with a cosine to the first axis.
func at(r *rand.Rand, cosine float64) vector {
	v := make(vector, 12)
	var squares float64
	for i := 1; i < len(v); i++ {
		v[i] = float32(r.NormFloat64())
		squares += float64(v[i]) * float64(v[i])
	}
	for i := range v {
		v[i] *= float32(math.Sqrt((1 - cosine*cosine) / squares))
	}
	v[0] = float32(cosine)
	return v
}

// axis is a pattern whose examples lie about the first axis, with its examples.
func axis(r *rand.Rand) (pattern, examples) {
	l := lesson{}
	for range 5 {
		l.shots = append(l.shots, []vector{at(r, 0.97), at(r, 0.9), at(r, 0.88), at(r, 0.86)})
	}
	for range 3000 {
		l.background = append(l.background, at(r, 0.2*r.NormFloat64()))
	}
	p := pattern{Length: 0.5, Derived: l.threshold()}
	p.Head = byPrototype(l, p.Derived)
	return p, examples{shots: l.shots}
}

// played gives a target the windows of a recording of some seconds, with the given cosines at
// the given seconds.
func played(r *rand.Rand, t *target, seconds float64, events map[float64]float64) []window {
	const hop = 0.08
	var piece float64
	for start := 0.0; start+0.5 <= seconds; start += hop {
		for start >= piece+pieceSeconds {
			piece += pieceSeconds
			t.settle(piece)
		}
		cosine := 0.1 + 0.1*r.NormFloat64()
		for second, best := range events {
			if off := math.Abs(start - second); off < hop/2 {
				cosine = best
			} else if off < 0.3 {
				cosine = best - off
			}
		}
		t.take(track{hop: hop, length: 0.5, vectors: []vector{at(r, cosine)}}, start, false)
	}
	t.finish(seconds)
	return t.peaks.found
}

func targetOf(p pattern, e examples) *target { return newTarget(p, e, 0.5) }

// TestNoiseLowersWhatIsAccepted plays a pattern in noise, most of whose scores are below
// the threshold, and next to similar sounds that score above it.
func TestNoiseLowersWhatIsAccepted(t *testing.T) {
	t.Parallel()
	r := seeded(71)
	p, e := axis(r)
	noisy, similar := make(map[float64]float64), make(map[float64]float64)
	for i := range 8 {
		noisy[3+6*float64(i)] = p.Derived.Value - 0.06 + 0.03*float64(i%4)
		similar[3+6*float64(i)] = 0.96 - 0.005*r.Float64()
		similar[6+6*float64(i)] = p.Derived.Value + 0.03 + 0.02*r.Float64()
	}
	found := played(r, targetOf(p, e), 60, noisy)
	require.GreaterOrEqual(t, len(found), 6)
	below := 0
	for _, w := range found {
		if w.score < p.Head.Threshold {
			below++
		}
		require.InDelta(t, 3, math.Mod(w.start+0.5, 6)-0.5, 0.05)
		require.GreaterOrEqual(t, w.confidence, 0.5)
	}
	require.Greater(t, below, 2)
	right, wrong := 0, 0
	for _, w := range played(r, targetOf(p, e), 60, similar) {
		if w.score > 0.94 {
			right++
		} else {
			wrong++
		}
	}
	require.Equal(t, 8, right)
	require.LessOrEqual(t, wrong, 4, "the threshold alone accepts all eight")
	require.Empty(t, played(r, targetOf(p, e), 60, nil), "nothing is like the pattern")
	alone := map[float64]float64{9: p.Derived.Value - 0.1}
	require.Empty(t, played(r, targetOf(p, e), 60, alone), "one sound stands out, but is not like the pattern")
	require.Len(t, played(r, targetOf(p, e), 60, map[float64]float64{9: 0.95}), 1)
}

// TestBlocksJoinWithoutASeam plays recordings of many lengths.
func TestBlocksJoinWithoutASeam(t *testing.T) {
	t.Parallel()
	r := seeded(72)
	p, e := axis(r)
	for _, seconds := range []float64{5, 19, 25, 59, 61, 90, 91, 150, 301} {
		events := make(map[float64]float64)
		for second := 2.96; second < seconds-1; second += 9.6 {
			events[second] = 0.95
		}
		found := played(r, targetOf(p, e), seconds, events)
		require.Len(t, found, len(events), "%v s", seconds)
		for i, w := range found {
			require.InDelta(t, 2.96+9.6*float64(i), w.start, 0.05)
		}
	}
}

// TestCorrectionsChooseTheRegime has patterns with and without corrections.
func TestCorrectionsChooseTheRegime(t *testing.T) {
	t.Parallel()
	r := seeded(73)
	p, e := axis(r)
	require.Equal(t, calibratedByExamples, targetOf(p, e).regime)
	require.Equal(t, fixed, targetOf(p, examples{}).regime, "without vectors there is no scale")
	moved := p
	moved.Head.Threshold += 0.01
	require.Equal(t, fixed, targetOf(moved, e).regime, "a few corrections moved the threshold")
	moved.Head.Weights = at(r, 0.5)
	moved.Corrected = tasks.CorrectionCounts{Right: 3, Moved: 1, Wrong: 4}
	require.Equal(t, calibratedByFeedback, targetOf(moved, e).regime)
	moved.Corrected = tasks.CorrectionCounts{Right: 9}
	require.Equal(t, fixed, targetOf(moved, e).regime, "nothing is known of what is wrong")
}

// TestCounterExamplesRejectWhatIsNearer has a counter-example near what is played.
func TestCounterExamplesRejectWhatIsNearer(t *testing.T) {
	t.Parallel()
	r := seeded(74)
	p, e := axis(r)
	events := map[float64]float64{3.04: 0.9, 9.04: 0.9, 15.04: 0.9}
	require.Len(t, played(seeded(75), targetOf(p, e), 30, events), 3)
	first := played(seeded(75), targetOf(p, e), 30, events)[0]
	e.counters = []vector{first.at}
	left := played(seeded(75), targetOf(p, e), 30, events)
	require.Len(t, left, 2)
	require.InDelta(t, 9.04, left[0].start, 0.05)
}
