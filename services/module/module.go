// Package module describes what a service contributes to the server: its section of the
// configuration, and a function that builds it from that section. Its share of the
// memory budget, guard, recovery, health checks, metrics, jobs and documentation follow
// from the service's description.
package module

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"runtime"
	"slices"
	"time"

	"github.com/grym-synth/grym-synth/orchestrator/records"
	"github.com/grym-synth/grym-synth/services"
	"github.com/grym-synth/grym-synth/services/audiofile"
	"github.com/grym-synth/grym-synth/services/modelstore"
	"github.com/grym-synth/grym-synth/services/modelstore/hub"
	"github.com/grym-synth/grym-synth/services/onnx"
)

// Limits are settings of every service. services.modelService sets them for all
// services with models.
type Limits struct {
	// MaxMemory is the limit for the service's models and tasks together. Defaults to
	// 4GB for a service with models and to 2GB for others.
	MaxMemory services.Bytes `koanf:"maxMemory"`
	// KeepAlive is how long an idle model stays loaded; 0 keeps it until its memory is
	// needed. Defaults to 30m.
	KeepAlive time.Duration `koanf:"keepAlive"`
	// Recoverable reports whether the service is restarted when it fails. Defaults to
	// true.
	Recoverable bool `koanf:"recoverable"`
}

// Validate returns an error for every invalid value, with its key relative to this
// section.
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

// DefaultLimits returns the documented defaults of a service with or without models.
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
	// Runs is the number of concurrent runs, which share the cores. 0, the default, is
	// one run for every two cores, or for every core if a run uses only one.
	Runs int `koanf:"runs"`
	// Cores is how many cores the service's runs use while other services have tasks; it
	// uses all that nothing else needs. 0, the default, is half of them, at least one.
	// Cannot change live.
	Cores int `koanf:"cores"`
}

// mostRuns is the maximum of Common.Runs.
const mostRuns = 256

// Config is the part of a service's section that is specific to it: a struct with koanf
// tags.
type Config interface {
	// Validate returns an error for every invalid value, with its key relative to the
	// section.
	Validate() []error
}

// Section is a service's section of the configuration, as a pointer to a struct.
type Section interface {
	Config
	// Common returns the settings that all sections share.
	Common() *Common
}

// section is the Section of a service whose own settings are C.
type section[C Config] struct {
	Shared Common `koanf:",squash"`
	Own    C      `koanf:",squash"`
}

// Common implements Section.
func (s *section[C]) Common() *Common { return &s.Shared }

// Validate implements Section.
func (s *section[C]) Validate() []error { return append(s.Shared.validate(), s.Own.Validate()...) }

// validate returns an error for every invalid value, with its key relative to the section.
func (c Common) validate() []error {
	errs := c.Limits.Validate()
	if c.Runs < 0 || c.Runs > mostRuns {
		errs = append(errs, fmt.Errorf("runs: must be 0 to %d, got %d", mostRuns, c.Runs))
	}
	if c.Cores < 0 || c.Cores > mostRuns {
		errs = append(errs, fmt.Errorf("cores: must be 0 to %d, got %d", mostRuns, c.Cores))
	}
	return errs
}

// modelSection is the section of a service that runs models.
type modelSection[C Config] struct {
	Shared Common `koanf:",squash"`
	Own    C      `koanf:",squash"`
	// Preload are models that are loaded at the start of the server. Cannot change live.
	// Defaults to none: a model is loaded by its first task.
	Preload []string `koanf:"preload"`
}

// Common implements Section.
func (s *modelSection[C]) Common() *Common { return &s.Shared }

// Validate implements Section.
func (s *modelSection[C]) Validate() []error {
	errs := append(s.Shared.validate(), s.Own.Validate()...)
	for i, name := range s.Preload {
		switch {
		case !services.IsModelName(name):
			errs = append(errs, fmt.Errorf("preload: %.200q cannot be the name of a model", name))
		case slices.Contains(s.Preload[:i], name):
			errs = append(errs, fmt.Errorf("preload: %q is given twice", name))
		}
	}
	return errs
}

// preloaded returns the models to load at the start.
func (s *modelSection[C]) preloaded() []string { return s.Preload }

// Preload returns the models that a section asks for at the start of the server.
func Preload(s Section) []string {
	if with, ok := s.(interface{ preloaded() []string }); ok {
		return with.preloaded()
	}
	return nil
}

// Deps are the dependencies of services.
type Deps struct {
	// Audio has the limits of recordings for all tasks.
	Audio audiofile.Limits
	// Catalog finds model folders. Runtime opens their graphs, in sessions configured
	// by Session.
	Catalog *modelstore.Catalog
	Runtime *onnx.Runtime
	Session onnx.SessionConfig
	// Residency reserves memory that outlives a task. Room returns the memory that is
	// still available to the service.
	Residency services.Residency
	Room      func() services.Bytes
	// Records holds collections of records. It is nil in a process that stores nothing,
	// such as a command that transcribes a file. Collections are created when the
	// service is built.
	Records *records.Database
	// Replace has another version of a loaded model, in the folder dir, take its place, as
	// orchestrator.Replace does. It calls commit, which moves the folder, unless the version
	// is not taken. nil, as in a process that serves nobody, takes every version.
	Replace func(ctx context.Context, model, dir string, gap bool, commit func() error) error
	// Hub are the settings of the model hub.
	Hub hub.Settings
	// Known are public models that can be pulled by name.
	Known hub.Catalogue
	// Memory is the budget of the whole server.
	Memory services.Bytes
	// Execute runs tasks of other services, for work that coordinates them. It may be
	// called once the server has started, and not while a service is built.
	Execute services.Executor
	// Contexts stores conversations, and Recordings the recordings of the records; nil if
	// Records is nil.
	Contexts   services.ContextStore
	Recordings services.Recordings
	// Spool is the folder for artifacts.
	Spool string
	// Log is for what concerns no task; nil discards it.
	Log *slog.Logger
}

// Module is one service of the server.
type Module struct {
	// Name of the service in the registry, in metrics and in requests, and of its
	// section of the configuration.
	Name string
	// HasModels reports whether the service runs models. Its limits default to those of
	// services.modelService.
	HasModels bool
	// ModelTypes are the types of the model folders that the service reads.
	ModelTypes []string
	// Required has the server not ready without the service, unless readiness.required
	// names others.
	Required bool
	// Replaced are settings of the section that one setting of all services has replaced,
	// with its key. They are accepted, and lower that one for this service.
	Replaced map[string]string

	defaults func() Section
	build    func(Section, Deps) services.ModelService
}

// New returns the module of a service without models. Each of its runs uses one core.
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
	m.defaults = func() Section { return &modelSection[C]{Own: defaults, Preload: []string{}} }
	m.build = func(s Section, deps Deps) services.ModelService { return build(s.(*modelSection[C]).Own, deps) }
	return m
}

// Defaults returns a new section with default values. The limits of a service with
// models are left zero.
func (m Module) Defaults() Section { return m.defaults() }

// Build builds the service from a section returned by Defaults.
func (m Module) Build(s Section, deps Deps) services.ModelService { return m.build(s, deps) }

// Runs returns the number of concurrent tasks of the service, the number of threads of
// each, and the limit up to which demand may raise the concurrency. The limit is zero
// if the configuration sets the concurrency.
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

// Cores returns how many cores the service's runs use while other services have tasks.
func (m Module) Cores(c Common) int { return cmp.Or(c.Cores, max(1, runtime.GOMAXPROCS(0)/2)) }
