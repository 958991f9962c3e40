package performance

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/require"

	"github.com/grym-synth/grym-synth/services"
)

// ran is a task of a model.
func ran(model string, queued, took time.Duration, err error) services.TaskEvent {
	return services.TaskEvent{Service: "echo", Model: model, Started: true, Queued: queued, Ran: took, Err: err}
}

// hourly takes few samples.
func hourly() Config {
	cfg := DefaultConfig()
	cfg.CheckInterval = time.Hour
	return cfg
}

func TestAnalyticsOfTheKeptHistory(t *testing.T) {
	t.Parallel()
	observe(t, hourly(), func() ProcessUsage { return ProcessUsage{} }, func(t *testing.T, p *Monitor) {
		t.Helper()
		first := time.Now().UTC().Truncate(time.Hour)
		for i := range 100 {
			p.TaskEnded(ran("slow", time.Duration(i)*time.Millisecond, time.Duration(i+1)*time.Second, nil))
		}
		p.TaskEnded(ran("slow", 0, time.Hour, errors.New("broken")))
		p.TaskEnded(services.TaskEvent{Service: "echo", Model: "slow", Queued: time.Minute, Err: errors.New("refused")})
		traffic := p.Traffic()
		traffic.Ended("POST /speech", 1000, 10, 429, "busy")
		traffic.Ended("POST /speech", 1000, 10, 429, "busy")
		traffic.Ended("GET /jobs", 0, 500, 200, "")
		time.Sleep(time.Hour)
		p.TaskEnded(ran("fast", 0, time.Millisecond, nil))
		traffic.Ended("POST /speech", 1, 2, 429, "busy")
		traffic.Ended("POST /jobs", 1, 2, 503, "unavailable")

		all := p.Analytics(first)
		require.Equal(t, first, all.Since.UTC())
		require.Equal(t, []ModelUse{
			{Service: "echo", Model: "slow", Tasks: 101, Failed: 1, Work: 5050*time.Second + time.Hour, RanP50: 50 * time.Second,
				RanP95: 95 * time.Second, RanMax: 100 * time.Second, QueuedP95: 94 * time.Millisecond},
			{Service: "echo", Model: "fast", Tasks: 1, Work: time.Millisecond, RanP50: time.Millisecond, RanP95: time.Millisecond,
				RanMax: time.Millisecond},
		}, all.Models)
		require.Equal(t, []HourUse{
			{Start: first, Tasks: 102, Failed: 2, Requests: 3, Refused: 2, Work: 5050*time.Second + time.Hour,
				Queued: 4950*time.Millisecond + time.Minute, Received: 2000, Sent: 520},
			{Start: first.Add(time.Hour), Tasks: 1, Requests: 2, Refused: 2, Work: time.Millisecond, Received: 2, Sent: 4},
		}, all.Hours)
		require.Equal(t, []Cause{
			{Cause: "busy", Route: "POST /speech", Status: 429, Count: 3, Last: first.Add(time.Hour)},
			{Cause: "unavailable", Route: "POST /jobs", Status: 503, Count: 1, Last: first.Add(time.Hour)},
		}, all.Causes)

		last := p.Analytics(time.Now())
		require.Equal(t, first.Add(time.Hour), last.Since)
		require.Len(t, last.Models, 1)
		require.Len(t, last.Hours, 1)
		require.Equal(t, 1, last.Causes[0].Count)

		time.Sleep((keptHours - 1) * time.Hour)
		traffic.Ended("GET /jobs", 0, 1, 200, "")
		require.Len(t, p.Analytics(first).Hours, 2, "a week is remembered")
		p.Configure(Config{CheckInterval: time.Second, History: 1})
		traffic.Ended("GET /jobs", 0, 1, 404, "not_found")
		p.TaskEnded(ran("slow", 0, time.Second, nil))
		require.Equal(t, Analytics{Since: time.Now().UTC()}, p.Analytics(first), "nothing is remembered while the monitor is off")
	})
}

func TestAnalyticsRememberOnlySoMuch(t *testing.T) {
	t.Parallel()
	observe(t, hourly(), func() ProcessUsage { return ProcessUsage{} }, func(t *testing.T, p *Monitor) {
		t.Helper()
		for i := range 2 * maxModels {
			p.TaskEnded(ran(fmt.Sprint(i), 0, time.Second, nil))
		}
		for i := range 2 * maxRoutes {
			p.Traffic().Ended(fmt.Sprint("GET /", i), 1, 1, 404, "not_found")
		}
		for range 2 * modelRuns {
			p.TaskEnded(ran("0", 0, time.Second, nil))
		}
		a := p.Analytics(time.Now())
		require.Len(t, a.Models, maxModels)
		require.Len(t, a.Causes, maxCauses+1)
		require.Equal(t, 2*maxRoutes-maxCauses, a.Causes[0].Count, "those of other routes")
		require.Equal(t, "other", a.Causes[0].Route)
		network := p.Network()
		require.Len(t, network.Routes, maxRoutes+1)
		require.Equal(t, RouteTraffic{"other", maxRoutes, maxRoutes, maxRoutes}, network.Routes[0])
		require.EqualValues(t, 0, network.Received, "bytes are counted as they pass")
		time.Sleep(time.Hour)
		p.TaskEnded(ran("1", 0, time.Second, nil))
		time.Sleep(keptHours * time.Hour)
		p.TaskEnded(ran("new", 0, time.Second, nil))
		require.Len(t, p.Analytics(time.Now()).Models, 1)
		require.Len(t, p.history.models, 1, "unused models make room")
		p.TaskEnded(ran("2", 0, time.Second, nil))
		require.Len(t, p.history.models, 2)
	})
}

