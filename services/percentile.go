package services

import (
	"cmp"
	"slices"
)

// Percentiles returns the given percentiles, 1 to 100, of the values in any order, or
// nil if there are none. It uses the nearest-rank method: the smallest value such that
// at least p percent of the values do not exceed it. That is definition 1 of Hyndman
// and Fan, "Sample quantiles in statistical packages" (The American Statistician 50,
// 1996), and the method inverted_cdf of numpy.
func Percentiles[T cmp.Ordered](values []T, percents ...int) []T {
	if len(values) == 0 {
		return nil
	}
	sorted := slices.Sorted(slices.Values(values))
	list := make([]T, len(percents))
	for i, percent := range percents {
		list[i] = sorted[PercentileRank(uint64(len(sorted)), percent)-1]
	}
	return list
}

// PercentileRank returns the 1-based rank of a percentile among count sorted values.
func PercentileRank(count uint64, percent int) uint64 {
	return max((count*uint64(percent)+99)/100, 1)
}
