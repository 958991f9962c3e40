package performance

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"
)

// TestSmoothingForecastsAsStatsmodelsDoes compares with statsmodels 0.15.0:
// ExponentialSmoothing(y[1:], trend="add", damped_trend=phi<1,
// initialization_method="known", initial_level=y[0], initial_trend=0).
func TestSmoothingForecastsAsStatsmodelsDoes(t *testing.T) {
	t.Parallel()
	series := []float64{30, 21, 29, 31, 40, 48, 53, 47, 37, 39, 31, 29, 17, 9, 20, 24, 27, 35, 41, 38}
	for _, golden := range []struct {
		alpha, beta, phi float64
		ahead            []float64
		squares          float64
	}{
		{0.8, 0.2, 0.9, []float64{40.3943617187, 41.7924041612, 43.0506423594, 44.1830567377}, 1175.97679357},
		{0.4, 0.1, 0.8, []float64{36.0027773922, 36.5059101833, 36.9084164163, 37.2304214026}, 1933.83387641},
		{0.2, 0.05, 0.98, []float64{31.4780961815, 31.4927352952, 31.5070816267, 31.5211410315}, 2534.21320533},
		{1, 0, 0.8, []float64{38, 38, 38, 38}, 990},
		{0.8, 0.2, 1, []float64{40.7135053724, 42.5692961651, 44.4250869578, 46.2808777505}, 1280.5441782842934},
		{0.4, 0.1, 1, []float64{35.2261441035, 35.7191386856, 36.2121332677, 36.7051278498}, 2191.3098669551164},
	} {
		h, squares := smoothing{alpha: golden.alpha, beta: golden.beta, phi: golden.phi, level: series[0]}, 0.0
		for _, value := range series[1:] {
			off := h.add(value)
			squares += off * off
		}
		require.InEpsilon(t, golden.squares, squares, 1e-9)
		for i, want := range golden.ahead {
			require.InEpsilon(t, want, h.ahead(i+1), 1e-9)
		}
	}
}

// ramp feeds a series an hour of samples, one every five seconds.
func ramp(value func(i int) float64) Forecast {
	o := newForecasts(prometheus.NewRegistry())
	now := time.Unix(0, 0)
	for i := range 720 {
		o.add(SeriesQueue, "echo", value(i), now, 5*time.Second)
		now = now.Add(5 * time.Second)
	}
	return o.list()[0]
}

func TestForecastsAreComparedWithWhatCame(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(1, 2))
	steady := ramp(func(int) float64 { return 50 + 10*random.Float64() })
	growing := ramp(func(i int) float64 { return 2 * float64(i) })
	for name, o := range map[string]Forecast{"steady": steady, "growing": growing} {
		require.True(t, o.Known)
		require.Len(t, o.Ahead, 3)
		for _, ahead := range o.Ahead {
			require.Greater(t, ahead.Compared, 600, name)
			require.Less(t, ahead.MeanError, 0.95*ahead.NaiveError, "%s, %s ahead: better than that nothing changes", name, ahead.In)
		}
	}
	// Noise of an even spread over 10 is 2.5 from its middle on average.
	require.InDelta(t, 2.5, steady.Ahead[0].MeanError, 0.3)
	require.InDelta(t, 55, steady.Ahead[2].Value, 3)
	require.Greater(t, growing.Ahead[1].Value, growing.Now)
}

func TestMemoryIsFullWhenItsGrowthReachesTheBudget(t *testing.T) {
	t.Parallel()
	line := func(start, perSample float64) Forecast {
		return ramp(func(i int) float64 { return start + perSample*float64(i) })
	}
	growing := line(1000, 50) // 10 a second, 36950 at the end
	m := memoryForecast(growing, 40_000)
	require.True(t, m.Known)
	require.InEpsilon(t, 10, m.BytesPerSecond, 1e-6)
	require.InEpsilon(t, 36_950+600, m.Bytes, 1e-6)
	require.InEpsilon(t, 305, m.FullIn.Seconds(), 1e-6)
	require.Greater(t, m.Compared, 600)
	require.Positive(t, memoryForecast(growing, 36_000).FullIn, "it is full already")
	require.Less(t, memoryForecast(growing, 36_000).FullIn, time.Second)
	require.Zero(t, memoryForecast(line(1000, 0), 40_000).FullIn)
	require.Zero(t, memoryForecast(line(100_000, -50), 200_000).FullIn)
	require.Zero(t, memoryForecast(line(1000, 1e-6), 40_000).FullIn, "not within a year")
	require.Equal(t, MemoryForecast{}, memoryForecast(Forecast{}, 40_000))
}

func TestAForecastIsNeverBelowZero(t *testing.T) {
	t.Parallel()
	falling := ramp(func(i int) float64 { return math.Max(0, float64(700-i)) })
	for _, ahead := range falling.Ahead {
		require.GreaterOrEqual(t, ahead.Value, 0.0)
	}
}

func BenchmarkForecast(b *testing.B) {
	o := newForecasts(prometheus.NewRegistry())
	now := time.Unix(0, 0)
	for i := 0; b.Loop(); i++ {
		o.add(SeriesMemory, "", float64(i%100), now, 5*time.Second)
		now = now.Add(5 * time.Second)
	}
}
