package clap

import (
	"errors"

	"github.com/grym-synth/grym-synth/services/audiofile"
)

// Name of the service in the registry, in metrics and in requests.
const Name = "clap"

// Config of the service.
type Config struct {
	// DefaultModel is the model of requests that name none. Cannot change live.
	// Defaults to clap-tiny.
	DefaultModel string `koanf:"defaultModel"`
	// Audio has the limits of recordings, from the section of that name. Defaults to
	// audiofile.DefaultLimits.
	Audio audiofile.Limits `koanf:"-"`
}

// DefaultConfig returns the documented defaults.
func DefaultConfig() Config {
	return Config{DefaultModel: "clap-tiny", Audio: audiofile.DefaultLimits()}
}

// Validate returns an error for every invalid value, with its key relative to this
// section.
func (c Config) Validate() []error {
	if c.DefaultModel == "" {
		return []error{errors.New("defaultModel: must name a model")}
	}
	return nil
}
