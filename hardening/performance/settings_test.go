package performance

import (
	"errors"
	"fmt"
	"log/slog"
	"math"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/require"

	"github.com/grym-synth/grym-synth/services"
)

// TestLimitsOfTheSettings has each limit and what is just beyond it.
func TestLimitsOfTheSettings(t *testing.T) {
	t.Parallel()
	require.Empty(t, DefaultConfig().Validate())
	above, below := math.Nextafter(1, 2), math.Nextafter(0, -1)
	for _, c := range []struct {
		key       string
		change    func(c *Config, value float64)
		good, bad []float64
	}{
		{"checkInterval", func(c *Config, v float64) { c.CheckInterval = 100*time.Millisecond + time.Duration(v) }, []float64{0}, []float64{-1}},
		{"history", func(c *Config, v float64) { c.History = int(v) }, []float64{1, 100_000}, []float64{0, 100_001}},
		{"sustain", func(c *Config, v float64) { c.Sustain = int(v) }, []float64{1, 100_000}, []float64{0, 100_001}},
		{"maxCPU", func(c *Config, v float64) { c.MaxCPU = v }, []float64{0, 1}, []float64{below, above, math.NaN()}},
		{"maxMemory", func(c *Config, v float64) { c.MaxMemory = v }, []float64{0, 1}, []float64{below, above, math.NaN()}},
		{"maxLatency", func(c *Config, v float64) { c.MaxLatency = time.Duration(v) }, []float64{0, 1}, []float64{-1}},
		{"maxSchedulingLatency", func(c *Config, v float64) { c.MaxSchedulingLatency = time.Duration(v) }, []float64{0, 1}, []float64{-1}},
		{"horizon", func(c *Config, v float64) { c.Horizon = time.Duration(v) }, []float64{0, 1}, []float64{-1}},
		{"maxGoroutines", func(c *Config, v float64) { c.MaxGoroutines = int(v) }, []float64{0, 1}, []float64{-1}},
	} {
		for _, value := range c.good {
			cfg := DefaultConfig()
			c.change(&cfg, value)
			require.Empty(t, cfg.Validate(), "%s: %v", c.key, value)
		}
		for _, value := range c.bad {
			cfg := DefaultConfig()
			c.change(&cfg, value)
			errs := cfg.Validate()
			require.Len(t, errs, 1, "%s: %v", c.key, value)
			require.ErrorContains(t, errs[0], c.key+": must ", "%v", value)
		}
	}
}

// TestMetricsOfAService has valid ones, and every mistake that one can have.
func TestMetricsOfAService(t *testing.T) {
	t.Parallel()
	reg := prometheus.NewRegistry()
	c := newCustomMetrics(reg, slog.New(slog.DiscardHandler))
	value := 3.0
	read := func() float64 { return value }
	c.register("echo", []services.Metric{
		{Name: "depth", Help: "Depth.", Read: read},
		{Name: "said_total", Help: "Said.", Counter: true, Read: read},
		{Name: "depth", Help: "Depth again.", Read: read},
		{Name: "Bad", Help: "h", Read: read}, {Name: "1st", Help: "h", Read: read}, {Name: "", Help: "h", Read: read},
		{Name: strings.Repeat("a", 65), Help: "h", Read: read},
		{Name: "counter", Help: "h", Counter: true, Read: read}, {Name: "gauge_total", Help: "h", Read: read},
		{Name: "no_help", Read: read}, {Name: "no_reader", Help: "h"},
		{Name: strings.Repeat("a", 64), Help: "h", Read: read},
	})
	require.Equal(t, []CustomValue{{"depth", 3}, {"said_total", 3}, {strings.Repeat("a", 64), 3}}, c.values("echo"))
	require.NoError(t, testutil.GatherAndCompare(reg, strings.NewReader(`
# HELP grym_custom_depth Depth.
# TYPE grym_custom_depth gauge
grym_custom_depth{service="echo"} 3
# HELP grym_custom_said_total Said.
# TYPE grym_custom_said_total counter
grym_custom_said_total{service="echo"} 3
`), "grym_custom_depth", "grym_custom_said_total"))
	for _, bad := range []float64{math.NaN(), math.Inf(1), math.Inf(-1)} {
		value = bad
		require.Empty(t, c.values("echo"), "JSON has no such number")
	}
	require.Empty(t, c.values("other"))
	var many []services.Metric
	for i := range maxCustom + 1 {
		many = append(many, services.Metric{Name: fmt.Sprint("m", i), Help: "h", Read: func() float64 { return 1 }})
	}
	c.register("many", many)
	require.Len(t, c.values("many"), maxCustom)
}

