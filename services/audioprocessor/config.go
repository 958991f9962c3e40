package audioprocessor

import (
	"fmt"

	"github.com/grym-synth/grym-synth/services"
)

// Name of the service in the registry, in metrics and in requests.
const Name = "audioProcessor"

// Config of the service.
type Config struct {
	// MaxOutput is the maximum size of a resulting file. Cannot change live. Defaults
	// to 1GiB.
	MaxOutput services.Bytes `koanf:"maxOutput"`
}

// DefaultConfig returns the documented defaults.
func DefaultConfig() Config { return Config{MaxOutput: services.GiB} }

// Validate returns an error for every invalid value, with its key relative to this
// section.
func (c Config) Validate() []error {
	if c.MaxOutput < services.MiB {
		return []error{fmt.Errorf("maxOutput: must be at least 1MiB, got %s", c.MaxOutput)}
	}
	return nil
}
