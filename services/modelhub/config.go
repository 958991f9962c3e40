package modelhub

import (
	"fmt"

	"github.com/grym-synth/grym-synth/services"
	"github.com/grym-synth/grym-synth/services/modelstore/hub"
)

// Name of the service in the registry, in metrics and in requests.
const Name = "modelHub"

// Config of the service.
type Config struct {
	// Reserve is the disk space that stays free for jobs. Cannot change live. Defaults to
	// 1GiB.
	Reserve services.Bytes `koanf:"reserve"`
}

// DefaultConfig returns the documented defaults.
func DefaultConfig() Config { return Config{Reserve: hub.Reserve} }

// Validate returns an error for every invalid value, with its key relative to this
// section.
func (c Config) Validate() []error {
	if c.Reserve < 0 {
		return []error{fmt.Errorf("reserve: must not be negative, got %s", c.Reserve)}
	}
	return nil
}
