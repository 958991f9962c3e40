package hardening

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/grym-synth/grym-synth/internal/lifecycle"
	"github.com/grym-synth/grym-synth/services"
)

// RecoveryConfig bounds the recovery of services.
type RecoveryConfig struct {
	// Enabled turns the recovery of failed services on. Defaults to true.
	Enabled bool `koanf:"enabled"`
	// MaxAttempts in a row, after which the service is unavailable and is tried
	// again once every check interval of the health monitor. Defaults to 3.
	MaxAttempts int `koanf:"maxAttempts"`
	// Delay before the second attempt, doubled for each further one up to
	// MaxDelay. Default to 1s and 30s.
	Delay    time.Duration `koanf:"delay"`
	MaxDelay time.Duration `koanf:"maxDelay"`
	// Timeout of one attempt: unload, load and canary. Defaults to 2m.
	Timeout time.Duration `koanf:"timeout"`
}

// DefaultRecoveryConfig returns the documented defaults.
func DefaultRecoveryConfig() RecoveryConfig {
	return RecoveryConfig{Enabled: true, MaxAttempts: 3, Delay: time.Second, MaxDelay: 30 * time.Second, Timeout: 2 * time.Minute}
}

// Validate returns an error for every bad value, with its key relative to this section.
func (c RecoveryConfig) Validate() []error {
	var errs []error
	if c.MaxAttempts < 1 {
		errs = append(errs, fmt.Errorf("maxAttempts: must be at least 1, got %d", c.MaxAttempts))
	}
	if c.Delay <= 0 {
		errs = append(errs, fmt.Errorf("delay: must be above zero, got %s", c.Delay))
	}
	if c.MaxDelay < c.Delay {
		errs = append(errs, fmt.Errorf("maxDelay: must be at least delay (%s), got %s", c.Delay, c.MaxDelay))
	}
	if c.Timeout < time.Second {
		errs = append(errs, fmt.Errorf("timeout: must be at least 1s, got %s", c.Timeout))
	}
	return errs
}

// Recovery recovers failed services and models (isolate, unload, load, canaries through
// a half-open breaker, then tasks again) and restarts them for an operator. Safe for
// concurrent use.
type Recovery struct {
	cfg      RecoveryConfig
	interval time.Duration
	trials   int
	log      *slog.Logger
	total    *prometheus.CounterVec

	ctx    context.Context
	cancel context.CancelFunc
	work   sync.WaitGroup

	// mu is not held while a unit changes state: its observers may call Trigger.
	mu    sync.Mutex
	units map[key]*managed
}

// managed is a unit under recovery.
type managed struct {
	Unit
	of          key
	guard       *Guard
	recoverable bool
	// restarts is a semaphore for one restart of the service; only that of the
	// service's own unit is used.
	restarts chan struct{}

	// Guarded by Recovery.mu. activity is nil when nothing is under way.
	activity *activity
	// attempts since the unit was last ready for a whole interval without a failure of the
	// first tasks.
	attempts int
	restored time.Time
	// due is when the next attempt begins, took the duration of the latest one.
	due  time.Time
	took time.Duration
}

// activity is a recovery or a restart of one unit. Its successor cancels it and begins
// when it is done.
type activity struct {
	ctx      context.Context
	cancel   context.CancelFunc
	cause    string
	previous *activity
	// isolated is closed once the unit is isolated, done when the activity is over.
	isolated, done chan struct{}
}

// NewRecovery returns a manager without services. The interval is that of the
// health monitor; trials is how many canaries close a breaker.
func NewRecovery(cfg RecoveryConfig, interval time.Duration, trials int, reg prometheus.Registerer, log *slog.Logger) *Recovery {
	r := &Recovery{cfg: cfg, interval: interval, trials: trials, log: log, units: make(map[key]*managed)}
	r.total = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "grym_recoveries_total",
		Help: "Attempts to bring a failed service, or a model of it, back, by outcome; refuted is a success after which tasks failed.",
	}, []string{"service", "model", "outcome"})
	reg.MustRegister(r.total)
	r.ctx, r.cancel = context.WithCancel(context.Background())
	return r
}

// Watch adds a unit, whose guard reports to BreakerChanged. When its breaker opens it is
// recovered if it is recoverable, and degraded otherwise.
func (r *Recovery) Watch(unit Unit, guard *Guard, recoverable bool) {
	m := &managed{Unit: unit, of: keyOf(unit), guard: guard, recoverable: recoverable && r.cfg.Enabled, restarts: make(chan struct{}, 1)}
	r.mu.Lock()
	r.units[m.of] = m
	for _, outcome := range []string{"success", "failure", "refuted"} {
		r.total.WithLabelValues(m.of.service, m.of.model, outcome)
	}
	r.mu.Unlock()
}

// BreakerChanged is what the guards of its units call.
func (r *Recovery) BreakerChanged(service, model, state string) {
	r.mu.Lock()
	m := r.units[key{service, model}]
	r.mu.Unlock()
	switch {
	case m == nil: // forgotten, or not watched yet
	case state == "open" && m.recoverable:
		r.Trigger(service, model, "its circuit breaker opened")
	case state == "open":
		m.Degrade("its circuit breaker is open")
	case state == "closed" && !m.recoverable && m.State() == services.StateDegraded:
		m.Restore("its circuit breaker closed")
	}
}

// StartFailed recovers a unit at the step of its life with which its start has failed.
func (r *Recovery) StartFailed(step services.Transition) {
	if step.From == services.StateInitializing && step.To == services.StateUnavailable {
		r.Trigger(step.Service, step.Model, step.Cause)
	}
}

