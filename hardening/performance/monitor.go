package performance

import (
	"context"
	"log/slog"
	"math"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/grym-synth/grym-synth/internal/lifecycle"
	"github.com/grym-synth/grym-synth/services"
)

// Monitor samples the process and its services once per interval, and warns if a
// threshold is exceeded for several consecutive samples. It observes tasks. Safe for
// concurrent use.
type Monitor struct {
	deps   Dependencies
	active *prometheus.GaugeVec
	total  *prometheus.CounterVec
	custom *customMetrics
	// traffic is counted outside the lock.
	traffic *Traffic

	lifecycle.Group
	changed chan struct{}

	mu  sync.Mutex
	cfg Config
	// tasks of each service that ended, and arrived when it was sampled last.
	tasks     map[string]*services.Recent[ended]
	arrived   map[string]uint64
	samples   []Sample
	network   traffic
	history   history
	lastCPU   time.Duration
	forecasts *forecasts
	memory    MemoryForecast
	budget    services.Bytes
	runtime   *goRuntime
	beyond    map[string]int // samples in a row beyond a threshold, by warning
	warnings  map[string]Warning
	over      []Warning
}

// Dependencies are what a monitor works with.
type Dependencies struct {
	// Usage is called at each sample.
	Usage func() ProcessUsage
	// Sampled, if any, is called after each sample, with that and with what is expected
	// to come. No lock is held.
	Sampled func(latest Sample, expected []Forecast)
	Metrics prometheus.Registerer
	Log     *slog.Logger
}

// New returns a monitor that is not running yet.
func New(cfg Config, deps Dependencies) *Monitor {
	reg := deps.Metrics
	m := &Monitor{
		cfg: cfg, deps: deps, changed: make(chan struct{}, 1), runtime: newGoRuntime(),
		tasks: make(map[string]*services.Recent[ended]), arrived: make(map[string]uint64), forecasts: newForecasts(reg),
		beyond: make(map[string]int), warnings: make(map[string]Warning), history: newHistory(),
	}
	m.traffic = newTraffic(reg, m.requestEnded)
	m.active = prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Name: "grym_performance_warning", Help: "1 while a threshold of the performance monitor is exceeded.",
	}, []string{"warning"})
	m.total = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "grym_performance_warnings_total", Help: "Warnings of the performance monitor that began.",
	}, []string{"warning"})
	m.custom = newCustomMetrics(reg, deps.Log)
	reg.MustRegister(m.active, m.total)
	m.gauge(reg, "grym_memory_forecast_bytes", "Resident set in a minute, on its trend; NaN while there is none.",
		func(f MemoryForecast) float64 { return known(f.Known, f.Bytes) })
	m.gauge(reg, "grym_memory_forecast_error_bytes", "Mean distance between forecasts and what came; NaN while there was none.",
		func(f MemoryForecast) float64 { return known(f.Compared > 0, f.MeanError) })
	m.gauge(reg, "grym_memory_full_seconds", "Time until the resident set reaches the budget, on its trend; +Inf while it does not.",
		func(f MemoryForecast) float64 {
			if f.FullIn == 0 {
				return math.Inf(1)
			}
			return f.FullIn.Seconds()
		})
	for _, name := range []string{"cpu", "memory", "memoryTrend", "scheduling", "goroutines"} {
		m.active.WithLabelValues(name)
		m.total.WithLabelValues(name)
	}
	return m
}

// known returns the value, or NaN if ok is false.
func known(ok bool, value float64) float64 {
	if !ok {
		return math.NaN()
	}
	return value
}

// gauge registers a gauge of the memory forecast.
func (m *Monitor) gauge(reg prometheus.Registerer, name, help string, value func(MemoryForecast) float64) {
	reg.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, func() float64 {
		m.mu.Lock()
		defer m.mu.Unlock()
		return value(m.memory)
	}))
}

// Watch adds a service to the samples and series, and registers its own metrics.
func (m *Monitor) Watch(service string, custom ...services.Metric) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.custom.register(service, custom)
	recent := services.NewRecent[ended](serviceTasks)
	m.tasks[service] = &recent
	m.active.WithLabelValues("latency/" + service)
	m.total.WithLabelValues("latency/" + service)
}

// TaskEnded implements the orchestrator's observer.
func (m *Monitor) TaskEnded(event services.TaskEvent) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.cfg.Enabled {
		return
	}
	now := time.Now()
	m.history.task(event, now)
	if tasks := m.tasks[event.Service]; tasks != nil {
		tasks.Add(ended{now, event.Queued + event.Ran, event.Err != nil})
	}
}

// Start implements lifecycle.Part.
func (m *Monitor) Start(ctx context.Context) error { return m.Group.Start(ctx, m.run) }

