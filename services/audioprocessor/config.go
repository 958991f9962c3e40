package audioprocessor

import (
	"fmt"

	"github.com/grym-synth/grym-synth/services"
)

// Name of the service in the registry, in metrics and in requests.
const Name = "audioProcessor"

// Config of the service.
type Config struct {
	// MaxOutput bounds the bytes of a file that is made. Cannot change live.
	// Defaults to 1GiB.
	MaxOutput services.Bytes `koanf:"maxOutput"`
}

// DefaultConfig gives the documented defaults.
func DefaultConfig() Config { return Config{MaxOutput: services.GiB} }

// Validate gives every bad value, its key relative to this section.
func (c Config) Validate() []error {
	if c.MaxOutput < services.MiB {
		return []error{fmt.Errorf("maxOutput: must be at least 1MiB, got %s", c.MaxOutput)}
	}
	return nil
}
