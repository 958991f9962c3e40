package config

import (
	"cmp"
	"fmt"
	"log/slog"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/grym-synth/grym-synth/api"
	"github.com/grym-synth/grym-synth/hardening"
	"github.com/grym-synth/grym-synth/hardening/performance"
	"github.com/grym-synth/grym-synth/hardening/tracing"
	"github.com/grym-synth/grym-synth/internal/access"
	"github.com/grym-synth/grym-synth/orchestrator/jobs"
	"github.com/grym-synth/grym-synth/orchestrator/jobs/webhook"
	"github.com/grym-synth/grym-synth/orchestrator/records/natsstore"
	"github.com/grym-synth/grym-synth/resources"
	"github.com/grym-synth/grym-synth/services"
	"github.com/grym-synth/grym-synth/services/audiofile"
	"github.com/grym-synth/grym-synth/services/audioldm"
	"github.com/grym-synth/grym-synth/services/audioprocessor"
	"github.com/grym-synth/grym-synth/services/gama"
	"github.com/grym-synth/grym-synth/services/onnx"
	"github.com/grym-synth/grym-synth/services/wav2vec2"
)

// modelServices have a section each, which takes what it does not set from
// services.modelService.
var modelServices = []string{wav2vec2.Name, audioldm.Name, gama.Name}

// Config is every setting. It is never changed once loaded.
type Config struct {
	// DataDir holds what the server stores. One process uses it at a time.
	// Defaults to ./data.
	DataDir string `koanf:"dataDir"`

	API             api.Config       `koanf:"api"`
	Auth            access.Config    `koanf:"auth"`
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
}

// Jobs has the settings of asynchronous jobs and of what keeps them.
type Jobs struct {
	Store    natsstore.Config `koanf:",squash"`
	Work     jobs.Config      `koanf:",squash"`
	Webhooks webhook.Config   `koanf:"webhooks"`
}

// Log says what is logged.
type Log struct {
	// Level is debug, info, warn or error. Defaults to info.
	Level slog.Level `koanf:"level"`
	// Format is json, text, or auto: text on a terminal, json elsewhere.
	// Defaults to auto.
	Format string `koanf:"format"`
}

// Models says where model folders are.
type Models struct {
	// Dir has one folder for each model beyond the embedded ones. Defaults to
	// models in the data folder.
	Dir string `koanf:"dir"`
}

// Readiness says what the readiness probe stands for.
type Readiness struct {
	// Required services must be ready for the server to be. Defaults to wav2vec2.
	Required []string `koanf:"required"`
}

// SystemHardening has the keys of the reference architecture.
type SystemHardening struct {
	HealthMonitoring      Monitoring               `koanf:"healthMonitoring"`
	PerformanceMonitoring performance.Config       `koanf:"performanceMonitoring"`
	ErrorRecovery         hardening.RecoveryConfig `koanf:"errorRecovery"`
	ResourceManagement    resources.Config         `koanf:"resourceManagement"`
}

// Monitoring switches a monitor.
type Monitoring struct {
	Enabled bool `koanf:"enabled"`
	// CheckInterval between two looks.
	CheckInterval time.Duration `koanf:"checkInterval"`
}

// Services has a section for each service.
type Services struct {
	AudioProcessor AudioProcessor `koanf:"audioProcessor"`
	// ModelService has the defaults of every model service.
	ModelService ServiceLimits `koanf:"modelService"`
	Wav2Vec2     Wav2Vec2      `koanf:"wav2vec2"`
	AudioLDM     AudioLDM      `koanf:"audioldm"`
	GAMA         GAMA          `koanf:"gama"`
}

// ServiceLimits are the settings that every service has.
type ServiceLimits struct {
	// MaxMemory of the service's models and tasks together. Defaults to 4GB for
	// model services and 2GB for audioProcessor.
	MaxMemory services.Bytes `koanf:"maxMemory"`
	// KeepAlive is how long an idle model stays loaded; 0 is until somebody needs
	// the room. Defaults to 30m.
	KeepAlive time.Duration `koanf:"keepAlive"`
	// Recoverable services are restarted when they fail. Defaults to true.
	Recoverable bool `koanf:"recoverable"`
}

