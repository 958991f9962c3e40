package batches

import (
	"fmt"
	"time"

	"github.com/grym-synth/grym-synth/services"
)

// Config configures the batches. It cannot change while the server runs.
type Config struct {
	// Window is how many items of a batch wait as jobs at once; the others wait in the
	// batch, and take no place in the queue. Defaults to 64.
	Window int `koanf:"window"`
	// MaxItems is the maximum number of items of a batch, and of all unfinished batches of an
	// owner together. Defaults to 100000.
	MaxItems int `koanf:"maxItems"`
	// Retention of finished batches.
	Retention RetentionConfig `koanf:"retention"`
}

// RetentionConfig bounds how long finished batches stay.
type RetentionConfig struct {
	// MaxAge since the end of the batch. Defaults to 168h.
	MaxAge time.Duration `koanf:"maxAge"`
	// MaxBytes of all items and results; the oldest finished batches go first. Defaults to
	// 1GB.
	MaxBytes services.Bytes `koanf:"maxBytes"`
}

// DefaultConfig returns the defaults.
func DefaultConfig() Config {
	return Config{
		Window: 64, MaxItems: 100_000,
		Retention: RetentionConfig{MaxAge: 7 * 24 * time.Hour, MaxBytes: 1_000_000_000},
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
	check(c.Window >= 1 && c.Window <= 10_000, "window: must be 1 to 10000, got %d", c.Window)
	check(c.MaxItems >= 1 && c.MaxItems <= 1_000_000, "maxItems: must be 1 to 1000000, got %d", c.MaxItems)
	check(c.Retention.MaxAge >= time.Minute, "retention.maxAge: must be at least 1m, got %s", c.Retention.MaxAge)
	check(c.Retention.MaxBytes >= services.MiB, "retention.maxBytes: must be at least 1MiB, got %s", c.Retention.MaxBytes)
	return errs
}
