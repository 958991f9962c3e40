package resources

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/grym-synth/grym-synth/services"
)

// Config configures the memory budget and its queue.
type Config struct {
	// Enabled limits memory. When false, run slots still bound what runs at once, but
	// bytes are only counted. Cannot change live. Defaults to true.
	Enabled bool `koanf:"enabled"`
	// MaxMemory for models and running tasks. The budget is the smallest of
	// this, the control group's limit and the machine's memory, the latter two
	// less the reserve. Defaults to 4GB.
	MaxMemory services.Bytes `koanf:"maxMemory"`
	// Reserve is kept free below a control group's limit and the machine's
	// size, for the process itself and its neighbours; never more than a quarter
	// of them. Defaults to 512MiB.
	Reserve services.Bytes `koanf:"reserve"`
	// QueueLimit is how many tasks may wait; further ones are refused as busy. A tenant
	// with less than an equal part of it has places until twice as many wait, and one
	// without any always has one. Defaults to 256.
	QueueLimit int `koanf:"queueLimit"`
	// Ageing is the waiting time that counts as much as one priority level: with 30s, a
	// normal task that has waited 30 s precedes a high one of the same tenant that has
	// just arrived. Defaults to 30s.
	Ageing time.Duration `koanf:"ageing"`
	// Weights are the parts of API keys in the run slots of a service and in the places of
	// its jobs, as id=weight, 0.01 to 100; that of other keys is 1. Cannot change live.
	// Defaults to none.
	Weights []string `koanf:"weights"`
	// CleanupInterval is how often models idle past their service's keep-alive time are
	// unloaded. Defaults to 1m.
	CleanupInterval time.Duration `koanf:"cleanupInterval"`
	// Dynamic lets the runs of each service whose number is not set follow the demand
	// for it, within the budget, and keeps and evicts models by the demand for them.
	// It needs the performance monitor. Defaults to on.
	Dynamic Switch `koanf:"dynamic"`
}

// Switch is on or off.
type Switch string

// The values of a Switch.
const (
	On  Switch = "on"
	Off Switch = "off"
)

// DefaultConfig returns the documented defaults.
func DefaultConfig() Config {
	return Config{
		Enabled: true, MaxMemory: 4_000_000_000, Reserve: 512 * services.MiB, QueueLimit: 256,
		Ageing: 30 * time.Second, CleanupInterval: time.Minute, Dynamic: On, Weights: []string{},
	}
}

// Validate returns an error for every invalid value, with its key relative to this
// section.
func (c Config) Validate() []error {
	var errs []error
	if c.MaxMemory < 16*services.MiB {
		errs = append(errs, fmt.Errorf("maxMemory: must be at least 16MiB, got %s", c.MaxMemory))
	}
	if c.Reserve < 0 {
		errs = append(errs, fmt.Errorf("reserve: must not be negative, got %s", c.Reserve))
	}
	if c.QueueLimit < 1 {
		errs = append(errs, fmt.Errorf("queueLimit: must be at least 1, got %d", c.QueueLimit))
	}
	if c.Ageing <= 0 {
		errs = append(errs, fmt.Errorf("ageing: must be above zero, got %s", c.Ageing))
	}
	if _, err := ParseWeights(c.Weights); err != nil {
		errs = append(errs, fmt.Errorf("weights: %w", err))
	}
	if c.CleanupInterval < time.Second {
		errs = append(errs, fmt.Errorf("cleanupInterval: must be at least 1s, got %s", c.CleanupInterval))
	}
	if c.Dynamic != On && c.Dynamic != Off {
		errs = append(errs, fmt.Errorf("dynamic: must be on or off, got %q", c.Dynamic))
	}
	return errs
}

// ParseWeights returns the weights of tenants from a list of id=weight.
func ParseWeights(list []string) (map[string]float64, error) {
	weights := make(map[string]float64, len(list))
	for _, pair := range list {
		id, text, ok := strings.Cut(pair, "=")
		weight, err := strconv.ParseFloat(text, 64)
		switch {
		case !ok || id == "" || err != nil || !(weight >= 0.01 && weight <= 100):
			return nil, fmt.Errorf("must be a list of ids of API keys with a weight of 0.01 to 100, as 4f2a9c17d03b=2, got %q", pair)
		case weights[id] != 0:
			return nil, fmt.Errorf("must name each API key once, got %q twice", id)
		}
		weights[id] = weight
	}
	return weights, nil
}

// ServiceLimit bounds one service.
type ServiceLimit struct {
	// MaxMemory of the service's models and running tasks together.
	MaxMemory services.Bytes
	// Runs is how many tasks may run at once, at least 1. MaxRuns is the upper bound
	// when concurrency adapts to demand; at most Runs means that it is fixed.
	Runs, MaxRuns int
	// Cores bounds the tasks that run at once while other services have tasks, at their
	// start and where they yield. Zero does not bound them.
	Cores int
	// KeepAlive is how long an idle model stays loaded; zero means until its memory is
	// needed.
	KeepAlive time.Duration
}
