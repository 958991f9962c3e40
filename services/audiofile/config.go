package audiofile

import (
	"fmt"
	"os/exec"
	"time"

	"github.com/grym-synth/grym-synth/services"
)

// Values of Config.FFmpeg that are not paths.
const (
	ffmpegAuto = "auto"
	ffmpegOff  = "off"
)

// Config limits the recordings that are accepted. Cannot change live.
type Config struct {
	// MaxBytes is the maximum size of a file. Defaults to 256MiB.
	MaxBytes services.Bytes `koanf:"maxBytes"`
	// MaxDuration is the maximum length of a recording for all tasks. Defaults to 4h.
	MaxDuration time.Duration `koanf:"maxDuration"`
	// MaxChannels is the maximum number of channels. Defaults to 8.
	MaxChannels int `koanf:"maxChannels"`
	// MinSampleRate and MaxSampleRate in hertz. Default to 8000 and 192000, the limits
	// of the resampler.
	MinSampleRate int `koanf:"minSampleRate"`
	MaxSampleRate int `koanf:"maxSampleRate"`
	// FFmpeg is the program for formats that are not read or written natively: auto selects
	// ffmpeg on the PATH if it exists, off none, and anything else is a path. Defaults
	// to auto.
	FFmpeg string `koanf:"ffmpeg"`
	// FFmpegTimeout limits its time for one file. Defaults to 5m.
	FFmpegTimeout time.Duration `koanf:"ffmpegTimeout"`
}

// DefaultConfig returns the documented defaults.
func DefaultConfig() Config {
	limits := DefaultLimits()
	return Config{
		MaxBytes: services.Bytes(limits.MaxBytes), MaxDuration: limits.MaxDuration, MaxChannels: limits.MaxChannels,
		MinSampleRate: limits.MinSampleRateHz, MaxSampleRate: limits.MaxSampleRateHz,
		FFmpeg: ffmpegAuto, FFmpegTimeout: 5 * time.Minute,
	}
}

// Validate returns an error for every invalid value, with its key relative to this
// section.
func (c Config) Validate() []error {
	var errs []error
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if c.MaxBytes < 1 {
		bad("maxBytes: must be above zero, got %s", c.MaxBytes)
	}
	if c.MaxDuration <= 0 {
		bad("maxDuration: must be above zero, got %s", c.MaxDuration)
	}
	if most := DefaultLimits().MaxChannels; c.MaxChannels < 1 || c.MaxChannels > most {
		bad("maxChannels: must be 1 to %d, got %d", most, c.MaxChannels)
	}
	least, most := DefaultLimits().MinSampleRateHz, DefaultLimits().MaxSampleRateHz
	if c.MinSampleRate < least || c.MinSampleRate > most {
		bad("minSampleRate: must be %d to %d, got %d", least, most, c.MinSampleRate)
	}
	if c.MaxSampleRate < c.MinSampleRate || c.MaxSampleRate > most {
		bad("maxSampleRate: must be minSampleRate (%d) to %d, got %d", c.MinSampleRate, most, c.MaxSampleRate)
	}
	if c.FFmpeg != ffmpegAuto && c.FFmpeg != ffmpegOff {
		if _, err := exec.LookPath(c.FFmpeg); err != nil {
			bad("ffmpeg: must be auto, off or the path of a program: %w", err)
		}
	}
	if c.FFmpegTimeout <= 0 {
		bad("ffmpegTimeout: must be above zero, got %s", c.FFmpegTimeout)
	}
	return errs
}

// Limits returns the limits for Open. Each call searches the PATH for ffmpeg.
func (c Config) Limits() Limits {
	limits := Limits{
		MaxBytes: int64(c.MaxBytes), MaxDuration: c.MaxDuration, MaxChannels: c.MaxChannels,
		MinSampleRateHz: c.MinSampleRate, MaxSampleRateHz: c.MaxSampleRate, FFmpegTimeout: c.FFmpegTimeout,
	}
	name := c.FFmpeg
	switch name {
	case ffmpegOff, "":
		return limits
	case ffmpegAuto:
		name = "ffmpeg"
	}
	if path, err := exec.LookPath(name); err == nil {
		limits.FFmpeg = path
	}
	return limits
}
