package performance

import (
	"fmt"
	"time"
)

// Config of the performance monitor. It can change while the server runs.
type Config struct {
	// Enabled samples the process and every service. Defaults to true.
	Enabled bool `koanf:"enabled"`
	// CheckInterval is the time between two samples. Defaults to 5s.
	CheckInterval time.Duration `koanf:"checkInterval"`
	// History is how many samples are kept. Defaults to 360, half an hour.
	History int `koanf:"history"`
	// Sustain is how many samples in a row must be beyond a threshold before there
	// is a warning. Defaults to 3.
	Sustain int `koanf:"sustain"`
	// MaxCPU is the fraction of all cores, MaxMemory the fraction of the memory budget,
	// 0 to 1; 0 disables the threshold. Default to 0.95 and 0.9.
	MaxCPU    float64 `koanf:"maxCPU"`
	MaxMemory float64 `koanf:"maxMemory"`
	// MaxLatency of a service: the 95th percentile of its tasks in the last minute,
	// wait included. Defaults to 1m; 0 disables the threshold.
	MaxLatency time.Duration `koanf:"maxLatency"`
	// MaxSchedulingLatency is the 99th percentile of how long runnable goroutines
	// waited for a processor. Defaults to 100ms; 0 disables the threshold.
	MaxSchedulingLatency time.Duration `koanf:"maxSchedulingLatency"`
	// MaxGoroutines in the process. Defaults to 10000; 0 disables the threshold.
	MaxGoroutines int `koanf:"maxGoroutines"`
	// Horizon of the memory forecast: a warning if the resident set is expected to
	// reach the budget within this time. Defaults to 10m; 0 disables the warning.
	Horizon time.Duration `koanf:"horizon"`
}

// DefaultConfig returns the documented defaults.
func DefaultConfig() Config {
	return Config{
		Enabled: true, CheckInterval: 5 * time.Second, History: 360, Sustain: 3,
		MaxCPU: 0.95, MaxMemory: 0.9, MaxLatency: time.Minute, MaxSchedulingLatency: 100 * time.Millisecond,
		MaxGoroutines: 10_000, Horizon: 10 * time.Minute,
	}
}

// Validate returns an error for every bad value, with its key relative to this section.
func (c Config) Validate() []error {
	var errs []error
	if c.CheckInterval < 100*time.Millisecond {
		errs = append(errs, fmt.Errorf("checkInterval: must be at least 100ms, got %s", c.CheckInterval))
	}
	for key, n := range map[string]int{"history": c.History, "sustain": c.Sustain} {
		if n < 1 || n > 100_000 {
			errs = append(errs, fmt.Errorf("%s: must be 1 to 100000, got %d", key, n))
		}
	}
	for key, part := range map[string]float64{"maxCPU": c.MaxCPU, "maxMemory": c.MaxMemory} {
		if !(part >= 0 && part <= 1) {
			errs = append(errs, fmt.Errorf("%s: must be 0 to 1, got %v", key, part))
		}
	}
	for key, d := range map[string]time.Duration{
		"maxLatency": c.MaxLatency, "maxSchedulingLatency": c.MaxSchedulingLatency, "horizon": c.Horizon,
	} {
		if d < 0 {
			errs = append(errs, fmt.Errorf("%s: must not be negative, got %s", key, d))
		}
	}
	if c.MaxGoroutines < 0 {
		errs = append(errs, fmt.Errorf("maxGoroutines: must not be negative, got %d", c.MaxGoroutines))
	}
	return errs
}