// AudioProcessor is the section of the audioProcessor service.
type AudioProcessor struct {
	ServiceLimits         `koanf:",squash"`
	audioprocessor.Config `koanf:",squash"`
	// Runs at once, one core each. 0 means one for every core. Defaults to 0.
	Runs int `koanf:"runs"`
}

// Wav2Vec2 is the section of the wav2vec2 service.
type Wav2Vec2 struct {
	ServiceLimits   `koanf:",squash"`
	wav2vec2.Config `koanf:",squash"`
	// Runs at once; the cores are shared between them. 0 means one for every two
	// cores. Defaults to 0.
	Runs int `koanf:"runs"`
}

// AudioLDM is the section of the audioldm service.
type AudioLDM struct {
	ServiceLimits   `koanf:",squash"`
	audioldm.Config `koanf:",squash"`
	// Runs at once; the cores are shared between them. 0 means one for every two
	// cores. Defaults to 0.
	Runs int `koanf:"runs"`
}

// GAMA is the section of the gama service.
type GAMA struct {
	ServiceLimits `koanf:",squash"`
	gama.Config   `koanf:",squash"`
	// Runs at once; the cores are shared between them. 0 means one for every two
	// cores. Defaults to 0.
	Runs int `koanf:"runs"`
}

// Default gives every default. The limits of single model services are empty:
// they come from services.modelService unless set.
func Default() Config {
	return Config{
		DataDir:   "data",
		API:       api.DefaultConfig(),
		Auth:      access.DefaultConfig(),
		Log:       Log{Level: slog.LevelInfo, Format: "auto"},
		Audio:     audiofile.DefaultConfig(),
		Readiness: Readiness{Required: []string{wav2vec2.Name}},
		Hardening: hardening.DefaultConfig(),
		Tracing:   tracing.DefaultConfig(),
		SystemHardening: SystemHardening{
			HealthMonitoring:      Monitoring{Enabled: true, CheckInterval: 30 * time.Second},
			PerformanceMonitoring: performance.DefaultConfig(),
			ErrorRecovery:         hardening.DefaultRecoveryConfig(),
			ResourceManagement:    resources.DefaultConfig(),
		},
		Services: Services{
			AudioProcessor: AudioProcessor{
				ServiceLimits: ServiceLimits{MaxMemory: 2_000_000_000, Recoverable: true, KeepAlive: 30 * time.Minute},
				Config:        audioprocessor.DefaultConfig(),
			},
			ModelService: ServiceLimits{MaxMemory: 4_000_000_000, Recoverable: true, KeepAlive: 30 * time.Minute},
			Wav2Vec2:     Wav2Vec2{Config: wav2vec2.DefaultConfig()},
			AudioLDM:     AudioLDM{Config: audioldm.DefaultConfig()},
			GAMA:         GAMA{Config: gama.DefaultConfig()},
		},
		Jobs: Jobs{Store: natsstore.DefaultConfig(), Work: jobs.DefaultConfig(), Webhooks: webhook.DefaultConfig()},
	}
}

// ModelsDir is where model folders are looked for.
func (c Config) ModelsDir() string {
	if c.Models.Dir != "" {
		return c.Models.Dir
	}
	return filepath.Join(c.DataDir, "models")
}

// Parallel gives the runs of a service at once, where 0 stands for one for
// every two cores, and the threads for each.
func Parallel(runs int) (_, threads int) {
	cores := runtime.GOMAXPROCS(0)
	if runs == 0 {
		runs = max(1, cores/2)
	}
	return runs, max(1, cores/runs)
}

