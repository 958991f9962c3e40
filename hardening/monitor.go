package hardening

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/grym-synth/grym-synth/internal/lifecycle"
	"github.com/grym-synth/grym-synth/services"
)

// MonitorConfig configures the health monitor.
type MonitorConfig struct {
	Enabled bool
	// CheckInterval is the time between two checks of every service.
	CheckInterval time.Duration
	// StallTimeout is the time after which a run without a sign of life is stopped. The
	// watchdog does that whether the monitor is enabled or not.
	StallTimeout time.Duration
}

// Check is the latest result of a health check.
type Check struct {
	// Name is "disk", "memory" or "queue", or "canary" or "progress" of a service.
	Name string
	OK   bool
	// Detail is a readable text with the figures behind the result.
	Detail string
	At     time.Time
}

// ProcessCheck is a health check of the whole process.
type ProcessCheck struct {
	Name string
	Ask  func() (ok bool, detail string)
}

// Monitor checks every service once per interval, and every run more often. A run that
// shows no sign of life degrades its service within an interval; after the stall
// timeout it is stopped and its service recovered. Safe for concurrent use.
type Monitor struct {
	cfg      MonitorConfig
	recovery *Recovery
	process  []ProcessCheck
	log      *slog.Logger
	checks   *prometheus.CounterVec
	stalls   *prometheus.CounterVec
	success  *prometheus.GaugeVec

	lifecycle.Group
	looks sync.WaitGroup // checks of single units

	mu      sync.Mutex
	units   []Unit          // replaced, never changed
	answers map[key][]Check // the empty key is the process's
	// looking holds the units being checked: a hung canary delays neither the other
	// units nor the next check.
	looking map[key]bool
}

// NewMonitor returns a monitor that is not running yet.
func NewMonitor(cfg MonitorConfig, recovery *Recovery, process []ProcessCheck, reg prometheus.Registerer, log *slog.Logger) *Monitor {
	m := &Monitor{cfg: cfg, recovery: recovery, process: process, log: log, answers: make(map[key][]Check), looking: make(map[key]bool)}
	m.checks = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "grym_health_checks_total",
		Help: "Health checks, by service (empty for the process), model (empty for the service's own), check and answer.",
	}, []string{"service", "model", "check", "ok"})
	m.stalls = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "grym_stalled_runs_total", Help: "Runs stopped because they showed no sign of life.",
	}, []string{"service", "model"})
	m.success = prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Name: "grym_service_last_success_timestamp_seconds",
		Help: "Time of a service's latest successful task, canaries excluded, in seconds since 1970, as of the latest health check; " +
			"0 before the first.",
	}, []string{"service", "model"})
	reg.MustRegister(m.checks, m.stalls, m.success)
	return m
}

// Watch adds a unit.
func (m *Monitor) Watch(unit Unit) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.units = append(slices.Clone(m.units), unit)
	m.stalls.WithLabelValues(unit.Name(), unit.Model())
	m.success.WithLabelValues(unit.Name(), unit.Model())
}

// Forget removes a model that has gone, and its metrics.
func (m *Monitor) Forget(service, model string) {
	of := key{service, model}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.units = slices.DeleteFunc(slices.Clone(m.units), func(u Unit) bool { return keyOf(u) == of })
	delete(m.answers, of)
	of.delete(m.checks.MetricVec, m.stalls.MetricVec, m.success.MetricVec)
}

// ifWatched calls fn for the process and for a unit that is watched. The caller holds mu.
func (m *Monitor) ifWatched(of key, fn func()) {
	if of == (key{}) || slices.ContainsFunc(m.units, func(u Unit) bool { return keyOf(u) == of }) {
		fn()
	}
}

// Start implements lifecycle.Part: it runs the watchdog and, where enabled, the health
// checks.
func (m *Monitor) Start(ctx context.Context) error {
	run := []func(context.Context){func(ctx context.Context) { lifecycle.Every(ctx, m.watchInterval(), m.watchRuns) }}
	if m.cfg.Enabled {
		run = append(run, func(ctx context.Context) {
			lifecycle.Every(ctx, m.cfg.CheckInterval, func() { m.look(ctx) })
			m.looks.Wait()
		})
	}
	return m.Group.Start(ctx, run...)
}

