package performance

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"
)

// TestForecastsOfRecordedQueuesAreNotWorseThanNaive plays queues that were recorded on a real
// server. What the server acts on must not be worse than that nothing changes.
func TestForecastsOfRecordedQueuesAreNotWorseThanNaive(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/queue-*.json")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, file := range files {
		raw, err := os.ReadFile(file)
		require.NoError(t, err)
		var recorded struct {
			Interval string
			Queue    []float64
		}
		require.NoError(t, json.Unmarshal(raw, &recorded))
		interval, err := time.ParseDuration(recorded.Interval)
		require.NoError(t, err)
		o, now := newForecasts(prometheus.NewRegistry()), time.Unix(0, 0)
		var forecast, acted, naive [3]float64
		type bet struct {
			forecast, acted, before float64
			at                      int
		}
		var bets [3][]bet
		for i, value := range recorded.Queue {
			for h := range horizons {
				for len(bets[h]) > 0 && bets[h][0].at == i {
					forecast[h] += abs(bets[h][0].forecast - value)
					acted[h] += abs(bets[h][0].acted - value)
					naive[h] += abs(bets[h][0].before - value)
					bets[h] = bets[h][1:]
				}
			}
			o.add(SeriesQueue, "echo", value, now, interval)
			now = now.Add(interval)
			f := o.one(SeriesQueue, "echo")
			for h, in := range horizons {
				one := bet{value, value, value, i + int(in/interval)}
				if f.Known {
					one.forecast = f.Ahead[h].Value
				}
				if f.Ahead[h].Used() {
					one.acted = f.Ahead[h].Value
				}
				bets[h] = append(bets[h], one)
			}
		}
		for h, ahead := range o.one(SeriesQueue, "echo").Ahead {
			n := float64(len(recorded.Queue) - int(ahead.In/interval))
			t.Logf("%s, %s ahead: forecast %.3f, acted on %.3f, naive %.3f", filepath.Base(file), ahead.In, forecast[h]/n, acted[h]/n, naive[h]/n)
			require.LessOrEqual(t, acted[h], 1.02*naive[h], "%s, %s ahead", file, ahead.In)
		}
	}
}

func abs(x float64) float64 { return max(x, -x) }
