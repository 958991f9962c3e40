package index

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// random returns n unit vectors in clusters, with their labels.
func random(r *rand.Rand, n, dims int) ([]Label, [][]float32) {
	centres := make([][]float32, 1+n/50)
	for i := range centres {
		centres[i] = gaussian(r, dims, nil, 1)
	}
	labels, vectors := make([]Label, n), make([][]float32, n)
	for i := range vectors {
		vectors[i] = gaussian(r, dims, centres[r.IntN(len(centres))], 0.6)
		labels[i] = Label{Source: fmt.Sprint(r.IntN(1 + n/20)), Start: float64(i), End: float64(i) + 0.5}
	}
	return labels, vectors
}

func gaussian(r *rand.Rand, dims int, around []float32, deviation float64) []float32 {
	v := make([]float32, dims)
	var squares float64
	for i := range v {
		x := deviation * r.NormFloat64()
		if around != nil {
			x += float64(around[i]) * math.Sqrt(float64(dims))
		}
		v[i] = float32(x)
		squares += x * x
	}
	for i := range v {
		v[i] /= float32(math.Sqrt(squares))
	}
	return v
}

func opened(t testing.TB, dims int) *Index {
	t.Helper()
	x, err := New(dims, t.TempDir())
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, x.Close()) })
	return x
}

// TestSearchIsThatOfBruteForce compares with all inner products in float64, for any number
// of vectors, any length and any sources that are left.
func TestSearchIsThatOfBruteForce(t *testing.T) {
	t.Parallel()
	for seed := range uint64(60) {
		r := rand.New(rand.NewPCG(seed, 1))
		dims, n, k := 1+r.IntN(140), 1+r.IntN(3000), 1+r.IntN(20)
		labels, vectors := random(r, n, dims)
		x := opened(t, dims)
		for at := 0; at < n; {
			to := min(n, at+1+r.IntN(1500))
			require.NoError(t, x.Add(labels[at:to], vectors[at:to]))
			at = to
		}
		gone := fmt.Sprint(r.IntN(1 + n/20))
		x.Remove(gone)
		query := gaussian(r, dims, nil, 1)
		wanted := func(source string) bool { return source != "3" }
		type scored struct {
			at    int
			score float64
		}
		var all []scored
		for i, v := range vectors {
			if labels[i].Source == gone || !wanted(labels[i].Source) {
				continue
			}
			var sum float64
			for j, value := range v {
				sum += float64(value) * float64(query[j])
			}
			all = append(all, scored{i, sum})
		}
		slices.SortFunc(all, func(a, b scored) int { return cmp.Compare(b.score, a.score) })
		hits, err := x.Search(t.Context(), query, k, wanted)
		require.NoError(t, err)
		require.Len(t, hits, min(k, len(all)), "seed %d", seed)
		for i, hit := range hits {
			require.InDelta(t, all[i].score, hit.Score, 1e-5, "seed %d: hit %d", seed, i)
		}
	}
}

func TestKernelsAgree(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(5, 5))
	for range 300 {
		dims, n := step*(1+r.IntN(40)), 1+r.IntN(9)
		query, rows := make([]int16, dims), make([]int8, dims*n)
		limit := min(math.MaxInt16, math.MaxInt32/(dims*128))
		for i := range query {
			query[i] = int16(r.IntN(2*limit+1) - limit)
		}
		for i := range rows {
			rows[i] = int8(r.IntN(255) - 127)
		}
		one, two := make([]int32, n), make([]int32, n)
		scores(query, rows, one)
		scoreLoop(query, rows, two)
		require.Equal(t, two, one)
		m := r.IntN(200)
		a, b := gaussian(r, m, nil, 1), gaussian(r, m, nil, 1)
		var sum float64
		for i := range a {
			sum += float64(a[i]) * float64(b[i])
		}
		require.InDelta(t, sum, float64(Dot(a, b)), 1e-5)
	}
}

