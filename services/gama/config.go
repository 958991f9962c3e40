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
	// DefaultModel answers requests that name none. Cannot change live. Defaults to
	// gama-tiny.
	DefaultModel string `koanf:"defaultModel"`
	// MaxSeconds of sound in one request; what is longer than the model's window is
	// cut. Defaults to one hour.
	MaxSeconds float64 `koanf:"maxSeconds"`
	// Contexts are the conversations.
	Contexts ContextsConfig `koanf:"contexts"`
	// Audio is what recordings are held to beside, from the section of that name.
	// Defaults to audiofile.DefaultLimits.
	Audio audiofile.Limits `koanf:"-"`
}

// ContextsConfig bounds the conversations that are kept.
type ContextsConfig struct {
	// MaxCount of conversations; the longest unused goes when there are more.
	// Defaults to 1000.
	MaxCount int `koanf:"maxCount"`
	// MaxMemory of what is kept so that a follow-up question is answered sooner. The
	// longest unused goes first; the conversation stays. Defaults to 1GB.
	MaxMemory services.Bytes `koanf:"maxMemory"`
	// Expiry of a conversation that is not used. Defaults to 24h.
	Expiry time.Duration `koanf:"expiry"`
}

// DefaultConfig gives the documented defaults.
func DefaultConfig() Config {
	return Config{
		DefaultModel: "gama-tiny", MaxSeconds: 3600, Audio: audiofile.DefaultLimits(),
		Contexts: ContextsConfig{MaxCount: 1000, MaxMemory: 1_000_000_000, Expiry: 24 * time.Hour},
	}
}

// Validate gives every bad value, its key relative to this section.
func (c Config) Validate() []error {
	var errs []error
	bad := func(ok bool, format string, args ...any) {
		if !ok {
			errs = append(errs, fmt.Errorf(format, args...))
		}
	}
	bad(c.DefaultModel != "", "defaultModel: must name a model")
	bad(c.MaxSeconds >= 1 && c.MaxSeconds <= 24*3600, "maxSeconds: must be from 1 to %d, got %v", 24*3600, c.MaxSeconds)
	bad(c.Contexts.MaxCount >= 1 && c.Contexts.MaxCount <= 1_000_000, "contexts.maxCount: must be from 1 to 1000000, got %d",
		c.Contexts.MaxCount)
	bad(c.Contexts.MaxMemory >= 0, "contexts.maxMemory: must not be negative, got %s", c.Contexts.MaxMemory)
	bad(c.Contexts.Expiry >= time.Minute, "contexts.expiry: must be at least 1m, got %s", c.Contexts.Expiry)
	return errs
}