// Configure changes the settings. When the monitor is disabled, it drops its samples.
func (m *Monitor) Configure(cfg Config) {
	m.mu.Lock()
	if cfg == m.cfg {
		m.mu.Unlock()
		return
	}
	m.cfg = cfg
	if !cfg.Enabled {
		m.samples, m.memory, m.history = nil, MemoryForecast{}, newHistory()
		m.forecasts.forget()
		for _, tasks := range m.tasks {
			tasks.Clear()
		}
		m.judge(nil, time.Now())
	}
	m.mu.Unlock()
	select {
	case m.changed <- struct{}{}:
	default:
	}
}

func (m *Monitor) run(ctx context.Context) {
	for {
		m.mu.Lock()
		cfg := m.cfg
		m.mu.Unlock()
		var tick <-chan time.Time
		var timer *time.Timer
		if cfg.Enabled {
			timer = time.NewTimer(cfg.CheckInterval)
			tick = timer.C
		}
		select {
		case <-tick:
			if latest, ok := m.sample(); ok && m.deps.Sampled != nil {
				m.deps.Sampled(latest, m.Forecasts())
			}
		case <-m.changed:
		case <-ctx.Done():
		}
		if timer != nil {
			timer.Stop()
		}
		if ctx.Err() != nil {
			return
		}
	}
}

// sample takes one sample, unless the monitor is disabled.
func (m *Monitor) sample() (s Sample, ok bool) {
	usage, now := m.deps.Usage(), time.Now()
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.cfg.Enabled {
		return s, false
	}
	s = Sample{At: now, Resident: usage.Resident, FileDescriptors: usage.FileDescriptors, Waiting: usage.Waiting}
	m.runtime.read(&s)
	if n := len(m.samples); n > 0 {
		if elapsed := now.Sub(m.samples[n-1].At); elapsed > 0 {
			s.CPU = max(usage.CPU-m.lastCPU, 0).Seconds() / elapsed.Seconds()
		}
	}
	m.lastCPU, m.budget = usage.CPU, usage.Budget
	m.network.sample(&s, m.traffic, usage.Link)
	s.Services = m.sampleServices(now, usage.Services)
	m.lookAhead(s, usage.Services)
	m.samples = append(m.samples, s)
	m.samples = slices.Clone(m.samples[max(len(m.samples)-m.cfg.History, 0):])
	m.memory = memoryForecast(m.forecasts.one(SeriesMemory, ""), float64(usage.Budget))
	m.judge(m.beyondThresholds(s), now)
	return s, true
}

// sampleServices returns the sample of each service's last minute. The caller holds mu.
func (m *Monitor) sampleServices(now time.Time, use []ServiceUse) []ServiceSample {
	list := make([]ServiceSample, 0, len(m.tasks))
	for name, tasks := range m.tasks {
		service := sampleService(name, tasks.All(), now.Add(-serviceWindow))
		service.Custom = m.custom.values(name)
		for _, u := range use {
			if u.Name == name {
				service.Waiting, service.Running = u.Waiting, u.Running
			}
		}
		list = append(list, service)
	}
	slices.SortFunc(list, func(a, b ServiceSample) int { return strings.Compare(a.Name, b.Name) })
	return list
}

// lookAhead adds a new sample to the forecasts. The caller holds mu.
func (m *Monitor) lookAhead(s Sample, use []ServiceUse) {
	interval := m.cfg.CheckInterval
	m.forecasts.add(SeriesMemory, "", float64(s.Resident), s.At, interval)
	for _, u := range use {
		before, seen := m.arrived[u.Name]
		m.arrived[u.Name] = u.Arrived
		m.forecasts.add(SeriesQueue, u.Name, float64(u.Waiting), s.At, interval)
		if n := len(m.samples); seen && n > 0 {
			if elapsed := s.At.Sub(m.samples[n-1].At).Seconds(); elapsed > 0 {
				m.forecasts.add(SeriesArrivals, u.Name, float64(u.Arrived-before)/elapsed, s.At, interval)
			}
		}
	}
}

// Forecasts returns the forecasts of memory, queues and arrivals.
func (m *Monitor) Forecasts() []Forecast {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.forecasts.list()
}

// Report is what the monitor has seen.
type Report struct {
	Enabled  bool
	Interval time.Duration
	// Samples, the oldest first.
	Samples []Sample
	Memory  MemoryForecast
	// Warnings are the current ones, Over the past ones, the latest last.
	Warnings, Over []Warning
}

// Report returns a snapshot of the monitor.
func (m *Monitor) Report() Report {
	m.mu.Lock()
	defer m.mu.Unlock()
	r := Report{Enabled: m.cfg.Enabled, Interval: m.cfg.CheckInterval, Samples: m.samples, Memory: m.memory, Over: m.over}
	for _, warning := range m.warnings {
		r.Warnings = append(r.Warnings, warning)
	}
	slices.SortFunc(r.Warnings, func(a, b Warning) int { return strings.Compare(a.Name, b.Name) })
	return r
}