// silenceLimit returns how long a run may be silent before its service is unhealthy. It
// is shorter than the check interval by more than the watchdog's interval, so that a
// hung run is reported within one check interval.
func (m *Monitor) silenceLimit() time.Duration { return max(m.cfg.CheckInterval, time.Second) * 3 / 4 }

// watchInterval returns the interval of the watchdog.
func (m *Monitor) watchInterval() time.Duration {
	interval := min(max(m.cfg.StallTimeout/4, 10*time.Millisecond), 5*time.Second)
	if m.cfg.Enabled {
		interval = min(interval, m.silenceLimit()/6)
	}
	return interval
}

// Checks returns the latest answers of a model, for an empty name those of the
// service, and without a service those of the process.
func (m *Monitor) Checks(service, model string) []Check {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.answers[key{service, model}]
}

// watchRuns degrades units whose runs show no sign of life, and after the stall
// timeout stops the runs and has the units recovered.
func (m *Monitor) watchRuns() {
	for _, unit := range m.list() {
		of := keyOf(unit)
		if m.cfg.Enabled {
			if check := m.progress(unit); !check.OK {
				m.amend(of, check)
				unit.Degrade(check.Detail)
			}
		}
		m.review(unit)
		for _, run := range unit.Runs() {
			silent := time.Since(run.Progressed)
			if run.Waiting || run.Stopped || silent < m.cfg.StallTimeout {
				continue
			}
			cause := fmt.Sprintf("task %s (%s) showed no sign of life for %s", run.Task, run.Name, silent.Round(time.Millisecond))
			of.logger(m.log).Error("run has hung", "task", run.Task, "stage", run.Stage, "silent", silent)
			m.stalls.WithLabelValues(of.service, of.model).Inc()
			m.mend(of, unit, cause) // first, so that no other task starts
			unit.StopRun(run.ID,
				services.Faultf(services.KindTimeout, "the task showed no sign of life for %s and was stopped", m.cfg.StallTimeout))
		}
	}
}

// review lets the health of a unit follow the time. Where no health checks do it, a failing
// unit is tried again without a canary, and a degraded unit is restored once the runs that
// were stopped have ended.
func (m *Monitor) review(unit Unit) {
	m.recovery.review(unit, !m.cfg.Enabled || unit.Status().ModelsLoaded == 0)
	stopped := func(run services.Run) bool { return run.Stopped }
	if !m.cfg.Enabled && !slices.ContainsFunc(unit.Runs(), stopped) && m.recovery.healthy(unit) {
		unit.Restore("no run hangs")
	}
}

// mend starts the recovery of a unit, or degrades it where it is not recoverable.
func (m *Monitor) mend(of key, unit Unit, cause string) {
	if m.recovery.Recoverable(of.service, of.model) {
		m.recovery.Trigger(of.service, of.model, cause)
	} else {
		unit.Degrade(cause)
	}
}

func (m *Monitor) list() []Unit {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.units
}

// look runs every check once. Units are checked concurrently, so that a hung one does
// not delay the others.
func (m *Monitor) look(ctx context.Context) {
	var answers []Check
	for _, check := range m.process {
		ok, detail := check.Ask()
		answers = append(answers, Check{Name: check.Name, OK: ok, Detail: detail, At: time.Now()})
	}
	m.answer(key{}, answers)
	for _, unit := range m.list() {
		of := keyOf(unit)
		m.mu.Lock()
		looking := m.looking[of]
		m.looking[of] = true
		m.mu.Unlock()
		if looking {
			// The previous check still waits for a canary. The progress of the runs is
			// checked anyway.
			m.answer(of, []Check{m.progress(unit)})
			continue
		}
		m.looks.Go(func() {
			m.examine(ctx, unit)
			m.mu.Lock()
			defer m.mu.Unlock()
			delete(m.looking, of)
		})
	}
}

