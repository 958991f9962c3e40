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
}

// DefaultConfig returns the defaults.
func DefaultConfig() Config { return Config{TTL: 24 * time.Hour, Quota: 5_000_000_000} }

// Validate returns an error for every invalid value, with its key.
func (c Config) Validate() (errs []error) {
	if c.TTL < time.Minute {
		errs = append(errs, fmt.Errorf("ttl: must be at least 1m, got %s", c.TTL))
	}
	if c.Quota < services.MiB {
		errs = append(errs, fmt.Errorf("quota: must be at least 1MiB, got %s", c.Quota))
	}
	return errs
}
