package wav2vec2

import (
	"fmt"

	"github.com/grym-synth/grym-synth/services/audiofile"
)

// Name of the service in the registry, in metrics and in requests.
const Name = "wav2vec2"

// Config of the service.
type Config struct {
	// DefaultModel is the model of requests that name none. Cannot change live.
	// Defaults to wav2vec2-tiny.
	DefaultModel string `koanf:"defaultModel"`
	// MaxSeconds lowers the limit that Audio has for the length of a recording. It is from
	// configurations before that limit applied here; by default it has no effect.
	MaxSeconds float64 `koanf:"maxSeconds"`
	// Audio has further limits of recordings, from the section of that name. Defaults
	// to audiofile.DefaultLimits.
	Audio audiofile.Limits `koanf:"-"`
}

// DefaultConfig returns the documented defaults.
func DefaultConfig() Config {
	return Config{DefaultModel: "wav2vec2-tiny", MaxSeconds: mostSeconds, Audio: audiofile.DefaultLimits()}
}

// longestRun is the maximum length of one run in seconds. The memory of attention grows
// with its square.
const longestRun = 30

// mostSeconds is a day. The token of every frame is kept until the end.
const mostSeconds = 24 * 3600

// Validate returns an error for every invalid value, with its key relative to this
// section.
func (c Config) Validate() []error {
	var errs []error
	if c.DefaultModel == "" {
		errs = append(errs, fmt.Errorf("defaultModel: must name a model"))
	}
	if !(c.MaxSeconds > 0 && c.MaxSeconds <= mostSeconds) {
		errs = append(errs, fmt.Errorf("maxSeconds: must be above 0 and at most %d, got %v", mostSeconds, c.MaxSeconds))
	}
	return errs
}
