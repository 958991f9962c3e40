package pipelines

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/grym-synth/grym-synth/services"
)

// Config configures pipelines. It cannot change while the server runs.
type Config struct {
	// MaxRuns is how many runs of one API key are under way at once; further ones wait.
	// Their steps wait for memory as all tasks do. Defaults to 1000.
	MaxRuns int `koanf:"maxRuns"`
	// Shipped adds the pipelines that come with the server. Defaults to true.
	Shipped bool `koanf:"shipped"`
	// Definitions are pipelines that everybody has, by name.
	Definitions Definitions `koanf:"definitions"`
}

// DefaultConfig returns the defaults.
func DefaultConfig() Config { return Config{MaxRuns: 1000, Shipped: true, Definitions: "{}"} }

// Validate returns an error for every invalid value, with its key.
func (c Config) Validate() (errs []error) {
	if c.MaxRuns < 1 || c.MaxRuns > 10_000 {
		errs = append(errs, fmt.Errorf("maxRuns: must be 1 to 10000, got %d", c.MaxRuns))
	}
	if _, err := c.Definitions.Parse(); err != nil {
		errs = append(errs, err)
	}
	return errs
}

// Definitions are the pipelines of the configuration: JSON of an object with a definition for
// each name.
type Definitions string

// Parse returns the definitions, ordered by name. It compiles them, and joins the faults of
// all, with their keys.
func (d Definitions) Parse() (list []Definition, err error) {
	var byName map[string]json.RawMessage
	if err := json.Unmarshal([]byte(d), &byName); err != nil {
		return nil, fmt.Errorf("definitions: must have a definition for each name: %w", err)
	}
	var errs []error
	for _, name := range slices.Sorted(maps.Keys(byName)) {
		one, err := Parse(byName[name])
		if err == nil && one.Name != "" && one.Name != name {
			err = services.Invalidf("name", "must be %s, got %.80q", name, one.Name)
		}
		one.Name = name
		if err == nil {
			_, err = Compile(one)
		}
		var fault *services.Fault
		if errors.As(err, &fault) {
			for _, field := range fault.Fields {
				errs = append(errs, fmt.Errorf("definitions.%s.%s: %s", name, field.Field, field.Problem))
			}
			continue
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("definitions.%s: %w", name, err))
		}
		list = append(list, one)
	}
	return list, errors.Join(errs...)
}
