package audioldm

import "fmt"

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
}

// DefaultConfig returns the documented defaults.
func DefaultConfig() Config { return Config{DefaultModel: "audioldm-tiny", MaxSeconds: 60} }

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
	return errs
}
