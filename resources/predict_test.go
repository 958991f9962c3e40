package resources

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/grym-synth/grym-synth/services"
)

func sized(values ...float64) []services.Size {
	sizes := make([]services.Size, 0, len(values))
	for i, value := range values {
		sizes = append(sizes, services.Size{Name: string(rune('a' + i)), Value: value})
	}
	return sizes
}

// TestPredictionsOfASyntheticTask learns a task whose memory is not what the estimate
// says: it grows with the square of one size beyond a constant, and varies a little.
// The last two thirds of the runs must be covered, and not by much more than they use.
func TestPredictionsOfASyntheticTask(t *testing.T) {
	t.Parallel()
	for seed := range uint64(5) {
		random := rand.New(rand.NewPCG(seed, 1))
		p := new(predictor)
		var ratios []float64
		short := 0
		for i := range 600 {
			seconds, steps := 1+29*random.Float64(), 1+float64(random.IntN(50))
			estimate := services.Bytes(4e7 + 3e6*seconds)
			used := services.Bytes((6e6 + 4e5*seconds + 2e4*seconds*seconds) * (1 + 0.05*random.Float64()))
			reserved := p.reserve(estimate, sized(seconds, steps))
			p.learn(estimate, sized(seconds, steps), used)
			if i >= 200 {
				ratios = append(ratios, float64(reserved)/float64(used))
				if reserved < used {
					short++
				}
			}
		}
		slices.Sort(ratios)
		require.LessOrEqual(t, short, 4, seed)
		require.Less(t, ratios[len(ratios)/2], 1.25, seed)
		require.Less(t, ratios[len(ratios)*99/100], 1.6, seed)
	}
}

func TestALongRunDoesNotSpoilShortOnes(t *testing.T) {
	t.Parallel()
	p := new(predictor)
	short := func() services.Bytes { return p.reserve(20*mb, sized(2)) }
	for range 20 {
		p.learn(20*mb, sized(2), 5*mb)
	}
	before := short()
	p.learn(400*mb, sized(60), 390*mb)
	require.InDelta(t, float64(before), float64(short()), float64(mb)/2)
	require.Greater(t, p.reserve(400*mb, sized(60)), 390*mb, "and it is known itself")
}

func TestFarFromWhatIsKnownTheEstimateHolds(t *testing.T) {
	t.Parallel()
	p := new(predictor)
	require.Equal(t, 300*mb, (*predictor)(nil).reserve(300*mb, sized(60)))
	require.Equal(t, 300*mb, p.reserve(300*mb, sized(60)))
	p.learn(20*mb, sized(2), 5*mb)
	require.Equal(t, 300*mb, p.reserve(300*mb, sized(200)))
	require.Zero(t, p.reserve(0, sized(2)))
}

// TestAnEstimateThatIsTooLowIsRaised has runs use twice what was expected of them.
func TestAnEstimateThatIsTooLowIsRaised(t *testing.T) {
	t.Parallel()
	p := new(predictor)
	p.learn(20*mb, sized(2), 40*mb)
	require.Greater(t, p.reserve(20*mb, sized(2)), 38*mb, "at once")
	for range 5 {
		p.learn(20*mb, sized(2), 40*mb)
	}
	require.Greater(t, p.reserve(20*mb, sized(2)), 40*mb)
	require.Less(t, p.reserve(20*mb, sized(2)), 52*mb)
	p.learn(20*mb, sized(2), 1<<50)
	require.LessOrEqual(t, p.reserve(20*mb, sized(2)), services.Bytes(mostPart*float64(20*mb))+1, "but within bounds")
}

// TestOneOutlierIsForgotten has one run among many use five times as much.
func TestOneOutlierIsForgotten(t *testing.T) {
	t.Parallel()
	p := new(predictor)
	for range 100 {
		p.learn(40*mb, sized(10), 8*mb)
	}
	p.learn(40*mb, sized(10), 40*mb)
	require.Less(t, p.reserve(40*mb, sized(10)), 11*mb)
	for range remembered {
		p.learn(40*mb, sized(10), 4*mb)
	}
	require.Len(t, p.runs, remembered)
	require.Less(t, p.reserve(40*mb, sized(10)), 5*mb, "what has changed is learnt anew")
}

// TestChangedMemoryIsFollowed has the runs use more from some time on, within a few of
// them.
func TestChangedMemoryIsFollowed(t *testing.T) {
	t.Parallel()
	p := new(predictor)
	for range 100 {
		p.learn(40*mb, sized(10), 8*mb)
	}
	for range 4 {
		p.learn(40*mb, sized(10), 16*mb)
	}
	require.Greater(t, p.reserve(40*mb, sized(10)), 16*mb)
}

func TestOddSizesAreBounded(t *testing.T) {
	t.Parallel()
	p := new(predictor)
	many := sized(1, 2, 3, 4, 5, 6, 7, 8, 9, 10)
	for _, value := range []float64{math.Inf(1), -5, math.MaxFloat64} {
		many[0].Value = value
		p.learn(mb, many, mb/2)
	}
	require.Len(t, p.names, mostSizes)
	reserved := p.reserve(mb, many)
	require.Greater(t, reserved, mb/4)
	require.LessOrEqual(t, reserved, mb)
	p.learn(0, many, mb)
	p.learn(mb, many, 0)
	require.Len(t, p.runs, 3)
	p.learn(mb, sized(1), mb)
	require.Len(t, p.runs, 1, "other sizes are another task")
}

// TestRegressionIsThatOfTheNormalEquations compares with the solution of a small system
// by hand: two points on a line with hardly any prior.
func TestRegressionIsThatOfTheNormalEquations(t *testing.T) {
	t.Parallel()
	f := newFit([]learnt{{at: []float64{1}, part: 2}, {at: []float64{3}, part: 3}}, []float64{1, 1}, []float64{2})
	f.solve(1e-6)
	require.InDelta(t, 2.5, f.mean(), 1e-6)
	require.InDelta(t, 0.5, f.solution[1], 1e-6)
	require.InDelta(t, 1e-6/math.Sqrt2, f.deviation(), 1e-9)
	require.InDelta(t, 0, f.residual(1), 1e-6)
	require.InDelta(t, 3.0, quantile([]float64{3, 1, 2}, []float64{1, 1, 1}, 0.9), 0)
	require.InDelta(t, 1.0, quantile([]float64{3, 1, 2}, []float64{1, 8, 1}, 0.8), 0)
}

// TestRunsOfOtherSizesCountLess has the part of the estimate jump between sizes.
func TestRunsOfOtherSizesCountLess(t *testing.T) {
	t.Parallel()
	p := new(predictor)
	for range 20 {
		p.learn(20*mb, sized(2), 5*mb)
		p.learn(80*mb, sized(11), 20*mb)
		p.learn(400*mb, sized(60), 360*mb)
	}
	require.Less(t, p.reserve(80*mb, sized(11)), 23*mb)
	require.Less(t, p.reserve(20*mb, sized(2)), 6*mb)
	require.Greater(t, p.reserve(400*mb, sized(60)), 360*mb)
}