// validate gives every bad value with its full key.
func (c Config) validate() []error {
	var errs []error
	section := func(key string, found []error) {
		for _, err := range found {
			errs = append(errs, fmt.Errorf("%s.%w", key, err))
		}
	}
	if c.DataDir == "" {
		errs = append(errs, fmt.Errorf("dataDir: must name a folder"))
	}
	if f := c.Log.Format; f != "auto" && f != "json" && f != "text" {
		errs = append(errs, fmt.Errorf("log.format: must be auto, json or text, got %q", f))
	}
	for _, name := range c.Readiness.Required {
		if known := append([]string{audioprocessor.Name}, modelServices...); !slices.Contains(known, name) {
			errs = append(errs, fmt.Errorf("readiness.required: there is no service %q; there is %s", name, strings.Join(known, ", ")))
		}
	}
	section("api", c.API.Validate())
	section("auth", c.Auth.Validate())
	if c.API.Proxied() && c.Auth.Mode == access.ModeOff {
		errs = append(errs, fmt.Errorf("auth.mode: must not be off where api.hosts or api.trustedProxies is set: everybody whom the proxy lets in could use the server; "+
			"a proxy that checks its users itself can send a key of its own"))
	}
	section("hardening", c.Hardening.Validate())
	section("tracing", c.Tracing.Validate())
	h := c.SystemHardening
	section("systemHardening.resourceManagement", h.ResourceManagement.Validate())
	section("systemHardening.healthMonitoring", h.HealthMonitoring.validate())
	section("systemHardening.performanceMonitoring", h.PerformanceMonitoring.Validate())
	section("systemHardening.errorRecovery", h.ErrorRecovery.Validate())
	section("audio", c.Audio.Validate())
	section("jobs", c.Jobs.validate())
	a := c.Services.AudioProcessor
	section("services.audioProcessor", append(a.validate(), a.Validate()...))
	if a.Runs < 0 || a.Runs > 256 {
		errs = append(errs, fmt.Errorf("services.audioProcessor.runs: must be 0 to 256, got %d", a.Runs))
	}
	section("services.modelService", c.Services.ModelService.validate())
	w := c.Services.Wav2Vec2
	section("services.wav2vec2", append(w.validate(), w.Validate()...))
	if w.Runs < 0 || w.Runs > 256 {
		errs = append(errs, fmt.Errorf("services.wav2vec2.runs: must be 0 to 256, got %d", w.Runs))
	}
	l := c.Services.AudioLDM
	section("services.audioldm", append(l.validate(), l.Validate()...))
	if l.Runs < 0 || l.Runs > 256 {
		errs = append(errs, fmt.Errorf("services.audioldm.runs: must be 0 to 256, got %d", l.Runs))
	}
	g := c.Services.GAMA
	section("services.gama", append(g.validate(), g.Validate()...))
	if g.Runs < 0 || g.Runs > 256 {
		errs = append(errs, fmt.Errorf("services.gama.runs: must be 0 to 256, got %d", g.Runs))
	}
	return errs
}

// validate gives every bad value, its key relative to this section.
func (j Jobs) validate() []error {
	errs := append(j.Store.Validate(), j.Work.Validate()...)
	for _, err := range j.Webhooks.Validate() {
		errs = append(errs, fmt.Errorf("webhooks.%w", err))
	}
	for _, name := range j.Work.Services {
		if known := append([]string{audioprocessor.Name}, modelServices...); !slices.Contains(known, name) {
			errs = append(errs, fmt.Errorf("services: there is no service %q; there is %s", name, strings.Join(known, ", ")))
		}
	}
	return errs
}

// JobsDir is where the job store in this process keeps its files.
func (c Config) JobsDir() string { return cmp.Or(c.Jobs.Store.Dir, filepath.Join(c.DataDir, "jobs")) }

func (m Monitoring) validate() []error {
	if m.CheckInterval < 100*time.Millisecond {
		return []error{fmt.Errorf("checkInterval: must be at least 100ms, got %s", m.CheckInterval)}
	}
	return nil
}

func (l ServiceLimits) validate() []error {
	if l.KeepAlive < 0 {
		return []error{fmt.Errorf("keepAlive: must not be negative, got %s", l.KeepAlive)}
	}
	if l.MaxMemory < 16*services.MiB {
		return []error{fmt.Errorf("maxMemory: must be at least 16MiB, got %s", l.MaxMemory)}
	}
	return nil
}
