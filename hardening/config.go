package hardening

import (
	"fmt"
	"time"
)

// Config of the guard round every service call. Durations take a unit, as in "30s"; a
// bare number is milliseconds. It cannot change while the server runs.
type Config struct {
	Retry   RetryConfig   `koanf:"retry"`
	Breaker BreakerConfig `koanf:"breaker"`
	Health  HealthConfig  `koanf:"health"`
	// Timeout of one attempt, after which the run is stopped. Defaults to 10m.
	Timeout time.Duration `koanf:"timeout"`
	// StallTimeout after which a run that shows no sign of life (progress, a piece
	// of the answer) is stopped and its service recovered. Defaults to 2m.
	StallTimeout time.Duration `koanf:"stallTimeout"`
}

// RetryConfig bounds retries of calls that failed with a temporary error.
type RetryConfig struct {
	// MaxRetries after the first attempt; 0 means none. Defaults to 2.
	MaxRetries int `koanf:"maxRetries"`
	// Delay before the first retry, doubled for each further one up to MaxDelay. The
	// run slot stays occupied during the delay, so keep it short. Default to 50ms and
	// 500ms.
	Delay    time.Duration `koanf:"delay"`
	MaxDelay time.Duration `koanf:"maxDelay"`
	// Jitter is the fraction of a delay, 0 to 1, by which it varies at random, so that
	// failed calls are not retried at the same time. Defaults to 0.1.
	Jitter float64 `koanf:"jitter"`
}

// BreakerConfig configures the circuit breakers.
type BreakerConfig struct {
	// Failures in a row that open the breaker. Defaults to 5.
	Failures int `koanf:"failures"`
	// FailureRate, above 0 and at most 1, also opens the breaker: the fraction of
	// failed calls within Period, once there were at least MinCalls. Default to 0.5, 20
	// and 1m.
	FailureRate float64       `koanf:"failureRate"`
	MinCalls    int           `koanf:"minCalls"`
	Period      time.Duration `koanf:"period"`
	// Delay before a trial call is let through. Defaults to 10s.
	Delay time.Duration `koanf:"delay"`
	// Trials that must succeed in a row to close it again. Defaults to 2.
	Trials int `koanf:"trials"`
}

// HealthConfig configures the health of a model, which follows from the outcomes of its
// tasks.
type HealthConfig struct {
	// Window is how long an outcome counts. Defaults to 5m.
	Window time.Duration `koanf:"window"`
	// FailureRate, above 0 and at most 1, is the fraction of failed tasks within Window
	// from which on a model is failing, once there were at least MinCalls. Default to 0.5
	// and 5.
	FailureRate float64 `koanf:"failureRate"`
	MinCalls    int     `koanf:"minCalls"`
	// DegradedRate is the fraction from which on a model is degraded. Defaults to 0.1.
	DegradedRate float64 `koanf:"degradedRate"`
	// Trials is how many tasks in a row must succeed until a model that has failed is
	// healthy. Defaults to 3.
	Trials int `koanf:"trials"`
}

// DefaultConfig returns the documented defaults.
func DefaultConfig() Config {
	return Config{
		Retry:   RetryConfig{MaxRetries: 2, Delay: 50 * time.Millisecond, MaxDelay: 500 * time.Millisecond, Jitter: 0.1},
		Breaker: BreakerConfig{Failures: 5, FailureRate: 0.5, MinCalls: 20, Period: time.Minute, Delay: 10 * time.Second, Trials: 2},
		Health:  HealthConfig{Window: 5 * time.Minute, FailureRate: 0.5, MinCalls: 5, DegradedRate: 0.1, Trials: 3},
		Timeout: 10 * time.Minute, StallTimeout: 2 * time.Minute,
	}
}

// Validate returns an error for every bad value, with its key relative to this section.
// The builders of the policies panic on bad values, so this runs first.
func (c Config) Validate() []error {
	var errs []error
	check := func(ok bool, format string, args ...any) {
		if !ok {
			errs = append(errs, fmt.Errorf(format, args...))
		}
	}
	check(c.Retry.MaxRetries >= 0, "retry.maxRetries: must be at least 0, got %d", c.Retry.MaxRetries)
	check(c.Retry.Delay > 0, "retry.delay: must be above zero, got %s", c.Retry.Delay)
	check(c.Retry.MaxDelay > c.Retry.Delay, "retry.maxDelay: must be above retry.delay (%s), got %s", c.Retry.Delay, c.Retry.MaxDelay)
	check(c.Retry.Jitter >= 0 && c.Retry.Jitter <= 1, "retry.jitter: must be 0 to 1, got %g", c.Retry.Jitter)
	check(c.Breaker.Failures >= 1, "breaker.failures: must be at least 1, got %d", c.Breaker.Failures)
	check(c.Breaker.FailureRate > 0 && c.Breaker.FailureRate <= 1,
		"breaker.failureRate: must be above 0 and at most 1, got %g", c.Breaker.FailureRate)
	check(c.Breaker.MinCalls >= 1, "breaker.minCalls: must be at least 1, got %d", c.Breaker.MinCalls)
	check(c.Breaker.Period >= time.Second, "breaker.period: must be at least 1s, got %s", c.Breaker.Period)
	check(c.Breaker.Delay > 0, "breaker.delay: must be above zero, got %s", c.Breaker.Delay)
	check(c.Breaker.Trials >= 1, "breaker.trials: must be at least 1, got %d", c.Breaker.Trials)
	check(c.Health.Window >= time.Second, "health.window: must be at least 1s, got %s", c.Health.Window)
	check(c.Health.FailureRate > 0 && c.Health.FailureRate <= 1,
		"health.failureRate: must be above 0 and at most 1, got %g", c.Health.FailureRate)
	check(c.Health.MinCalls >= 1 && c.Health.MinCalls <= mostOutcomes,
		"health.minCalls: must be 1 to %d, got %d", mostOutcomes, c.Health.MinCalls)
	check(c.Health.DegradedRate > 0 && c.Health.DegradedRate <= c.Health.FailureRate,
		"health.degradedRate: must be above 0 and at most health.failureRate (%g), got %g", c.Health.FailureRate, c.Health.DegradedRate)
	check(c.Health.Trials >= 1, "health.trials: must be at least 1, got %d", c.Health.Trials)
	check(c.Timeout > 0, "timeout: must be above zero, got %s", c.Timeout)
	check(c.StallTimeout >= 100*time.Millisecond, "stallTimeout: must be at least 100ms, got %s", c.StallTimeout)
	return errs
}