// Forget removes a model that has gone, and its metrics. It does not wait for a
// recovery under way, which ends at its next step.
func (r *Recovery) Forget(service, model string) {
	of := key{service, model}
	r.mu.Lock()
	defer r.mu.Unlock()
	if m := r.units[of]; m != nil {
		if m.activity != nil {
			m.activity.cancel()
		}
		delete(r.units, of)
	}
	of.delete(r.total.MetricVec)
}

// Recoverable reports whether a service, or a model of it, is recovered when it fails.
func (r *Recovery) Recoverable(service, model string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	m := r.units[key{service, model}]
	return m != nil && m.recoverable
}

// Trigger starts the recovery of a model, or for an empty name that of the service
// with its default model, unless a recovery or a restart of it is under way or it is
// not recoverable. It does not wait.
func (r *Recovery) Trigger(service, model, cause string) {
	r.mu.Lock()
	m := r.units[key{service, model}]
	if m == nil || !m.recoverable || r.ctx.Err() != nil || m.busy() {
		r.mu.Unlock()
		return
	}
	refuted := m.guard.health.isRefuted()
	if refuted {
		r.total.WithLabelValues(service, model, "refuted").Inc()
	} else if time.Since(m.restored) > r.interval {
		m.attempts = 0
	}
	attempts, next, a := m.attempts, r.schedule(m), r.begin(m, cause)
	r.work.Go(func() {
		<-a.isolated
		r.recover(m, a)
	})
	r.mu.Unlock()
	m.guard.health.fail(cause)
	if attempts < r.cfg.MaxAttempts {
		m.Isolate(cause, next)
	} else {
		m.GiveUp(fmt.Sprintf("%s again after %d recoveries", cause, attempts), next)
	}
	close(a.isolated)
}

// busy reports whether the unit is being recovered or restarted. A unit restored from
// elsewhere is not: its activity is ending. The caller holds Recovery.mu.
func (m *managed) busy() bool {
	if m.activity == nil {
		return false
	}
	select {
	case <-m.activity.isolated:
		return m.Isolated()
	default:
		return true
	}
}

// begin cancels the unit's activity and replaces it by a new one. The caller holds mu.
func (r *Recovery) begin(m *managed, cause string) *activity {
	a := &activity{cause: cause, previous: m.activity, isolated: make(chan struct{}), done: make(chan struct{})}
	a.ctx, a.cancel = context.WithCancel(r.ctx)
	if a.previous != nil {
		a.previous.cancel()
	}
	m.activity = a
	return a
}

// end ends an activity. Its unit may already have another one.
func (r *Recovery) end(m *managed, a *activity) {
	r.mu.Lock()
	if m.activity == a {
		m.activity = nil
	}
	r.mu.Unlock()
	a.cancel()
	close(a.done)
}

// Stop cancels every recovery and waits until they have ended or ctx ends.
func (r *Recovery) Stop(ctx context.Context) error {
	r.mu.Lock()
	r.cancel()
	r.mu.Unlock()
	return lifecycle.Wait(ctx, &r.work)
}

// recover makes attempts until the unit is ready, the activity is cancelled, or the
// unit is restored from elsewhere.
func (r *Recovery) recover(m *managed, a *activity) {
	defer r.end(m, a)
	if a.previous != nil {
		<-a.previous.done
		a.previous = nil
	}
	for r.pause(a.ctx, m) && m.Isolated() {
		r.mu.Lock()
		m.attempts++
		attempt := m.attempts
		r.mu.Unlock()
		began := time.Now()
		err := r.attempt(a.ctx, m, a.cause, attempt)
		r.mu.Lock()
		m.took = time.Since(began)
		r.mu.Unlock()
		if a.ctx.Err() != nil {
			return
		}
		if err != nil {
			r.count(m, "failure")
			r.failed(m, a.cause, attempt, err)
			continue
		}
		r.mu.Lock()
		m.restored = time.Now()
		r.mu.Unlock()
		m.Restore("recovered: " + a.cause)
		r.count(m, "success")
		m.of.logger(r.log).Info("service recovered", "cause", a.cause, "attempt", attempt)
		return
	}
}

// count counts an attempt, unless the unit was forgotten.
func (r *Recovery) count(m *managed, outcome string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.units[m.of] == m {
		r.total.WithLabelValues(m.of.service, m.of.model, outcome).Inc()
	}
}

// failed refuses tasks until the next attempt.
func (r *Recovery) failed(m *managed, cause string, attempt int, err error) {
	m.of.logger(r.log).Error("recovery failed", "cause", cause, "attempt", attempt, "error", err)
	r.mu.Lock()
	next := r.schedule(m)
	r.mu.Unlock()
	if attempt >= r.cfg.MaxAttempts {
		m.GiveUp(fmt.Sprintf("%s; %d attempts to recover it failed, the last one: %v", cause, attempt, err), next)
	} else {
		m.Isolate(fmt.Sprintf("%s; attempt %d to recover it failed: %v", cause, attempt, err), next)
	}
}

// attempt reloads the unit and runs as many canaries as close a half-open breaker.
func (r *Recovery) attempt(ctx context.Context, m *managed, cause string, attempt int) error {
	ctx, cancel := context.WithTimeout(ctx, r.cfg.Timeout)
	defer cancel()
	if err := m.Reload(ctx); err != nil {
		return err
	}
	m.guard.HalfOpen()
	for range r.trials {
		if err := m.Canary(ctx); err != nil {
			m.guard.Trip()
			return fmt.Errorf("canary: %w", err)
		}
	}
	// A service without a canary is tried by its tasks.
	m.guard.recovered(cause, attempt > r.cfg.MaxAttempts)
	return nil
}