func TestSamplesHaveTheTraffic(t *testing.T) {
	t.Parallel()
	usage := func() ProcessUsage { return ProcessUsage{Link: 125_000_000} }
	observe(t, DefaultConfig(), usage, func(t *testing.T, p *Monitor) {
		t.Helper()
		traffic := p.Traffic()
		time.Sleep(6 * time.Second)
		traffic.Uploading(1)
		traffic.Streaming(1)
		traffic.Streaming(1)
		traffic.Received(5000)
		traffic.Sent(500)
		time.Sleep(5 * time.Second)
		traffic.Uploading(-1)
		traffic.Ended("POST /speech", 5000, 300, 200, "")
		traffic.Ended("GET /jobs", 0, 200, 200, "")
		traffic.Sent(1)
		time.Sleep(5 * time.Second)
		samples := p.Report().Samples
		require.Len(t, samples, 3)
		require.Zero(t, samples[0].ReceivedPerSecond)
		require.InDelta(t, 1000, samples[1].ReceivedPerSecond, 1e-9)
		require.InDelta(t, 100, samples[1].SentPerSecond, 1e-9)
		require.Equal(t, []int{1, 2}, []int{samples[1].Uploads, samples[1].Streams})
		require.InDelta(t, 0.2, samples[2].SentPerSecond, 1e-9)
		require.Equal(t, []int{0, 2}, []int{samples[2].Uploads, samples[2].Streams})
		require.Equal(t, Network{
			Received: 5000, Sent: 501, Streams: 2, Capacity: 125_000_000, Peak: 1000,
			Routes: []RouteTraffic{{"POST /speech", 1, 5000, 300}, {"GET /jobs", 1, 0, 200}},
		}, p.Network())
	})
}

func TestTrafficIsExported(t *testing.T) {
	t.Parallel()
	reg := prometheus.NewRegistry()
	traffic := newTraffic(reg, func(RequestEvent) {})
	traffic.Uploading(1)
	traffic.Streaming(1)
	traffic.Streaming(1)
	traffic.Ended("POST /speech", 10, 3, 429, "busy")
	traffic.Ended("POST /speech", 10, 4, 200, "")
	require.NoError(t, testutil.GatherAndCompare(reg, strings.NewReader(`
# HELP grym_http_bytes_total Bytes of requests (received) and answers (sent) without headers, by route, counted at their end.
# TYPE grym_http_bytes_total counter
grym_http_bytes_total{direction="received",route="POST /speech"} 20
grym_http_bytes_total{direction="sent",route="POST /speech"} 7
# HELP grym_http_refusals_total Requests that were answered with an error, by the code of the problem.
# TYPE grym_http_refusals_total counter
grym_http_refusals_total{cause="busy"} 1
# HELP grym_http_streams Answers of server-sent events under way.
# TYPE grym_http_streams gauge
grym_http_streams 2
# HELP grym_http_uploads Requests whose body is being received.
# TYPE grym_http_uploads gauge
grym_http_uploads 1
`)))
}

func TestAForecastIsUsedWhereItHelps(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		ahead Ahead
		used  bool
	}{
		"better":           {Ahead{Value: 5, Compared: 24, MeanError: 0.94, NaiveError: 1}, true},
		"hardly better":    {Ahead{Value: 5, Compared: 24, MeanError: 0.95, NaiveError: 1}, false},
		"not compared yet": {Ahead{Value: 5, Compared: 23, MeanError: 0, NaiveError: 1}, false},
		"nothing happens":  {Ahead{Value: 5, Compared: 99}, false},
		"large figures":    {Ahead{Value: 5, Compared: 99, MeanError: 98, NaiveError: 100}, false},
	} {
		require.Equal(t, c.used, c.ahead.Used(), name)
		want := 3.
		if c.used {
			want = 5
		}
		require.InDelta(t, want, Forecast{Now: 3, Ahead: []Ahead{c.ahead}}.Expected(), 0, name)
	}
	require.InDelta(t, 3, Forecast{Now: 3}.Expected(), 0)
}

// TestForecastsAreExported compares the series with the view.
func TestForecastsAreExported(t *testing.T) {
	t.Parallel()
	reg := prometheus.NewRegistry()
	o, now := newForecasts(reg), time.Unix(0, 0)
	for i := range 100 {
		if i == 5 {
			require.Zero(t, testutil.CollectAndCount(o.value)+testutil.CollectAndCount(o.off))
		}
		o.add(SeriesQueue, "echo", float64(i*i%17), now, 5*time.Second)
		now = now.Add(5 * time.Second)
	}
	view := o.one(SeriesQueue, "echo").Ahead[0]
	label := []string{SeriesQueue, "echo", "1m"}
	require.InDelta(t, view.Value, testutil.ToFloat64(o.value.WithLabelValues(label...)), 0)
	require.InDelta(t, view.MeanError, testutil.ToFloat64(o.off.WithLabelValues(label...)), 0)
	require.InDelta(t, view.NaiveError, testutil.ToFloat64(o.naive.WithLabelValues(label...)), 0)
	require.Positive(t, view.NaiveError)
	view.Value = -1
	o.list()[0].Ahead[0].Value = -1
	require.NotEqual(t, view.Value, o.one(SeriesQueue, "echo").Ahead[0].Value, "views are copies")
	o.forget()
	require.Empty(t, o.list())
	require.Zero(t, testutil.CollectAndCount(o.value))
}
