package hardening

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/failsafe-go/failsafe-go"
	"github.com/failsafe-go/failsafe-go/bulkhead"
	"github.com/failsafe-go/failsafe-go/circuitbreaker"
	"github.com/failsafe-go/failsafe-go/retrypolicy"
	"github.com/failsafe-go/failsafe-go/timeout"

	"github.com/grym-synth/grym-synth/services"
)

// Guard wraps every call of a service, or of one of its models, in policies. Safe for
// concurrent use.
//
// A call passes, from the outside in, bulkhead, retry, circuit breaker, timeout and
// recover. The bulkhead is outermost and does not wait: run slots are granted by the
// memory budget, so a full bulkhead means that a call bypassed it, and the refusal must
// reach neither retry nor breaker. The breaker is inside the retry, so it sees each
// attempt. The timeout applies to each attempt and excludes waiting. Recover is
// innermost because a panic that crosses a policy leaks its permits. The timeout
// cancels the attempt's context and then waits for the attempt: native work is never
// abandoned.
type Guard struct {
	of       key
	cfg      Config
	metrics  *GuardMetrics
	log      *slog.Logger
	bulkhead bulkhead.Bulkhead[any]
	breaker  *breaker
	health   *outcomes
	executor failsafe.Executor[any]
	// changed is called with the breaker's new states; pending are those that it has not
	// been called with.
	changed BreakerChanged
	mu      sync.Mutex
	pending []string
	hold    *services.Hold // an operator's; nil if there is none
}

// BreakerChanged is called with the new state of the breaker of a service, or of one
// model of it, before the call that caused the change returns. Guards are made before the
// units that they protect, so it goes by their names.
type BreakerChanged func(service, model, state string)

// NewGuard returns the guard of a service with so many calls inside at once: running
// ones and those that yielded their run slot. The configuration must be valid; changed may
// be nil.
func NewGuard(service string, inside int, cfg Config, changed BreakerChanged, metrics *GuardMetrics, log *slog.Logger) *Guard {
	return guardFor(key{service: service}, bulkhead.New[any](uint(inside)), cfg, changed, metrics, log)
}

// ForModel returns the guard of one model of the service. The width is the service's,
// for all its models together; failures are the model's own.
func (g *Guard) ForModel(model string) *Guard {
	return guardFor(key{g.of.service, model}, g.bulkhead, g.cfg, g.changed, g.metrics, g.log)
}

func guardFor(of key, width bulkhead.Bulkhead[any], cfg Config, changed BreakerChanged, metrics *GuardMetrics, log *slog.Logger) *Guard {
	g := &Guard{of: of, cfg: cfg, changed: changed, metrics: metrics, log: log, bulkhead: width}
	g.health = newOutcomes(cfg.Health, func(from, to services.HealthStatus, reason string) {
		metrics.healthChanged(of, to)
		of.logger(log).Warn("health changed", "from", string(from), "to", string(to), "reason", reason)
	})
	g.breaker = newBreaker(cfg.Breaker, func(from, to circuitbreaker.State) {
		metrics.breakerChanged(of, to, g.State())
		of.logger(log).Warn("circuit breaker changed", "from", from.String(), "to", to.String())
		g.mu.Lock()
		g.pending = append(g.pending, to.String())
		g.mu.Unlock()
	})
	retry := retrypolicy.NewBuilder[any]().
		HandleIf(func(_ any, err error) bool { return services.IsTransient(err) && verdictOn(err) == failure }).
		ReturnLastFailure().
		WithMaxRetries(cfg.Retry.MaxRetries).
		WithBackoff(cfg.Retry.Delay, cfg.Retry.MaxDelay).
		WithJitterFactor(cfg.Retry.Jitter).
		OnRetry(func(failsafe.ExecutionEvent[any]) { metrics.retried(of) }).
		Build()
	g.executor = failsafe.With[any](width, retry, g.breaker, timeout.New[any](cfg.Timeout))
	metrics.watch(of)
	return g
}

// Open reports whether calls are refused now, by the breaker or an operator, and when to
// try again.
func (g *Guard) Open() (retryAfter time.Duration, open bool) {
	if _, held := g.Held(); held {
		return holdRetryAfter, true
	}
	return g.breaker.refusing()
}

// State returns the state of the breaker: closed, half-open or open. It is open while an
// operator holds it.
func (g *Guard) State() string {
	if _, held := g.Held(); held {
		return circuitbreaker.OpenState.String()
	}
	return g.breaker.circuit.State().String()
}

// Reset ends the hold of an operator, closes the breaker and forgets the failures.
func (g *Guard) Reset() {
	g.release()
	g.shut()
	g.health.forget("a reset by an operator")
	g.notify()
}

// HalfOpen lets trial calls through.
func (g *Guard) HalfOpen() {
	g.breaker.circuit.HalfOpen()
	g.notify()
}

