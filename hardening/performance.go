package hardening

import (
	"context"
	"fmt"
	"log/slog"
	"math"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/grym-synth/grym-synth/services"
)

// Warning is a threshold that is passed.
type Warning struct {
	// Name is cpu, memory, memoryTrend, scheduling, goroutines, or latency of a
	// service as "latency/wav2vec2".
	Name string
	// Detail is for a person: the figures and the limit.
	Detail string
	// Since is when the warning began, Until when it ended; zero while it lasts.
	Since, Until time.Time
}

// keptWarnings is how many warnings that are over are remembered.
const keptWarnings = 64

// Performance samples the process and its services once an interval, and warns
// where a threshold is passed for some samples in a row. It is an observer of
// tasks. Safe for concurrent use.
type Performance struct {
	process func() ProcessUsage
	log     *slog.Logger
	active  *prometheus.GaugeVec
	total   *prometheus.CounterVec
	custom  *customMetrics
	// sampled is called after each sample; see OnSample.
	sampled func()

	cancel  context.CancelFunc
	work    sync.WaitGroup
	changed chan struct{}

	mu       sync.Mutex
	cfg      PerformanceConfig
	windows  map[string][]ended
	samples  []Sample
	lastCPU  time.Duration
	arrived  map[string]uint64
	outlooks *outlooks
	budget   services.Bytes
	runtime  *goRuntime
	forecast Forecast
	trend    forecaster
	beyond   map[string]int // samples in a row beyond a threshold, by warning
	warnings map[string]Warning
	over     []Warning
}

// NewPerformance makes a monitor that is not running yet. process is asked at
// each sample.
func NewPerformance(cfg PerformanceConfig, process func() ProcessUsage, reg prometheus.Registerer, log *slog.Logger) *Performance {
	p := &Performance{
		cfg: cfg, process: process, log: log, changed: make(chan struct{}, 1), runtime: newGoRuntime(),
		windows: make(map[string][]ended), arrived: make(map[string]uint64), outlooks: newOutlooks(reg), sampled: func() {}, beyond: make(map[string]int), warnings: make(map[string]Warning),
	}
	p.active = prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "grym_performance_warning", Help: "1 while a threshold of the performance monitor is passed."}, []string{"warning"})
	p.total = prometheus.NewCounterVec(prometheus.CounterOpts{Name: "grym_performance_warnings_total", Help: "Warnings of the performance monitor that began."}, []string{"warning"})
	p.custom = newCustomMetrics(reg, log)
	reg.MustRegister(p.active, p.total,
		p.gauge("grym_memory_forecast_bytes", "Resident set in a minute, on its trend; NaN while there is none.", func(f Forecast) float64 {
			return known(f.Known, f.Bytes)
		}),
		p.gauge("grym_memory_forecast_error_bytes", "Mean distance between forecasts and what came; NaN while there was none.", func(f Forecast) float64 {
			return known(f.Compared > 0, f.MeanError)
		}),
		p.gauge("grym_memory_full_seconds", "Time until the resident set reaches the budget, on its trend; +Inf while it does not.", func(f Forecast) float64 {
			if f.FullIn == 0 {
				return math.Inf(1)
			}
			return f.FullIn.Seconds()
		}))
	for _, name := range []string{"cpu", "memory", "memoryTrend", "scheduling", "goroutines"} {
		p.active.WithLabelValues(name)
		p.total.WithLabelValues(name)
	}
	return p
}

func known(ok bool, value float64) float64 {
	if !ok {
		return math.NaN()
	}
	return value
}

func (p *Performance) gauge(name, help string, value func(Forecast) float64) prometheus.Collector {
	return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, func() float64 {
		p.mu.Lock()
		defer p.mu.Unlock()
		return value(p.forecast)
	})
}

// Watch makes a service's sample and series appear before anything happens to it,
// and takes the metrics that the service has of its own.
func (p *Performance) Watch(service string, custom ...services.Metric) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.custom.register(service, custom)
	p.windows[service] = nil
	p.active.WithLabelValues("latency/" + service)
	p.total.WithLabelValues("latency/" + service)
}

// TaskEnded implements the orchestrator's observer.
func (p *Performance) TaskEnded(event services.TaskEvent) {
	p.mu.Lock()
	defer p.mu.Unlock()
	window, ok := p.windows[event.Service]
	if !ok || !p.cfg.Enabled {
		return
	}
	if len(window) >= serviceTasks {
		window = window[len(window)-serviceTasks+1:]
	}
	p.windows[event.Service] = append(window, ended{time.Now(), event.Queued + event.Ran, event.Err != nil})
}

