package jobs

import (
	"fmt"
	"time"

	"github.com/grym-synth/grym-synth/orchestrator/library"
	"github.com/grym-synth/grym-synth/services"
)

// Config configures the jobs. It cannot change while the server runs.
type Config struct {
	// Services whose jobs this process runs; empty means all. Jobs of other services
	// are accepted and wait for a process that runs them. Defaults to all.
	Services []string `koanf:"services"`
	// Spare jobs of a service and owner are held ready beside as many as can run, so that a
	// short job can overtake between two windows of a long one. Defaults to 4.
	Spare int `koanf:"spare"`
	// MaxQueued is the maximum number of waiting jobs; more are refused. An owner with less
	// than an equal part of it has places until twice as many wait, and one without any
	// always has one. Defaults to 10000.
	MaxQueued int `koanf:"maxQueued"`
	// MaxRedeliveries bounds how often a job is started again because its process
	// ended. Defaults to 20.
	MaxRedeliveries int `koanf:"maxRedeliveries"`
	// ClaimTimeout is how long a claim is valid without a sign of life of its worker,
	// where several processes share the store. Defaults to 20s.
	ClaimTimeout time.Duration `koanf:"claimTimeout"`
	// Retry delays a job after a failed attempt, doubled for each further one.
	Retry RetryConfig `koanf:"retry"`
	// Retention of finished jobs.
	Retention RetentionConfig `koanf:"retention"`
	// Audio configures the stored recordings.
	Audio library.Config `koanf:"audio"`
}

// RetryConfig is the delay between the attempts of a job.
type RetryConfig struct {
	// Delay before the second attempt. Defaults to 1s.
	Delay time.Duration `koanf:"delay"`
	// MaxDelay bounds the doubled delay. Defaults to 1m.
	MaxDelay time.Duration `koanf:"maxDelay"`
}

// RetentionConfig bounds how long finished jobs stay.
type RetentionConfig struct {
	// MaxAge since the end of the job. Defaults to 168h.
	MaxAge time.Duration `koanf:"maxAge"`
	// MaxBytes of all records and results; the oldest finished jobs go first.
	// Defaults to 1GB.
	MaxBytes services.Bytes `koanf:"maxBytes"`
}

// DefaultConfig returns the defaults.
func DefaultConfig() Config {
	return Config{
		Services: []string{}, Spare: 4, MaxQueued: 10_000, MaxRedeliveries: 20, ClaimTimeout: 20 * time.Second,
		Retry:     RetryConfig{Delay: time.Second, MaxDelay: time.Minute},
		Retention: RetentionConfig{MaxAge: 7 * 24 * time.Hour, MaxBytes: 1_000_000_000},
		Audio:     library.DefaultConfig(),
	}
}

// Validate returns an error for every invalid value, with its key.
func (c Config) Validate() []error {
	var errs []error
	check := func(ok bool, format string, args ...any) {
		if !ok {
			errs = append(errs, fmt.Errorf(format, args...))
		}
	}
	check(c.Spare >= 1 && c.Spare <= 256, "spare: must be 1 to 256, got %d", c.Spare)
	check(c.MaxQueued >= 1 && c.MaxQueued <= 1_000_000, "maxQueued: must be 1 to 1000000, got %d", c.MaxQueued)
	check(c.MaxRedeliveries >= 0, "maxRedeliveries: must not be negative, got %d", c.MaxRedeliveries)
	check(c.ClaimTimeout >= 3*time.Second, "claimTimeout: must be at least 3s, got %s", c.ClaimTimeout)
	check(c.Retry.Delay > 0, "retry.delay: must be above 0, got %s", c.Retry.Delay)
	check(c.Retry.MaxDelay >= c.Retry.Delay, "retry.maxDelay: must be at least retry.delay (%s), got %s", c.Retry.Delay, c.Retry.MaxDelay)
	check(c.Retention.MaxAge >= time.Minute, "retention.maxAge: must be at least 1m, got %s", c.Retention.MaxAge)
	check(c.Retention.MaxBytes >= services.MiB, "retention.maxBytes: must be at least 1MiB, got %s", c.Retention.MaxBytes)
	for _, err := range c.Audio.Validate() {
		errs = append(errs, fmt.Errorf("audio.%w", err))
	}
	return errs
}
