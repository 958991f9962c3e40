package audioldm

import (
	"fmt"

	"github.com/grym-synth/grym-synth/services"
)

// Name of the service in the registry, in metrics and in requests.
const Name = "audioldm"

// pipelineClass is the class in model_index.json of supported folders.
const pipelineClass = "AudioLDMPipeline"

// Limits of a request.
const (
	maxSteps       = 500
	maxGuidance    = 50
	maxPromptBytes = 4096
	leastSeconds   = 0.1
	maxWaveforms   = 10
)

// Config of the service.
type Config struct {
	// DefaultModel is the model of requests that name none. Cannot change live.
	// Defaults to audioldm-tiny.
	DefaultModel string `koanf:"defaultModel"`
	// MaxSeconds is the maximum length of a sound. Defaults to 60.
	MaxSeconds float64 `koanf:"maxSeconds"`
	// Ranker is the model that compares several sounds of one prompt with it; empty to
	// return them in the order of the seed. Defaults to clap-tiny.
	Ranker string `koanf:"ranker"`
}

// DefaultConfig returns the documented defaults.
func DefaultConfig() Config {
	return Config{DefaultModel: "audioldm-tiny", MaxSeconds: 60, Ranker: "clap-tiny"}
}

// Validate returns an error for every invalid value, with its key relative to this
// section.
func (c Config) Validate() []error {
	var errs []error
	if c.DefaultModel == "" {
		errs = append(errs, fmt.Errorf("defaultModel: must name a model"))
	}
	if !(c.MaxSeconds >= 1 && c.MaxSeconds <= 600) {
		errs = append(errs, fmt.Errorf("maxSeconds: must be from 1 to 600, got %v", c.MaxSeconds))
	}
	if c.Ranker != "" && !services.IsModelName(c.Ranker) {
		errs = append(errs, fmt.Errorf("ranker: must be the name of a model, or empty, got %.140q", c.Ranker))
	}
	return errs
}
