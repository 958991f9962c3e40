package hardening

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"time"

	"github.com/failsafe-go/failsafe-go"
	"github.com/failsafe-go/failsafe-go/bulkhead"
	"github.com/failsafe-go/failsafe-go/circuitbreaker"
	"github.com/failsafe-go/failsafe-go/retrypolicy"
	"github.com/failsafe-go/failsafe-go/timeout"

	"github.com/grym-synth/grym-synth/services"
)

// Guard stands round every call of one service. Safe for concurrent use.
//
// A call passes, from the outside in, bulkhead, retry, circuit breaker,
// timeout and recover. The bulkhead is outermost and does not wait: run slots
// are handed out by the memory budget, so a full bulkhead means that something
// went round it, and a refusal must reach neither retry nor breaker. The breaker
// stands inside the retry and so sees each attempt. The timeout is per attempt
// and counts no waiting. Recover is innermost because a panic that crosses a
// policy leaks its permits. The timeout cancels the attempt's context and then
// waits for the attempt: native work is never abandoned.
type Guard struct {
	service  string
	cfg      Config
	log      *slog.Logger
	breaker  circuitbreaker.CircuitBreaker[any]
	executor failsafe.Executor[any]
}

// NewGuard builds the guard of a service that runs so many calls at once. The
// configuration must be valid.
func NewGuard(service string, runs int, cfg Config, metrics *GuardMetrics, log *slog.Logger) *Guard {
	g := &Guard{service: service, cfg: cfg, log: log}
	g.breaker = circuitbreaker.NewBuilder[any]().
		HandleIf(func(_ any, err error) bool { return countsAgainst(err) }).
		WithFailureThreshold(uint(cfg.Breaker.Failures)).
		WithDelay(cfg.Breaker.Delay).
		WithSuccessThreshold(uint(cfg.Breaker.Trials)).
		OnStateChanged(func(event circuitbreaker.StateChangedEvent) {
			metrics.breakerChanged(service, event.OldState, event.NewState)
			log.Warn("circuit breaker changed", "service", service, "from", event.OldState.String(), "to", event.NewState.String())
		}).
		Build()
	retry := retrypolicy.NewBuilder[any]().
		HandleIf(func(_ any, err error) bool { return services.IsTransient(err) && countsAgainst(err) }).
		ReturnLastFailure().
		WithMaxRetries(cfg.Retry.MaxRetries).
		WithBackoff(cfg.Retry.Delay, cfg.Retry.MaxDelay).
		WithJitterFactor(0.1).
		OnRetry(func(failsafe.ExecutionEvent[any]) { metrics.retries.WithLabelValues(service).Inc() }).
		Build()
	g.executor = failsafe.With[any](bulkhead.New[any](uint(runs)), retry, g.breaker, timeout.New[any](cfg.Timeout))
	metrics.watch(service)
	return g
}

// Open tells whether the breaker refuses calls now, and when to try again. Once
// its delay is over a call is let through as a trial, though the breaker still
// calls itself open.
func (g *Guard) Open() (retryAfter time.Duration, open bool) {
	if !g.breaker.IsOpen() {
		return 0, false
	}
	retryAfter = g.breaker.RemainingDelay()
	return retryAfter, retryAfter > 0
}

// Do calls fn under the guard's policies, with a context that ends with ctx or
// the attempt's timeout. It returns once fn has.
func (g *Guard) Do(ctx context.Context, fn func(ctx context.Context) error) error {
	err := g.executor.WithContext(ctx).RunWithExecution(func(attempt failsafe.Execution[any]) error {
		err := g.recovered(attempt.Context(), fn)
		if err != nil && ctx.Err() != nil {
			return &callerLeft{err}
		}
		return err
	})
	return g.translate(err)
}

// recovered calls fn and turns a panic into a fault.
func (g *Guard) recovered(ctx context.Context, fn func(ctx context.Context) error) (err error) {
	defer func() {
		if value := recover(); value != nil {
			panicked := &PanicError{Value: value, Stack: debug.Stack()}
			g.log.Error("service panicked", "service", g.service, "panic", fmt.Sprint(value), "stack", string(panicked.Stack))
			err = services.Internal(panicked, "%s failed unexpectedly", g.service)
		}
	}()
	return fn(ctx)
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
		return &services.Fault{Kind: services.KindBusy, Message: g.service + " is running as many tasks as it may", RetryAfter: time.Second, Err: err}
	case errors.Is(err, circuitbreaker.ErrOpen):
		return g.Refusal()
	case errors.Is(err, timeout.ErrExceeded):
		return &services.Fault{Kind: services.KindTimeout, Message: fmt.Sprintf("%s took longer than the %s allowed for one attempt", g.service, g.cfg.Timeout), Err: err}
	default:
		return err
	}
}

// Refusal is the fault for a call that the open breaker does not let through.
func (g *Guard) Refusal() error {
	return &services.Fault{
		Kind:       services.KindUnavailable,
		Message:    g.service + " has failed repeatedly and is cut off for a while",
		RetryAfter: max(g.breaker.RemainingDelay(), time.Second),
	}
}

// callerLeft marks an error that came after the caller's own context had
// ended, and so says nothing of the service.
type callerLeft struct{ err error }

func (e *callerLeft) Error() string { return e.err.Error() }
func (e *callerLeft) Unwrap() error { return e.err }

// countsAgainst tells whether an attempt's error is held against the service.
// Bad input, refusals, and a caller who left are not; the breaker then takes
// the attempt for a success, since it knows no third outcome.
func countsAgainst(err error) bool {
	var left *callerLeft
	return err != nil && !errors.As(err, &left) && services.IsServiceFault(err)
}

// PanicError is a recovered panic.
type PanicError struct {
	Value any
	Stack []byte
}

// Error gives the panic's value; the stack is for the log.
func (e *PanicError) Error() string { return fmt.Sprintf("panic: %v", e.Value) }
