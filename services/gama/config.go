package gama

import (
	"fmt"
	"time"

	"github.com/grym-synth/grym-synth/services"
	"github.com/grym-synth/grym-synth/services/audiofile"
)

// Name of the service in the registry, in metrics and in requests.
const Name = "gama"

// Config of the service.
type Config struct {
	// DefaultModel is the model of requests that name none. Cannot change live.
	// Defaults to gama-tiny.
	DefaultModel string `koanf:"defaultModel"`
	// MaxSeconds lowers the limit that Audio has for the length of a recording. It is from
	// configurations before that limit applied here; by default it has no effect.
	MaxSeconds float64 `koanf:"maxSeconds"`
	// Contexts has the limits of conversations.
	Contexts ContextsConfig `koanf:"contexts"`
	// Audio has further limits of recordings, from the section of that name. Defaults
	// to audiofile.DefaultLimits.
	Audio audiofile.Limits `koanf:"-"`
}

// ContextsConfig has the limits of stored conversations.
type ContextsConfig struct {
	// MaxCount is the maximum number of conversations; the least recently used are
	// deleted first. Defaults to 1000.
	MaxCount int `koanf:"maxCount"`
	// MaxMemory is the maximum memory for state that speeds up follow-up questions. The
	// state of the least recently used conversations is dropped first; the
	// conversations remain. Defaults to 1GB.
	MaxMemory services.Bytes `koanf:"maxMemory"`
	// Expiry is the time after which an unused conversation is deleted. Defaults to
	// 24h.
	Expiry time.Duration `koanf:"expiry"`
}

// mostSeconds is a day.
const mostSeconds = 24 * 3600

// DefaultConfig returns the documented defaults.
func DefaultConfig() Config {
	return Config{
		DefaultModel: "gama-tiny", MaxSeconds: mostSeconds, Audio: audiofile.DefaultLimits(),
		Contexts: ContextsConfig{MaxCount: 1000, MaxMemory: 1_000_000_000, Expiry: 24 * time.Hour},
	}
}

// Validate returns an error for every invalid value, with its key relative to this
// section.
func (c Config) Validate() []error {
	var errs []error
	bad := func(ok bool, format string, args ...any) {
		if !ok {
			errs = append(errs, fmt.Errorf(format, args...))
		}
	}
	bad(c.DefaultModel != "", "defaultModel: must name a model")
	bad(c.MaxSeconds >= 1 && c.MaxSeconds <= mostSeconds, "maxSeconds: must be from 1 to %d, got %v", mostSeconds, c.MaxSeconds)
	bad(c.Contexts.MaxCount >= 1 && c.Contexts.MaxCount <= 1_000_000, "contexts.maxCount: must be from 1 to 1000000, got %d",
		c.Contexts.MaxCount)
	bad(c.Contexts.MaxMemory >= 0, "contexts.maxMemory: must not be negative, got %s", c.Contexts.MaxMemory)
	bad(c.Contexts.Expiry >= time.Minute, "contexts.expiry: must be at least 1m, got %s", c.Contexts.Expiry)
	return errs
}
