package patterns

import (
	"fmt"

	"github.com/grym-synth/grym-synth/services"
)

// Name of the service in the registry, in metrics, in requests and of its section.
const Name = "patterns"

// Config of the service.
type Config struct {
	// Model computes the vectors of patterns that name none; empty means the default model
	// of the task embed.
	Model string `koanf:"model"`
	// MaxPatterns of one owner, from 1 to 10000. Defaults to 1000.
	MaxPatterns int `koanf:"maxPatterns"`
}

// mostPatterns bounds MaxPatterns.
const mostPatterns = 10_000

// DefaultConfig returns the documented defaults.
func DefaultConfig() Config { return Config{MaxPatterns: 1000} }

// Validate returns an error for every invalid value, with its key relative to the section.
func (c Config) Validate() (errs []error) {
	if c.Model != "" && !services.IsModelName(c.Model) {
		errs = append(errs, fmt.Errorf("model: must be the name of a model, got %q", c.Model))
	}
	if c.MaxPatterns < 1 || c.MaxPatterns > mostPatterns {
		errs = append(errs, fmt.Errorf("maxPatterns: must be 1 to %d, got %d", mostPatterns, c.MaxPatterns))
	}
	return errs
}
