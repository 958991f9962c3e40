// Package module describes what one service brings to the server: its section of the
// configuration, and how it is built from that. Everything else that a service has, a
// share of the memory budget, a guard, recovery, health checks, metrics, jobs and
// documentation, comes from its description.
package module

import (
	"cmp"
	"fmt"
	"runtime"
	"time"

	"github.com/grym-synth/grym-synth/orchestrator/records"
	"github.com/grym-synth/grym-synth/services"
	"github.com/grym-synth/grym-synth/services/audiofile"
	"github.com/grym-synth/grym-synth/services/modelstore"
	"github.com/grym-synth/grym-synth/services/onnx"
)

// Limits are settings that every service has, and services.modelService for all services
// with models.
type Limits struct {
	// MaxMemory of the service's models and tasks together. Defaults to 4GB for a service
	// with models and to 2GB for others.
	MaxMemory services.Bytes `koanf:"maxMemory"`
	// KeepAlive is how long an idle model stays loaded; 0 is until its memory is needed.
	// Defaults to 30m.
	KeepAlive time.Duration `koanf:"keepAlive"`
	// Recoverable services are restarted when they fail. Defaults to true.
	Recoverable bool `koanf:"recoverable"`
}

// Validate returns an error for every bad value, with its key relative to this section.
func (l Limits) Validate() []error {
	var errs []error
	if l.KeepAlive < 0 {
		errs = append(errs, fmt.Errorf("keepAlive: must not be negative, got %s", l.KeepAlive))
	}
	if l.MaxMemory < 16*services.MiB {
		errs = append(errs, fmt.Errorf("maxMemory: must be at least 16MiB, got %s", l.MaxMemory))
	}
	return errs
}

// DefaultLimits returns the documented defaults of a service, with models or without.
func DefaultLimits(models bool) Limits {
	limits := Limits{MaxMemory: 2_000_000_000, Recoverable: true, KeepAlive: 30 * time.Minute}
	if models {
		limits.MaxMemory = 4_000_000_000
	}
	return limits
}

// Common are the settings that every service's section has.
type Common struct {
	Limits `koanf:",squash"`
	// Runs at once; the cores are shared between them. 0, the default, is one for every
	// two cores, or for every core where a run uses no more than one.
	Runs int `koanf:"runs"`
}

// mostRuns bounds the runs of a service at once.
const mostRuns = 256

// Config is what a service has in its section beside the common settings: a struct with
// koanf tags.
type Config interface {
	// Validate returns an error for every bad value, with its key relative to the section.
	Validate() []error
}

// Section is a service's section of the configuration, as a pointer to a struct.
type Section interface {
	Config
	// Common returns the part that every section has.
	Common() *Common
}

// section is a Section of one kind of Config.
type section[C Config] struct {
	Shared Common `koanf:",squash"`
	Own    C      `koanf:",squash"`
}

// Common implements Section.
func (s *section[C]) Common() *Common { return &s.Shared }

// Validate implements Section.
func (s *section[C]) Validate() []error {
	errs := append(s.Shared.Validate(), s.Own.Validate()...)
	if s.Shared.Runs < 0 || s.Shared.Runs > mostRuns {
		errs = append(errs, fmt.Errorf("runs: must be 0 to %d, got %d", mostRuns, s.Shared.Runs))
	}
	return errs
}

// Deps are what services are built from.
type Deps struct {
	// Audio are the limits of recordings, whatever the task.
	Audio audiofile.Limits
	// Catalog finds model folders, and Runtime opens their graphs in sessions as Session
	// sizes them.
	Catalog *modelstore.Catalog
	Runtime *onnx.Runtime
	Session onnx.SessionConfig
	// Residency books what a service keeps in memory between tasks; Room returns what the
	// service could still use.
	Residency services.Residency
	Room      func() services.Bytes
	// Records keeps collections of records; nil in a process that keeps nothing, as for a
	// command that transcribes a file. A collection is made when the service is built.
	Records *records.Database
	// Contexts keeps conversations; nil where Records is.
	Contexts services.ContextStore
	// Spool is the folder for files that tasks make.
	Spool string
}

// Module is one service of the server.
type Module struct {
	// Name of the service in the registry, in metrics, in requests and of its section in
	// the configuration.
	Name string
	// HasModels reports whether the service runs models. Its limits are those of
	// services.modelService unless its own section sets them.
	HasModels bool
	// Required has the server not ready without the service, unless readiness.required
	// names others.
	Required bool

	defaults func() Section
	build    func(Section, Deps) services.ModelService
}

// New returns the module of a service without models, each of whose runs uses one core.
func New[C Config](name string, defaults C, build func(C, Deps) services.ModelService) Module {
	return Module{
		Name: name,
		defaults: func() Section {
			return &section[C]{Shared: Common{Limits: DefaultLimits(false)}, Own: defaults}
		},
		build: func(s Section, deps Deps) services.ModelService { return build(s.(*section[C]).Own, deps) },
	}
}

// WithModels returns the module of a service that runs models.
func WithModels[C Config](name string, defaults C, build func(C, Deps) services.ModelService) Module {
	m := New(name, defaults, build)
	m.HasModels = true
	m.defaults = func() Section { return &section[C]{Own: defaults} }
	return m
}

// Defaults returns a new section with the default of every setting. The limits of a
// service with models are empty.
func (m Module) Defaults() Section { return m.defaults() }

// Build makes the service from its section, which must be one that Defaults returned.
func (m Module) Build(s Section, deps Deps) services.ModelService { return m.build(s, deps) }

// Runs returns how many tasks of the service run at once, how many threads each has, and
// how many may run at once where demand asks for more, zero where the settings say how many.
func (m Module) Runs(c Common) (runs, threads, most int) {
	cores := runtime.GOMAXPROCS(0)
	if !m.HasModels {
		return cmp.Or(c.Runs, cores), 1, 0
	}
	if c.Runs > 0 {
		return c.Runs, max(1, cores/c.Runs), 0
	}
	runs = max(1, cores/2)
	return runs, max(1, cores/runs), cores
}