// Start samples until Close.
func (p *Performance) Start() {
	ctx, cancel := context.WithCancel(context.Background())
	p.cancel = cancel
	p.work.Go(func() { p.run(ctx) })
}

// Close stops the monitor and waits for it, at most until ctx ends.
func (p *Performance) Close(ctx context.Context) error {
	if p.cancel != nil {
		p.cancel()
	}
	return waitFor(ctx, &p.work, "performance monitor")
}

// Configure puts other settings in force. Switched off, the monitor forgets what
// it has seen.
func (p *Performance) Configure(cfg PerformanceConfig) {
	p.mu.Lock()
	if cfg == p.cfg {
		p.mu.Unlock()
		return
	}
	p.cfg = cfg
	if !cfg.Enabled {
		p.samples, p.forecast, p.trend = nil, Forecast{}, forecaster{}
		p.outlooks.forget()
		for name := range p.windows {
			p.windows[name] = nil
		}
		p.judge(nil, time.Now())
	}
	p.mu.Unlock()
	select {
	case p.changed <- struct{}{}:
	default:
	}
}

func (p *Performance) run(ctx context.Context) {
	for {
		p.mu.Lock()
		cfg := p.cfg
		p.mu.Unlock()
		var tick <-chan time.Time
		var timer *time.Timer
		if cfg.Enabled {
			timer = time.NewTimer(cfg.CheckInterval)
			tick = timer.C
		}
		select {
		case <-tick:
			p.sample()
			p.sampled()
		case <-p.changed:
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

// sample takes one look.
func (p *Performance) sample() {
	usage, now := p.process(), time.Now()
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.cfg.Enabled {
		return
	}
	s := Sample{At: now, Resident: usage.Resident, FileDescriptors: usage.FileDescriptors, Waiting: usage.Waiting}
	p.runtime.read(&s)
	if n := len(p.samples); n > 0 {
		if elapsed := now.Sub(p.samples[n-1].At); elapsed > 0 {
			s.CPU = max(usage.CPU-p.lastCPU, 0).Seconds() / elapsed.Seconds()
		}
	}
	p.lastCPU, p.budget = usage.CPU, usage.Budget
	s.Services = p.sampleServices(now, usage.Services)
	p.lookAhead(s, usage.Services)
	p.samples = append(p.samples, s)
	p.samples = slices.Clone(p.samples[max(len(p.samples)-p.cfg.History, 0):])
	p.forecast = p.trend.add(p.samples, float64(usage.Budget))
	p.judge(p.beyondThresholds(s), now)
}

// sampleServices looks at each service's last minute. The caller holds mu.
func (p *Performance) sampleServices(now time.Time, use []ServiceUse) []ServiceSample {
	list := make([]ServiceSample, 0, len(p.windows))
	for name, window := range p.windows {
		first := slices.IndexFunc(window, func(e ended) bool { return now.Sub(e.at) <= serviceWindow })
		if first < 0 {
			first = len(window)
		}
		p.windows[name] = slices.Clone(window[first:])
		service := sampleService(name, p.windows[name])
		service.Custom = p.custom.values(name)
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

// lookAhead takes a sample that is not yet among the others into the forecasts.
// The caller holds mu.
func (p *Performance) lookAhead(s Sample, use []ServiceUse) {
	interval := p.cfg.CheckInterval
	p.outlooks.add(SeriesMemory, "", float64(s.Resident), s.At, interval)
	for _, u := range use {
		before, seen := p.arrived[u.Name]
		p.arrived[u.Name] = u.Arrived
		p.outlooks.add(SeriesQueue, u.Name, float64(u.Waiting), s.At, interval)
		if n := len(p.samples); seen && n > 0 {
			if elapsed := s.At.Sub(p.samples[n-1].At).Seconds(); elapsed > 0 {
				p.outlooks.add(SeriesArrivals, u.Name, float64(u.Arrived-before)/elapsed, s.At, interval)
			}
		}
	}
}

// Outlooks forecasts memory, queues and arrivals from the samples that were kept.
func (p *Performance) Outlooks() []Outlook {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.outlooks.list()
}

// OnSample sets what is called after each sample, with no lock held. It is set
// before Start.
func (p *Performance) OnSample(sampled func()) { p.sampled = sampled }

// beyondThresholds gives what is wrong with a sample, by the warning's name. The
// caller holds mu.
func (p *Performance) beyondThresholds(s Sample) map[string]string {
	cfg, wrong := p.cfg, make(map[string]string)
	if limit := cfg.MaxCPU * float64(runtime.NumCPU()); limit > 0 && s.CPU > limit {
		wrong["cpu"] = fmt.Sprintf("%.2f cores are busy, the threshold is %.2f", s.CPU, limit)
	}
	if limit := services.Bytes(cfg.MaxMemory * float64(p.budget)); limit > 0 && s.Resident > limit {
		wrong["memory"] = fmt.Sprintf("%s are resident, the threshold is %s", s.Resident, limit)
	}
	// What a start allocates is no trend, so the budget must be half full.
	if f := p.forecast; f.FullIn > 0 && f.FullIn <= cfg.Horizon && s.Resident > p.budget/2 {
		wrong["memoryTrend"] = fmt.Sprintf("the resident set grows by %s a minute and reaches the budget of %s in %s", services.Bytes(f.BytesPerSecond*60), p.budget, f.FullIn.Round(time.Second))
	}
	if limit := cfg.MaxSchedulingLatency; limit > 0 && s.SchedulingP99 > limit {
		wrong["scheduling"] = fmt.Sprintf("one in a hundred goroutines waits %s for a processor, the threshold is %s", s.SchedulingP99, limit)
	}
	if limit := cfg.MaxGoroutines; limit > 0 && s.Goroutines > limit {
		wrong["goroutines"] = fmt.Sprintf("there are %d goroutines, the threshold is %d", s.Goroutines, limit)
	}
	for _, service := range s.Services {
		if limit := cfg.MaxLatency; limit > 0 && service.P95 > limit {
			wrong["latency/"+service.Name] = fmt.Sprintf("one in twenty tasks of %s took %s or more, the threshold is %s", service.Name, service.P95.Round(time.Millisecond), limit)
		}
	}
	return wrong
}

// judge begins and ends warnings. The caller holds mu.
func (p *Performance) judge(wrong map[string]string, now time.Time) {
	for name, warning := range p.warnings {
		if _, still := wrong[name]; !still {
			warning.Until = now
			delete(p.warnings, name)
			p.over = append(p.over, warning)
			p.over = slices.Clone(p.over[max(len(p.over)-keptWarnings, 0):])
			p.active.WithLabelValues(name).Set(0)
			p.log.Info("performance warning over", "warning", name, "lasted", now.Sub(warning.Since))
		}
	}
	for name := range p.beyond {
		if _, still := wrong[name]; !still {
			delete(p.beyond, name)
		}
	}
	for name, detail := range wrong {
		p.beyond[name]++
		warning, lasting := p.warnings[name]
		if !lasting {
			if p.beyond[name] < p.cfg.Sustain {
				continue
			}
			warning = Warning{Name: name, Since: now}
			p.active.WithLabelValues(name).Set(1)
			p.total.WithLabelValues(name).Inc()
			p.log.Warn("performance warning", "warning", name, "detail", detail)
		}
		warning.Detail = detail
		p.warnings[name] = warning
	}
}

// PerformanceReport is what the monitor has seen.
type PerformanceReport struct {
	Enabled  bool
	Interval time.Duration
	// Samples, the oldest first.
	Samples  []Sample
	Forecast Forecast
	// Warnings that last, and then those that are over, the latest last.
	Warnings, Over []Warning
}

// Report gives what the monitor has seen.
func (p *Performance) Report() PerformanceReport {
	p.mu.Lock()
	defer p.mu.Unlock()
	r := PerformanceReport{Enabled: p.cfg.Enabled, Interval: p.cfg.CheckInterval, Samples: p.samples, Forecast: p.forecast, Over: p.over}
	for _, warning := range p.warnings {
		r.Warnings = append(r.Warnings, warning)
	}
	slices.SortFunc(r.Warnings, func(a, b Warning) int { return strings.Compare(a.Name, b.Name) })
	return r
}

// Latest gives the newest sample; false before the first.
func (p *Performance) Latest() (Sample, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.samples) == 0 {
		return Sample{}, false
	}
	return p.samples[len(p.samples)-1], true
}