// TestASampleHasWhatEachServiceDoes has two services of which one is used.
func TestASampleHasWhatEachServiceDoes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		cfg, arrived := DefaultConfig(), uint64(0)
		cfg.CheckInterval = time.Second
		reg := prometheus.NewRegistry()
		p := New(cfg, Dependencies{Metrics: reg, Log: slog.New(slog.DiscardHandler), Usage: func() ProcessUsage {
			arrived += 7
			return ProcessUsage{Budget: services.GiB, Resident: services.MiB, Link: 1000, Services: []ServiceUse{
				{Name: "echo", Waiting: 5, Running: 2, Arrived: arrived}, {Name: "a service that went"},
			}}
		}})
		p.Watch("quiet")
		p.Watch("echo", services.Metric{Name: "depth", Help: "Depth.", Read: func() float64 { return 4 }})
		p.Traffic().Received(100)
		p.Traffic().Uploading(1)
		p.Traffic().Streaming(2)
		_, ok := p.sample()
		require.True(t, ok)
		time.Sleep(2 * time.Second)
		p.Traffic().Received(500)
		p.Traffic().Sent(900)
		s, _ := p.sample()
		require.Equal(t, []ServiceSample{
			{Name: "echo", Waiting: 5, Running: 2, Custom: []CustomValue{{"depth", 4}}}, {Name: "quiet"},
		}, s.Services)
		require.Equal(t, []any{250.0, 450.0, 1, 2}, []any{s.ReceivedPerSecond, s.SentPerSecond, s.Uploads, s.Streams})
		require.Equal(t, Network{Received: 600, Sent: 900, Uploads: 1, Streams: 2, Capacity: 1000, Peak: 450}, p.Network())
		var series []string
		for _, f := range p.Forecasts() {
			series = append(series, f.Service+" "+f.Series)
			if f.Series == SeriesArrivals && f.Service == "echo" {
				require.InDelta(t, 3.5, f.Now, 1e-9)
			}
		}
		require.Equal(t, []string{
			" memory_bytes", "a service that went arrivals_per_second", "a service that went queue_tasks", "echo arrivals_per_second",
			"echo queue_tasks",
		}, series)
	})
}

// TestWhatIsExportedOfTheMemory has the forecast before it is known, and when it is; and a
// monitor that is switched off.
func TestWhatIsExportedOfTheMemory(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		reg, cfg := prometheus.NewRegistry(), DefaultConfig()
		p := New(cfg, Dependencies{Metrics: reg, Log: slog.New(slog.DiscardHandler), Usage: func() ProcessUsage {
			return ProcessUsage{Budget: services.GiB, Resident: services.MiB}
		}})
		p.Watch("echo")
		_, ok := p.sample()
		require.True(t, ok)
		require.NoError(t, testutil.GatherAndCompare(reg, strings.NewReader(`
# HELP grym_memory_full_seconds Time until the resident set reaches the budget, on its trend; +Inf while it does not.
# TYPE grym_memory_full_seconds gauge
grym_memory_full_seconds +Inf
# HELP grym_memory_forecast_bytes Resident set in a minute, on its trend; NaN while there is none.
# TYPE grym_memory_forecast_bytes gauge
grym_memory_forecast_bytes NaN
`), "grym_memory_full_seconds", "grym_memory_forecast_bytes"))
		p.memory = MemoryForecast{Known: true, Bytes: 5, FullIn: time.Minute, Compared: 1, MeanError: 2}
		require.NoError(t, testutil.GatherAndCompare(reg, strings.NewReader(`
# HELP grym_memory_forecast_bytes Resident set in a minute, on its trend; NaN while there is none.
# TYPE grym_memory_forecast_bytes gauge
grym_memory_forecast_bytes 5
# HELP grym_memory_forecast_error_bytes Mean distance between forecasts and what came; NaN while there was none.
# TYPE grym_memory_forecast_error_bytes gauge
grym_memory_forecast_error_bytes 2
# HELP grym_memory_full_seconds Time until the resident set reaches the budget, on its trend; +Inf while it does not.
# TYPE grym_memory_full_seconds gauge
grym_memory_full_seconds 60
`), "grym_memory_full_seconds", "grym_memory_forecast_bytes", "grym_memory_forecast_error_bytes"))

		p.Configure(cfg)
		require.Empty(t, p.changed, "nothing has changed")
		cfg.Sustain++
		p.Configure(cfg)
		p.Configure(DefaultConfig())
		require.Len(t, p.changed, 1)
		cfg.Enabled = false
		p.Configure(cfg)
		_, ok = p.sample()
		require.False(t, ok)
		require.Empty(t, p.Forecasts())
		p.TaskEnded(services.TaskEvent{Service: "echo", Started: true, Ran: time.Second, Err: errors.New("x")})
		require.Empty(t, p.Analytics(time.Time{}).Hours, "nothing is counted while it is off")
		require.Equal(t, Forecast{Series: "x", Service: "y"}, p.forecasts.one("x", "y"))
	})
}

