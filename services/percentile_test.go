package services

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestPercentilesAreThoseOfNumpy compares with numpy 2.4.6:
// numpy.percentile(values, p, method="inverted_cdf").
func TestPercentilesAreThoseOfNumpy(t *testing.T) {
	t.Parallel()
	values := []int{883, 17, 402, 402, 5, 961, 730, 118, 664, 29, 512, 347, 88, 790, 256, 901, 73, 640, 415, 199, 333, 5, 777}
	hundred := make([]int, 100)
	for i := range hundred {
		hundred[i] = 100 - i
	}
	for _, golden := range []struct {
		values   []int
		percents []int
		want     []int
	}{
		{values, []int{1, 5, 25, 50, 75, 90, 95, 99, 100}, []int{5, 5, 88, 402, 730, 883, 901, 961, 961}},
		{values[:20], []int{1, 50, 95, 99, 100}, []int{5, 402, 901, 961, 961}},
		{values[:2], []int{1, 50, 95, 99, 100}, []int{17, 17, 883, 883, 883}},
		{values[:1], []int{1, 50, 95, 99, 100}, []int{883, 883, 883, 883, 883}},
		{hundred, []int{1, 50, 95, 99, 100}, []int{1, 50, 95, 99, 100}},
	} {
		random, shuffled := rand.New(rand.NewPCG(1, 2)), slices.Clone(golden.values)
		for range 10 {
			before := slices.Clone(shuffled)
			require.Equal(t, golden.want, Percentiles(shuffled, golden.percents...))
			require.Equal(t, before, shuffled, "the values stay as they are")
			random.Shuffle(len(shuffled), func(i, j int) { shuffled[i], shuffled[j] = shuffled[j], shuffled[i] })
		}
	}
	require.Nil(t, Percentiles([]time.Duration{}, 50))
}

func TestRecentHasTheLatestValues(t *testing.T) {
	t.Parallel()
	recent := NewRecent[int](3)
	require.Empty(t, slices.Collect(recent.All()))
	for i, want := range [][]int{{0}, {0, 1}, {0, 1, 2}, {1, 2, 3}, {2, 3, 4}, {3, 4, 5}, {4, 5, 6}} {
		recent.Add(i)
		require.Equal(t, want, slices.Collect(recent.All()))
		require.Equal(t, len(want), recent.Len())
	}
	for v := range recent.All() {
		require.Equal(t, 4, v)
		break
	}
	recent.Clear()
	recent.Add(7)
	require.Equal(t, []int{7}, slices.Collect(recent.All()))
	var none Recent[int]
	none.Add(1)
	require.Zero(t, none.Len())
}
