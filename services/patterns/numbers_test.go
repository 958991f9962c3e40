package patterns

import (
	"math"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
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