// Trip opens the breaker.
func (g *Guard) Trip() {
	g.breaker.circuit.Open()
	g.notify()
}

// notify reports the changes of the breaker. A call does so only once it has left its
// bulkhead: else the canary of the recovery that it sets off may find it full.
func (g *Guard) notify() {
	g.mu.Lock()
	states := g.pending
	g.pending = nil
	g.mu.Unlock()
	for _, state := range states {
		switch state {
		case circuitbreaker.OpenState.String():
			g.health.fail("its circuit breaker has opened")
		case circuitbreaker.ClosedState.String():
			g.health.closed()
		}
		if g.changed != nil {
			g.changed(g.of.service, g.of.model, state)
		}
	}
}

// Do calls fn under the guard's policies, with a context that ends with ctx or
// the attempt's timeout. It returns once fn has.
func (g *Guard) Do(ctx context.Context, fn func(ctx context.Context) error) error {
	canary := services.IsCanary(ctx)
	if hold, held := g.Held(); held && !canary {
		return g.heldRefusal(hold)
	}
	era := g.health.begin()
	var last error
	err := g.executor.WithContext(ctx).RunWithExecution(func(attempt failsafe.Execution[any]) error {
		last = g.attempt(ctx, attempt.Context(), fn)
		return last
	})
	if err != nil && last != nil && ctx.Err() != nil {
		// The retry policy replaces the attempt's error by the context's.
		err = last
	}
	if !canary {
		g.record(era, err)
	}
	g.notify()
	return g.translate(err)
}

// Failed records the fault of a task that failed before Do. Only faults of the service
// count.
func (g *Guard) Failed(ctx context.Context, err error) {
	if services.IsCanary(ctx) || ctx.Err() != nil {
		return
	}
	g.record(g.health.begin(), err)
	g.notify()
}

// record adds the outcome of a task to the health of the model.
func (g *Guard) record(era int, err error) {
	if errors.Is(err, bulkhead.ErrFull) || errors.Is(err, circuitbreaker.ErrOpen) {
		return // it did not run
	}
	v := verdictOn(err)
	if v != neutral && g.health.add(era, v == failure) {
		g.breaker.circuit.Open()
	}
}

// attempt calls fn once. An error caused by the end of the caller's context is marked
// as such.
func (g *Guard) attempt(caller, ctx context.Context, fn func(ctx context.Context) error) error {
	err := services.CatchPanic(g.of.logger(g.log), g.of.String(), func() error { return fn(ctx) })
	if err == nil || caller.Err() == nil {
		return err
	}
	// The cause of a run that the watchdog has stopped is a service fault; any other
	// end of the context is not the service's fault.
	if cause := context.Cause(caller); services.IsServiceFault(cause) && !errors.Is(cause, context.DeadlineExceeded) {
		return cause
	}
	return &callerLeft{err}
}

// translate turns the policies' sentinels into faults.
func (g *Guard) translate(err error) error {
	var left *callerLeft
	switch {
	case err == nil:
		return nil
	case errors.As(err, &left):
		return left.err
	case errors.Is(err, bulkhead.ErrFull):
		return &services.Fault{
			Kind: services.KindBusy, Message: g.of.service + " is running as many tasks as it may",
			RetryAfter: time.Second, Err: err,
		}
	case errors.Is(err, circuitbreaker.ErrOpen):
		return g.Refusal()
	case errors.Is(err, timeout.ErrExceeded):
		return &services.Fault{
			Kind:    services.KindTimeout,
			Message: fmt.Sprintf("%s took longer than the %s allowed for one attempt", g.of, g.cfg.Timeout), Err: err,
		}
	default:
		return err
	}
}

// Refusal returns the fault for a call that the open breaker or an operator does not let
// through.
func (g *Guard) Refusal() error {
	if hold, held := g.Held(); held {
		return g.heldRefusal(hold)
	}
	return &services.Fault{
		Kind:       services.KindUnavailable,
		Message:    g.of.String() + " is temporarily unavailable after repeated failures",
		RetryAfter: max(g.breaker.circuit.RemainingDelay(), time.Second),
	}
}

// callerLeft marks an error that came after the caller's own context had ended, and is
// therefore not the service's fault.
type callerLeft struct{ err error }

// Error implements error.
func (e *callerLeft) Error() string { return e.err.Error() }

// Unwrap returns the attempt's error.
func (e *callerLeft) Unwrap() error { return e.err }

// verdictOn returns what an attempt's error means for the service. Bad input, refusals
// and a disconnected caller are neutral.
func verdictOn(err error) verdict {
	var left *callerLeft
	switch {
	case err == nil:
		return success
	case !errors.As(err, &left) && services.IsServiceFault(err):
		return failure
	default:
		return neutral
	}
}