func TestRemovedSourcesComeBackEmpty(t *testing.T) {
	t.Parallel()
	x := opened(t, 2)
	one := []Label{{Source: "a", Start: 1, End: 2}}
	require.NoError(t, x.Add(one, [][]float32{{1, 0}}))
	require.True(t, x.Has("a"))
	x.Remove("a")
	x.Remove("a")
	require.False(t, x.Has("a"))
	require.Zero(t, x.Len())
	hits, err := x.Search(t.Context(), []float32{1, 0}, 3, nil)
	require.NoError(t, err)
	require.Empty(t, hits)
	require.NoError(t, x.Add([]Label{{Source: "a", Start: 3, End: 4}}, [][]float32{{0, 1}}))
	hits, err = x.Search(t.Context(), []float32{1, 0}, 3, nil)
	require.NoError(t, err)
	require.Equal(t, []Hit{{Label{"a", 3, 4}, 0, []float32{0, 1}}}, hits)
	require.ErrorContains(t, x.Add(one, [][]float32{{1, 0, 0}}), "has 3 values, the index has 2")
	_, err = x.Search(t.Context(), []float32{1}, 3, nil)
	require.ErrorContains(t, err, "the query has 1 values")
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = x.Search(ended, []float32{1, 0}, 3, nil)
	require.ErrorIs(t, err, context.Canceled)
}

func TestSegmentsSurviveAndDamageIsSeen(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(7, 7))
	labels, vectors := random(r, 70, 19)
	s := Segment{Dimensions: 19, Labels: labels, Vectors: vectors}
	var b bytes.Buffer
	n, err := s.WriteTo(&b)
	require.NoError(t, err)
	require.EqualValues(t, b.Len(), n)
	read, err := ReadSegment(bytes.NewReader(b.Bytes()))
	require.NoError(t, err)
	require.Equal(t, s, read)
	for range 200 {
		damaged := slices.Clone(b.Bytes())
		damaged[r.IntN(len(damaged))] ^= 1 << r.IntN(8)
		_, err := ReadSegment(bytes.NewReader(damaged))
		require.Error(t, err)
		_, err = ReadSegment(bytes.NewReader(b.Bytes()[:r.IntN(b.Len())]))
		require.Error(t, err)
	}
}

func FuzzReadSegment(f *testing.F) {
	var b bytes.Buffer
	_, err := Segment{Dimensions: 2, Labels: []Label{{"a", 0, 1}}, Vectors: [][]float32{{1, 2}}}.WriteTo(&b)
	require.NoError(f, err)
	f.Add(b.Bytes())
	f.Add([]byte(magic + "\x02\x00\x00\x00{}"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		if s, err := ReadSegment(bytes.NewReader(raw)); err == nil {
			require.Len(t, s.Vectors, len(s.Labels))
		}
	})
}

// BenchmarkSearch searches among 100,000 and a million vectors of 512 values, and reports
// the 95th percentile of the time and the recall of the ten best.
func BenchmarkSearch(b *testing.B) {
	for _, n := range []int{100_000, 1_000_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			const dims, k = 512, 10
			r := rand.New(rand.NewPCG(9, 9))
			x := opened(b, dims)
			var all [][]float32
			for len(all) < n {
				labels, vectors := random(r, 10_000, dims)
				require.NoError(b, x.Add(labels, vectors))
				all = append(all, vectors...)
			}
			var times []time.Duration
			found, queries := 0, 0
			for b.Loop() {
				query := gaussian(r, dims, all[r.IntN(n)], 0.8)
				began := time.Now()
				hits, err := x.Search(b.Context(), query, k, nil)
				times = append(times, time.Since(began))
				require.NoError(b, err)
				if queries < 30 {
					queries++
					found += recall(all, query, hits)
				}
			}
			slices.Sort(times)
			b.ReportMetric(float64(times[len(times)*95/100])/1e6, "p95-ms")
			b.ReportMetric(float64(found)/float64(queries*k), "recall")
			b.ReportMetric(float64(Bytes(dims, n))/1e6, "MB")
		})
	}
}

// recall returns how many of the hits are among the exact best.
func recall(all [][]float32, query []float32, hits []Hit) (found int) {
	scores := make([]float64, len(all))
	for i, v := range all {
		scores[i] = float64(Dot(v, query))
	}
	slices.Sort(scores)
	least := scores[len(scores)-len(hits)]
	for _, hit := range hits {
		if hit.Score >= least-1e-6 {
			found++
		}
	}
	return found
}