func (m *Monitor) answer(of key, answers []Check) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.ifWatched(of, func() {
		for _, a := range answers {
			m.checks.WithLabelValues(of.service, of.model, a.Name, strconv.FormatBool(a.OK)).Inc()
		}
		m.answers[of] = answers
	})
}

// amend replaces one result between two rounds of checks.
func (m *Monitor) amend(of key, check Check) {
	m.mu.Lock()
	defer m.mu.Unlock()
	answers := slices.DeleteFunc(slices.Clone(m.answers[of]), func(c Check) bool { return c.Name == check.Name })
	m.ifWatched(of, func() { m.answers[of] = append([]Check{check}, answers...) })
}

// examine checks one unit: whether its runs make progress, and, when it has been idle
// for an interval, whether a canary succeeds.
func (m *Monitor) examine(ctx context.Context, unit Unit) {
	answers := []Check{m.progress(unit)}
	state := unit.State()
	if m.idle(unit) && (state == services.StateReady || state == services.StateDegraded) {
		check := m.canary(ctx, unit)
		answers = append(answers, check)
		m.recovery.review(unit, check.OK && check.Detail == "")
	}
	of := keyOf(unit)
	m.answer(of, append(answers, m.lastSuccess(unit)))
	if ctx.Err() != nil {
		return
	}
	for _, a := range answers {
		if a.OK {
			continue
		}
		if a.Name == "canary" {
			m.mend(of, unit, a.Detail)
		} else {
			unit.Degrade(a.Detail)
		}
		return
	}
	if m.recovery.healthy(unit) {
		unit.Restore("its health checks pass")
	}
}

// progress checks the run that has been silent the longest.
func (m *Monitor) progress(unit Unit) Check {
	check := Check{Name: "progress", OK: true, At: time.Now()}
	var longest time.Duration
	for _, run := range unit.Runs() {
		silent := check.At.Sub(run.Progressed)
		switch {
		case run.Stopped:
			check.OK = false
			check.Detail = fmt.Sprintf("task %s was told to stop and has not; its memory and run slot stay taken", run.Task)
			return check
		case !run.Waiting && silent > longest:
			longest = silent
			check.Detail = fmt.Sprintf("task %s has shown no sign of life for %s", run.Task, silent.Round(time.Millisecond))
		}
	}
	check.OK = longest < m.silenceLimit()
	return check
}

// lastSuccess returns how long ago a task of the unit succeeded. It always passes:
// there may have been no task, and failures are the concern of the unit's health.
func (m *Monitor) lastSuccess(unit Unit) Check {
	check := Check{Name: "lastSuccess", OK: true, At: time.Now(), Detail: "none yet"}
	if at := unit.Status().LastSuccess; !at.IsZero() {
		m.mu.Lock()
		m.ifWatched(keyOf(unit), func() {
			m.success.WithLabelValues(unit.Name(), unit.Model()).Set(float64(at.UnixMilli()) / 1000)
		})
		m.mu.Unlock()
		check.Detail = check.At.Sub(at).Round(time.Second).String() + " ago"
	}
	return check
}

// idle reports whether the unit is loaded and has had no task for an interval, whatever
// the outcome of its tasks was.
func (m *Monitor) idle(unit Unit) bool {
	if len(unit.Runs()) > 0 || !m.recovery.idle(unit, m.cfg.CheckInterval) {
		return false
	}
	status := unit.Status()
	return status.ModelsLoaded > 0 && time.Since(status.LastSuccess) >= m.cfg.CheckInterval
}

// canary runs the canary of an idle unit, for at most one interval.
func (m *Monitor) canary(ctx context.Context, unit Unit) Check {
	bounded, cancel := context.WithTimeout(ctx, m.cfg.CheckInterval)
	defer cancel()
	err := unit.Canary(bounded)
	check := Check{Name: "canary", OK: err == nil, At: time.Now()}
	switch services.KindOf(err) {
	case "":
	case services.KindBusy, services.KindTooLarge, services.KindCancelled:
		// The queue or the budget was full: the service was not tested.
		check.OK, check.Detail = true, "not run: "+err.Error()
	default:
		check.Detail = "its canary inference failed: " + err.Error()
	}
	return check
}
