package config

import (
	"cmp"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/grym-synth/grym-synth/api"
	"github.com/grym-synth/grym-synth/api/console"
	"github.com/grym-synth/grym-synth/hardening"
	"github.com/grym-synth/grym-synth/hardening/performance"
	"github.com/grym-synth/grym-synth/hardening/tracing"
	"github.com/grym-synth/grym-synth/internal/access"
	"github.com/grym-synth/grym-synth/internal/modules"
	"github.com/grym-synth/grym-synth/orchestrator"
	"github.com/grym-synth/grym-synth/orchestrator/batches"
	"github.com/grym-synth/grym-synth/orchestrator/jobs"
	"github.com/grym-synth/grym-synth/orchestrator/jobs/webhook"
	"github.com/grym-synth/grym-synth/orchestrator/pipelines"
	"github.com/grym-synth/grym-synth/orchestrator/records/natsstore"
	"github.com/grym-synth/grym-synth/resources"
	"github.com/grym-synth/grym-synth/services/audiofile"
	"github.com/grym-synth/grym-synth/services/onnx"
)

// Config has every setting. It is immutable once loaded.
type Config struct {
	// DataDir is the folder of stored data. Only one process can use it. Defaults to
	// ./data.
	DataDir string `koanf:"dataDir"`

	API             api.Config       `koanf:"api"`
	Auth            access.Config    `koanf:"auth"`
	Console         console.Config   `koanf:"console"`
	Log             Log              `koanf:"log"`
	Audio           audiofile.Config `koanf:"audio"`
	Models          Models           `koanf:"models"`
	ONNX            onnx.Config      `koanf:"onnx"`
	Readiness       Readiness        `koanf:"readiness"`
	Hardening       hardening.Config `koanf:"hardening"`
	Tracing         tracing.Config   `koanf:"tracing"`
	SystemHardening SystemHardening  `koanf:"systemHardening"`
	Services        Services         `koanf:"services"`
	Jobs            Jobs             `koanf:"jobs"`
	Pipelines       pipelines.Config `koanf:"pipelines"`
}

// Jobs is the configuration of asynchronous jobs and their storage.
type Jobs struct {
	Store    natsstore.Config `koanf:",squash"`
	Work     jobs.Config      `koanf:",squash"`
	Batches  batches.Config   `koanf:"batches"`
	Webhooks webhook.Config   `koanf:"webhooks"`
}

// Log is the configuration of the log.
type Log struct {
	// Level is debug, info, warn or error. Defaults to info.
	Level slog.Level `koanf:"level"`
	// Format is json, text, or auto: text on a terminal, json elsewhere.
	// Defaults to auto.
	Format string `koanf:"format"`
}

// Models is the configuration of model folders and model names.
type Models struct {
	// Dir has one folder for each model that is not embedded. Defaults to models in the
	// data folder.
	Dir string `koanf:"dir"`
	// Catalogue is a file that replaces the embedded list of known public models. Defaults
	// to none.
	Catalogue string `koanf:"catalogue"`

	orchestrator.NamesConfig `koanf:",squash"`
}

// Readiness is the configuration of the readiness probe.
type Readiness struct {
	// Required are the services that must be ready for the server to be ready. Defaults to
	// those whose module says so.
	Required []string `koanf:"required"`
}

// SystemHardening has the keys of the reference architecture.
type SystemHardening struct {
	HealthMonitoring      Monitoring               `koanf:"healthMonitoring"`
	PerformanceMonitoring performance.Config       `koanf:"performanceMonitoring"`
	ErrorRecovery         hardening.RecoveryConfig `koanf:"errorRecovery"`
	ResourceManagement    resources.Config         `koanf:"resourceManagement"`
}

// Monitoring enables a monitor.
type Monitoring struct {
	Enabled bool `koanf:"enabled"`
	// CheckInterval is the time between two checks.
	CheckInterval time.Duration `koanf:"checkInterval"`
}

