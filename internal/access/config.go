package access

import "fmt"

// Modes of access.
const (
	ModeAuto = "auto" // keys on any address but loopback, and wherever a proxy is configured
	ModeKeys = "keys" // keys everywhere
	ModeOff  = "off"  // no keys are asked for
)

// Config of access. Nothing here can change live.
type Config struct {
	// Mode is auto, keys or off. Defaults to auto.
	Mode string `koanf:"mode"`
	// FailuresPerMinute is how many bad keys an address may send before it is answered
	// 429 instead of 401; 0 is no limit.
	// Defaults to 10.
	FailuresPerMinute int `koanf:"failuresPerMinute"`
	// OpenMetrics lets anybody read the metrics. Defaults to false.
	OpenMetrics bool `koanf:"openMetrics"`
}

// DefaultConfig gives the documented defaults.
func DefaultConfig() Config { return Config{Mode: ModeAuto, FailuresPerMinute: 10} }

// Validate gives every bad value, its key relative to this section.
func (c Config) Validate() []error {
	if c.Mode != ModeAuto && c.Mode != ModeKeys && c.Mode != ModeOff {
		return []error{fmt.Errorf("mode: must be auto, keys or off, got %q", c.Mode)}
	}
	if c.FailuresPerMinute < 0 {
		return []error{fmt.Errorf("failuresPerMinute: must not be negative, got %d", c.FailuresPerMinute)}
	}
	return nil
}
