package hardening

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/grym-synth/grym-synth/services"
)

// Subject is a service with its default model, or one further model of a service, in
// the care of the monitor and the recovery manager.
type Subject interface {
	// Name is the service's, Model the model's; that is empty for the service itself.
	Name() string
	Model() string
	State() services.State
	Status() services.ServiceStatus
	// Runs are the tasks at work; StopRun tells one to end, without waiting.
	Runs() []services.Run
	StopRun(task string, cause error)
	// Isolate refuses tasks, Reload unloads and starts again, Restore lets tasks
	// in, GiveUp leaves the service unavailable, Degrade marks a problem.
	Isolate(cause string, retryAfter time.Duration)
	Reload(ctx context.Context) error
	Restore(cause string)
	GiveUp(cause string, retryAfter time.Duration)
	Degrade(cause string)
	// Canary runs the smallest task of the subject's model on the road of all tasks.
	Canary(ctx context.Context) error
}

// RecoveryConfig bounds the recovery of services.
type RecoveryConfig struct {
	// Enabled services are recovered when they fail. Defaults to true.
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

// DefaultRecoveryConfig gives the documented defaults.
func DefaultRecoveryConfig() RecoveryConfig {
	return RecoveryConfig{Enabled: true, MaxAttempts: 3, Delay: time.Second, MaxDelay: 30 * time.Second, Timeout: 2 * time.Minute}
}

// Validate gives every bad value, its key relative to this section.
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

// Recovery brings failed services and models back: isolate, unload, load, canaries through
// a half-open breaker, and only then tasks again. Safe for concurrent use.
type Recovery struct {
	cfg      RecoveryConfig
	interval time.Duration
	trials   int
	log      *slog.Logger
	total    *prometheus.CounterVec

	ctx    context.Context
	cancel context.CancelFunc
	work   sync.WaitGroup

	mu    sync.Mutex
	cases map[key]*patient
}

// patient is what can be recovered.
type patient struct {
	of          key
	subject     Subject
	guard       *Guard
	recoverable bool
	// Guarded by Recovery.mu.
	running bool
	// attempts since the service was last well for a whole interval.
	attempts int
	restored time.Time
	now      chan struct{}
	// gone is closed when the patient is forgotten.
	gone chan struct{}
}

// NewRecovery makes a manager without services. The interval is that of the
// health monitor, the trials are those that close a breaker.
func NewRecovery(cfg RecoveryConfig, interval time.Duration, trials int, reg prometheus.Registerer, log *slog.Logger) *Recovery {
	r := &Recovery{cfg: cfg, interval: interval, trials: trials, log: log, cases: make(map[key]*patient)}
	r.total = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "grym_recoveries_total", Help: "Attempts to bring a failed service, or a model of it, back, by outcome.",
	}, []string{"service", "model", "outcome"})
	reg.MustRegister(r.total)
	r.ctx, r.cancel = context.WithCancel(context.Background())
	return r
}

// Watch takes a subject into care. Its breaker's opening is a reason to recover
// it, if it is recoverable, and else degrades it.
func (r *Recovery) Watch(subject Subject, guard *Guard, recoverable bool) {
	p := &patient{
		of: keyOf(subject), subject: subject, guard: guard, recoverable: recoverable && r.cfg.Enabled,
		now: make(chan struct{}, 1), gone: make(chan struct{}),
	}
	r.mu.Lock()
	r.cases[p.of] = p
	for _, outcome := range []string{"success", "failure"} {
		r.total.WithLabelValues(p.of.service, p.of.model, outcome)
	}
	r.mu.Unlock()
	guard.OnChange(func(state string) {
		switch {
		case state == "open" && p.recoverable:
			r.Trigger(p.of.service, p.of.model, "its circuit breaker opened")
		case state == "open":
			subject.Degrade("its circuit breaker is open")
		case state == "closed" && !p.recoverable && subject.State() == services.StateDegraded:
			subject.Restore("its circuit breaker closed")
		}
	})
}

// Forget ends the care of a model that has gone, and removes its metrics. It does not
// wait for a recovery under way, which ends at its next step.
func (r *Recovery) Forget(service, model string) {
	of := key{service, model}
	r.mu.Lock()
	defer r.mu.Unlock()
	if p := r.cases[of]; p != nil {
		close(p.gone)
		delete(r.cases, of)
	}
	of.delete(r.total.MetricVec)
}

// count counts an attempt; false where the patient was forgotten.
func (r *Recovery) count(p *patient, outcome string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.cases[p.of] != p {
		return false
	}
	r.total.WithLabelValues(p.of.service, p.of.model, outcome).Inc()
	return true
}