// Default returns every default. The limits of single model services are empty: they
// default to services.modelService.
func Default() Config {
	return Config{
		DataDir:   "data",
		API:       api.DefaultConfig(),
		Auth:      access.DefaultConfig(),
		Console:   console.DefaultConfig(),
		Log:       Log{Level: slog.LevelInfo, Format: "auto"},
		Audio:     audiofile.DefaultConfig(),
		Models:    Models{NamesConfig: orchestrator.DefaultNames()},
		Readiness: Readiness{Required: modules.Required()},
		ONNX:      onnx.DefaultConfig(),
		Hardening: hardening.DefaultConfig(),
		Tracing:   tracing.DefaultConfig(),
		SystemHardening: SystemHardening{
			HealthMonitoring:      Monitoring{Enabled: true, CheckInterval: 30 * time.Second},
			PerformanceMonitoring: performance.DefaultConfig(),
			ErrorRecovery:         hardening.DefaultRecoveryConfig(),
			ResourceManagement:    resources.DefaultConfig(),
		},
		Services: defaultServices(),
		Jobs: Jobs{
			Store: natsstore.DefaultConfig(), Work: jobs.DefaultConfig(), Batches: batches.DefaultConfig(), Webhooks: webhook.DefaultConfig(),
		},

		Pipelines: pipelines.DefaultConfig(),
	}
}

// ModelsDir returns the folder of the model folders.
func (c Config) ModelsDir() string {
	if c.Models.Dir != "" {
		return c.Models.Dir
	}
	return filepath.Join(c.DataDir, "models")
}

// validate returns an error for each invalid value, with its full key.
func (c Config) validate() []error {
	var errs []error
	section := func(key string, found []error) {
		for _, err := range found {
			errs = append(errs, fmt.Errorf("%s.%w", key, err))
		}
	}
	if c.DataDir == "" {
		errs = append(errs, fmt.Errorf("dataDir: must not be empty"))
	}
	if f := c.Log.Format; f != "auto" && f != "json" && f != "text" {
		errs = append(errs, fmt.Errorf("log.format: must be auto, json or text, got %q", f))
	}
	for _, name := range c.Readiness.Required {
		if known := modules.Names(); !slices.Contains(known, name) {
			errs = append(errs, fmt.Errorf("readiness.required: unknown service %q; available: %s", name, strings.Join(known, ", ")))
		}
	}
	section("api", c.API.Validate())
	section("auth", c.Auth.Validate())
	section("models", c.Models.Validate())
	if c.API.Proxied() && c.Auth.Mode == access.ModeOff {
		errs = append(errs, fmt.Errorf("auth.mode: must not be off if api.hosts or api.trustedProxies is set: every client of the proxy "+
			"could use the server; "+
			"a proxy that authenticates its users can send an API key itself"))
	}
	section("hardening", c.Hardening.Validate())
	section("tracing", c.Tracing.Validate())
	section("onnx", c.ONNX.Validate())
	h := c.SystemHardening
	section("systemHardening.resourceManagement", h.ResourceManagement.Validate())
	section("systemHardening.healthMonitoring", h.HealthMonitoring.validate())
	section("systemHardening.performanceMonitoring", h.PerformanceMonitoring.Validate())
	section("systemHardening.errorRecovery", h.ErrorRecovery.Validate())
	section("audio", c.Audio.Validate())
	section("jobs", c.Jobs.validate())
	section("pipelines", c.Pipelines.Validate())
	section("services.modelService", c.Services.ModelService.Validate())
	for _, name := range modules.Names() {
		section("services."+name, c.Services.sections[name].Validate())
	}
	return errs
}

// validate returns an error for each invalid value, with its key relative to this section.
func (j Jobs) validate() []error {
	errs := append(j.Store.Validate(), j.Work.Validate()...)
	for _, err := range j.Batches.Validate() {
		errs = append(errs, fmt.Errorf("batches.%w", err))
	}
	for _, err := range j.Webhooks.Validate() {
		errs = append(errs, fmt.Errorf("webhooks.%w", err))
	}
	for _, name := range j.Work.Services {
		if known := append(modules.Names(), pipelines.ServiceName); !slices.Contains(known, name) {
			errs = append(errs, fmt.Errorf("services: unknown service %q; available: %s", name, strings.Join(known, ", ")))
		}
	}
	return errs
}

// JobsDir returns the folder of the embedded job store.
func (c Config) JobsDir() string { return cmp.Or(c.Jobs.Store.Dir, filepath.Join(c.DataDir, "jobs")) }

func (m Monitoring) validate() []error {
	if m.CheckInterval < 100*time.Millisecond {
		return []error{fmt.Errorf("checkInterval: must be at least 100ms, got %s", m.CheckInterval)}
	}
	return nil
}
