package whisper

import (
	"errors"

	"github.com/grym-synth/grym-synth/services"
	"github.com/grym-synth/grym-synth/services/audiofile"
)

// Name of the service in the registry, in metrics, in requests and of its section.
const Name = "whisper"

// Config of the service.
type Config struct {
	// DefaultModel is the model of tasks of this service that name none. If it does not
	// exist, the first by name is used. Cannot change live. Defaults to whisper-base.
	DefaultModel string `koanf:"defaultModel"`
	// Audio has the limits of recordings.
	Audio audiofile.Limits `koanf:"-"`
}

// DefaultConfig returns the documented defaults.
func DefaultConfig() Config {
	return Config{DefaultModel: "whisper-base", Audio: audiofile.DefaultLimits()}
}

// Validate returns an error for every invalid value, with its key relative to this section.
func (c Config) Validate() []error {
	if !services.IsModelName(c.DefaultModel) {
		return []error{errors.New("defaultModel: must be the name of a model")}
	}
	return nil
}
