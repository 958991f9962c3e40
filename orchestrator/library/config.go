package library

import (
	"fmt"
	"time"

	"github.com/grym-synth/grym-synth/services"
)

// Config bounds the stored recordings.
type Config struct {
	// TTL is how long a recording that nothing needs stays after its last use.
	// Defaults to 24h.
	TTL time.Duration `koanf:"ttl"`
	// Quota for all recordings together. Defaults to 5GB.
	Quota services.Bytes `koanf:"quota"`
	// Pictures is the limit of the stored pictures and peaks of all recordings, which are
	// computed again if they are missing; 0 stores none. Defaults to 250MB.
	Pictures services.Bytes `koanf:"pictures"`
}

// DefaultConfig returns the defaults.
func DefaultConfig() Config {
	return Config{TTL: 24 * time.Hour, Quota: 5_000_000_000, Pictures: 250_000_000}
}

// Validate returns an error for every invalid value, with its key.
func (c Config) Validate() (errs []error) {
	if c.TTL < time.Minute {
		errs = append(errs, fmt.Errorf("ttl: must be at least 1m, got %s", c.TTL))
	}
	if c.Quota < services.MiB {
		errs = append(errs, fmt.Errorf("quota: must be at least 1MiB, got %s", c.Quota))
	}
	if c.Pictures < 0 {
		errs = append(errs, fmt.Errorf("pictures: must not be negative, got %d", int64(c.Pictures)))
	}
	return errs
}
