package webhook

import (
	"fmt"
	"time"
)

// Config configures webhooks. It cannot change while the server runs.
type Config struct {
	// Secret signs every message. Defaults to one that is generated at the first start
	// and stored in the data folder.
	Secret string `koanf:"secret"`
	// AllowPrivate lets webhooks reach loopback, link-local and private addresses.
	// Defaults to false.
	AllowPrivate bool `koanf:"allowPrivate"`
	// Timeout of one attempt. Defaults to 10s.
	Timeout time.Duration `koanf:"timeout"`
	// MaxAttempts to deliver a message. Defaults to 8.
	MaxAttempts int `koanf:"maxAttempts"`
}

// minSecret is the minimum length of a secret in bytes: half of what HMAC-SHA256 can
// use.
const minSecret = 16

// DefaultConfig returns the documented defaults.
func DefaultConfig() Config { return Config{Timeout: 10 * time.Second, MaxAttempts: 8} }

// Validate returns an error for every invalid value, with its key relative to this
// section.
func (c Config) Validate() []error {
	var errs []error
	if c.Secret != "" && len(c.Secret) < minSecret {
		errs = append(errs, fmt.Errorf("secret: must have at least %d characters, got %d", minSecret, len(c.Secret)))
	}
	if c.Timeout <= 0 {
		errs = append(errs, fmt.Errorf("timeout: must be above zero, got %s", c.Timeout))
	}
	if c.MaxAttempts < 1 || c.MaxAttempts > 100 {
		errs = append(errs, fmt.Errorf("maxAttempts: must be 1 to 100, got %d", c.MaxAttempts))
	}
	return errs
}
