package access

import "fmt"

// Modes of access.
const (
	ModeAuto = "auto" // keys are required except on loopback without a proxy
	ModeKeys = "keys" // keys are always required
	ModeOff  = "off"  // no keys are required
)

// Config is the configuration of access control. None of it can change while the server
// runs.
type Config struct {
	// Mode is auto, keys or off. Defaults to auto.
	Mode string `koanf:"mode"`
	// FailuresPerMinute is the number of invalid keys per client address and minute;
	// further ones get 429 instead of 401. 0 sets no limit. Defaults to 10.
	FailuresPerMinute int `koanf:"failuresPerMinute"`
	// OpenMetrics makes the metrics public. Defaults to false.
	OpenMetrics bool `koanf:"openMetrics"`
}

// DefaultConfig returns the documented defaults.
func DefaultConfig() Config { return Config{Mode: ModeAuto, FailuresPerMinute: 10} }

// Validate returns an error for each invalid value, with its key relative to this section.
func (c Config) Validate() []error {
	if c.Mode != ModeAuto && c.Mode != ModeKeys && c.Mode != ModeOff {
		return []error{fmt.Errorf("mode: must be auto, keys or off, got %q", c.Mode)}
	}
	if c.FailuresPerMinute < 0 {
		return []error{fmt.Errorf("failuresPerMinute: must not be negative, got %d", c.FailuresPerMinute)}
	}
	return nil
}
