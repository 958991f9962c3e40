package hardening

import (
	"sync"
	"time"

	"github.com/failsafe-go/failsafe-go"
	"github.com/failsafe-go/failsafe-go/circuitbreaker"
	"github.com/failsafe-go/failsafe-go/common"
	"github.com/failsafe-go/failsafe-go/policy"

	"github.com/grym-synth/grym-synth/services"
)

// verdict classifies the outcome of an attempt.
type verdict int

const (
	// neutral outcomes, such as bad input, a refusal or a disconnected caller, are
	// ignored.
	neutral verdict = iota
	success
	failure
)

// breaker is failsafe-go's circuit breaker with three things added. It knows a third
// outcome: failsafe-go counts everything but a failure as a success, so a series of bad
// requests would close a half-open breaker. It opens by either of two thresholds:
// failures in a row, and their rate over a period. And canaries always pass, and their
// successes are neutral: they say nothing of the tasks of users. Safe for concurrent use.
type breaker struct {
	// circuit holds the state and counts consecutive failures.
	circuit circuitbreaker.CircuitBreaker[any]
	// rate only counts; when it opens, it opens circuit and starts again.
	rate   circuitbreaker.CircuitBreaker[any]
	trials int

	mu sync.Mutex
	// trying counts the trial calls under way while half-open. failsafe-go's own
	// permits are not used: they cannot be released without recording an outcome.
	trying int
}

// newBreaker returns a closed breaker. changed is called after each change of
// state, with no lock held.
func newBreaker(cfg BreakerConfig, changed func(from, to circuitbreaker.State)) *breaker {
	b := &breaker{trials: cfg.Trials}
	b.circuit = circuitbreaker.NewBuilder[any]().
		WithFailureThreshold(uint(cfg.Failures)).
		WithDelay(cfg.Delay).
		WithSuccessThreshold(uint(cfg.Trials)).
		OnStateChanged(func(event circuitbreaker.StateChangedEvent) { changed(event.OldState, event.NewState) }).
		Build()
	b.rate = circuitbreaker.NewBuilder[any]().
		WithFailureRateThreshold(cfg.FailureRate, uint(cfg.MinCalls), cfg.Period).
		WithDelay(cfg.Delay).
		Build()
	return b
}

// admit reports whether a call is allowed, and whether it is a trial. The caller must
// settle every allowed call.
func (b *breaker) admit() (trial, ok bool) {
	if b.circuit.IsClosed() {
		return false, true
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.circuit.IsOpen() {
		if b.circuit.RemainingDelay() > 0 {
			return false, false
		}
		b.circuit.HalfOpen()
	}
	if b.trying >= b.trials {
		return false, false
	}
	b.trying++
	return true, true
}

// settle records the outcome of a call that was admitted.
func (b *breaker) settle(trial bool, v verdict) {
	if trial {
		b.mu.Lock()
		b.trying--
		b.mu.Unlock()
	}
	switch v {
	case success:
		b.circuit.RecordSuccess()
		b.rate.RecordSuccess()
	case failure:
		b.circuit.RecordFailure()
		b.rate.RecordFailure()
		if b.rate.IsOpen() {
			b.rate.Close()
			b.circuit.Open()
		}
	case neutral:
	}
}

// refusing reports whether calls are refused now, and for how much longer. After the
// delay a call is let through as a trial, although the breaker reports the state open
// until then.
func (b *breaker) refusing() (time.Duration, bool) {
	if !b.circuit.IsOpen() {
		return 0, false
	}
	left := b.circuit.RemainingDelay()
	return left, left > 0
}

// ToExecutor implements failsafe.Policy.
func (b *breaker) ToExecutor(any) any {
	e := &breakerExecutor{breaker: b}
	e.Executor = e
	return e
}

// breakerExecutor adapts the breaker to failsafe-go's chain of policies.
type breakerExecutor struct {
	policy.BaseExecutor[any]
	breaker *breaker
}

// Apply implements policy.Executor.
func (e *breakerExecutor) Apply(
	inner func(failsafe.Execution[any]) *common.PolicyResult[any],
) func(failsafe.Execution[any]) *common.PolicyResult[any] {
	return func(exec failsafe.Execution[any]) *common.PolicyResult[any] {
		if services.IsCanary(exec.Context()) {
			result := inner(exec)
			if verdictOn(result.Error) == failure {
				e.breaker.settle(false, failure)
			}
			return result
		}
		trial, ok := e.breaker.admit()
		if !ok {
			return &common.PolicyResult[any]{Error: circuitbreaker.ErrOpen, Done: true}
		}
		result := inner(exec)
		e.breaker.settle(trial, verdictOn(result.Error))
		return result
	}
}