// TestWhetherAForecastIsUsed has the limits of its error and of the comparisons.
func TestWhetherAForecastIsUsed(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		compared         int
		off, naive, want float64
	}{
		{leastCompared, 0.949, 1, 5}, {leastCompared, 0.95, 1, 3}, {leastCompared - 1, 0, 1, 3}, {leastCompared, 0, 0, 3},
	} {
		f := Forecast{Now: 3, Ahead: []Ahead{{Value: 5, Compared: c.compared, MeanError: c.off, NaiveError: c.naive}}}
		require.InDelta(t, c.want, f.Expected(), 0, "%+v", c)
	}
	require.InDelta(t, 3, Forecast{Now: 3}.Expected(), 0)
}

// TestTheHistoryHasALimit has more routes, causes and models than are counted apart.
func TestTheHistoryHasALimit(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	h := newHistory()
	for i := range maxCauses + 2 {
		h.request(RequestEvent{Route: fmt.Sprint("r", i), Cause: "busy", Status: 503, Received: 1, Sent: 2}, now)
	}
	h.request(RequestEvent{Route: "r0", Cause: "busy", Status: 429}, now.Add(time.Minute))
	h.request(RequestEvent{Route: "r0"}, now)
	for i := range maxModels + 1 {
		h.task(services.TaskEvent{Service: "echo", Model: fmt.Sprint(i), Started: true, Ran: time.Second, Queued: 2 * time.Second}, now)
	}
	h.task(services.TaskEvent{Service: "echo", Model: "0", Err: errors.New("x"), Ran: time.Second}, now)
	a := h.analyze(now)
	require.Len(t, a.Models, maxModels)
	require.Equal(t, []HourUse{{
		Start: now.Truncate(time.Hour), Tasks: maxModels + 2, Failed: 1, Requests: maxCauses + 4, Refused: maxCauses + 3,
		Work: (maxModels + 2) * time.Second, Queued: (maxModels + 1) * 2 * time.Second, Received: maxCauses + 2, Sent: 2 * (maxCauses + 2),
	}}, a.Hours)
	require.Equal(t, Cause{Cause: "busy", Route: "other", Status: 503, Count: 2, Last: now}, a.Causes[0])
	require.Equal(t, Cause{Cause: "busy", Route: "r0", Status: 429, Count: 2, Last: now.Add(time.Minute)}, a.Causes[1])
	require.Len(t, a.Causes, maxCauses+1)

	later := now.Add(keptHours * time.Hour)
	h.task(services.TaskEvent{Service: "echo", Model: "new", Started: true, Ran: 3 * time.Second, Queued: time.Second}, later)
	a = h.analyze(time.Time{})
	require.Len(t, h.hours, 1, "a week is remembered")
	require.Equal(t, []ModelUse{{
		Service: "echo", Model: "new", Tasks: 1, Work: 3 * time.Second, RanP50: 3 * time.Second, RanP95: 3 * time.Second, RanMax: 3 * time.Second,
		QueuedP95: time.Second,
	}}, a.Models, "the others have not run for a week")
	require.Empty(t, h.analyze(later.Add(time.Hour)).Hours)

	traffic := newTraffic(prometheus.NewRegistry(), func(RequestEvent) {})
	for i := range maxRoutes + 2 {
		traffic.Ended(fmt.Sprint("r", i), 1, 2, 200, "")
	}
	view := traffic.view()
	require.Len(t, view.Routes, maxRoutes+1)
	require.Equal(t, RouteTraffic{Route: "other", Requests: 2, Received: 2, Sent: 4}, view.Routes[0])
}