// Recoverable reports whether a service, or a model of it, is recovered when it fails.
func (r *Recovery) Recoverable(service, model string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	p := r.cases[key{service, model}]
	return p != nil && p.recoverable
}

// Trigger starts the recovery of a model, for an empty name that of the service with
// its default model, unless it is under way or not to be done. It does not wait.
func (r *Recovery) Trigger(service, model, cause string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	p := r.cases[key{service, model}]
	if p == nil || !p.recoverable || p.running || r.ctx.Err() != nil {
		return
	}
	p.running = true
	if time.Since(p.restored) > r.interval {
		p.attempts = 0
	}
	if p.attempts < r.cfg.MaxAttempts {
		p.subject.Isolate(cause, r.cfg.Delay)
	} else {
		p.subject.GiveUp(fmt.Sprintf("%s again after %d recoveries", cause, p.attempts), r.interval)
	}
	r.work.Go(func() { r.recover(p, cause) })
}

// Now tries an unavailable subject at once instead of at the next interval.
func (r *Recovery) Now(service, model string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if p := r.cases[key{service, model}]; p != nil {
		select {
		case p.now <- struct{}{}:
		default:
		}
	}
}

// Close stops every recovery and waits for it, at most until ctx ends.
func (r *Recovery) Close(ctx context.Context) error {
	r.mu.Lock()
	r.cancel()
	r.mu.Unlock()
	return waitFor(ctx, &r.work, "recovery manager")
}

// recover tries until the service is well, stopped, or restored by somebody else.
func (r *Recovery) recover(p *patient, cause string) {
	log := p.of.logger(r.log)
	for {
		r.mu.Lock()
		p.attempts++
		attempt := p.attempts
		r.mu.Unlock()
		if !r.pause(p, attempt) || r.finished(p) {
			return
		}
		err := r.attempt(p)
		if err == nil {
			p.subject.Restore("recovered: " + cause)
			r.mu.Lock()
			p.running, p.restored = false, time.Now()
			r.mu.Unlock()
			r.count(p, "success")
			log.Info("service recovered", "cause", cause, "attempt", attempt)
			return
		}
		if !r.count(p, "failure") {
			return
		}
		log.Error("recovery failed", "cause", cause, "attempt", attempt, "error", err)
		if attempt >= r.cfg.MaxAttempts {
			p.subject.GiveUp(fmt.Sprintf("%s; %d attempts to recover it failed, the last one: %v", cause, attempt, err), r.interval)
		} else {
			p.subject.Isolate(fmt.Sprintf("%s; attempt %d to recover it failed: %v", cause, attempt, err), r.cfg.MaxDelay)
		}
	}
}

// pause waits before an attempt: not before the first, longer before each
// further one, a whole interval once the service was given up. False means that
// the manager is closed or the patient has gone.
func (r *Recovery) pause(p *patient, attempt int) bool {
	var wait time.Duration
	switch {
	case attempt == 1:
		return r.ctx.Err() == nil
	case attempt > r.cfg.MaxAttempts:
		wait = r.interval
	default:
		wait = min(r.cfg.Delay<<min(attempt-2, 16), r.cfg.MaxDelay)
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-p.now:
	case <-p.gone:
		return false
	case <-r.ctx.Done():
		return false
	}
	return true
}

// finished tells that somebody else has dealt with the service.
func (r *Recovery) finished(p *patient) bool {
	state := p.subject.State()
	if state == services.StateRecovering || state == services.StateUnavailable {
		return false
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	p.running = false
	return true
}

// attempt reloads the subject, and proves it by as many canaries as
// close a half-open breaker.
func (r *Recovery) attempt(p *patient) error {
	ctx, cancel := context.WithTimeout(r.ctx, r.cfg.Timeout)
	defer cancel()
	if err := p.subject.Reload(ctx); err != nil {
		return err
	}
	p.guard.HalfOpen()
	for range r.trials {
		if err := p.subject.Canary(ctx); err != nil {
			p.guard.Trip()
			return fmt.Errorf("canary: %w", err)
		}
	}
	// A service without a canary has proved itself by its start.
	p.guard.Reset()
	return nil
}

// well tells that a degraded service has nothing wrong any more: no recovery
// under way and its breaker closed.
func (r *Recovery) well(subject Subject) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	p := r.cases[keyOf(subject)]
	return p != nil && !p.running && subject.State() == services.StateDegraded && p.guard.State() == "closed"
}
