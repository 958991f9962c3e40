package wav2vec2

import (
	"fmt"

	"github.com/grym-synth/grym-synth/services/audiofile"
)

// Name of the service in the registry, in metrics and in requests.
const Name = "wav2vec2"

// Config of the service.
type Config struct {
	// DefaultModel transcribes requests that name none. Cannot change live.
	// Defaults to wav2vec2-tiny.
	DefaultModel string `koanf:"defaultModel"`
	// MaxSeconds of audio in one request. Memory does not grow with it. Defaults to
	// four hours.
	MaxSeconds float64 `koanf:"maxSeconds"`
	// Audio is what recordings are held to beside, from the section of that name.
	// Defaults to audiofile.DefaultLimits.
	Audio audiofile.Limits `koanf:"-"`
}

// DefaultConfig gives the documented defaults.
func DefaultConfig() Config {
	return Config{DefaultModel: "wav2vec2-tiny", MaxSeconds: 4 * 3600, Audio: audiofile.DefaultLimits()}
}

// longestRun is the most audio that one run takes, in seconds: attention grows
// with its square.
const longestRun = 30

// mostSeconds is a day: every frame's token is kept until the end.
const mostSeconds = 24 * 3600

// Validate gives every bad value, its key relative to this section.
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
