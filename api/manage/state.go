package manage

import (
	"context"
	"time"

	"github.com/grym-synth/grym-synth/api/gen"
	"github.com/grym-synth/grym-synth/api/web"
	"github.com/grym-synth/grym-synth/hardening"
	"github.com/grym-synth/grym-synth/hardening/performance"
	"github.com/grym-synth/grym-synth/resources"
	"github.com/grym-synth/grym-synth/services"
)

// Views shows the state of the server; State implements it.
type Views interface {
	// HealthView reads memory only: probes come often, and must answer when a disk does
	// not.
	HealthView() HealthView
	ResourcesView() gen.Resources
	// SystemView leaves the version and the keys to the caller.
	SystemView(ctx context.Context) gen.System
	// PerformanceView returns at most so many samples.
	PerformanceView(samples int) gen.Performance
	ForecastView() gen.Forecast
}

// State is the server as its views see it.
type State struct {
	Services    web.Services
	Memory      *resources.Manager
	Health      *hardening.Health
	Monitor     *hardening.Monitor
	Performance *performance.Monitor
	// Checks are those of parts that the monitor does not know.
	Checks []func() hardening.Check
	// Unreadable lists the model folders of which no service can be named, because the
	// files that would say so cannot be read.
	Unreadable func() []services.ModelStatus
	// Resident returns the resident set as it was measured last; zero where it is not
	// known.
	Resident func() services.Bytes
	// Engine is the version of ONNX Runtime.
	Engine string
	// Started is when the process began.
	Started time.Time
	// HealthMonitoring, ErrorRecovery and ResourceManagement are the settings of the parts
	// that do not report their own.
	HealthMonitoring   hardening.MonitorConfig
	ErrorRecovery      hardening.RecoveryConfig
	ResourceManagement resources.Config
}

var _ Views = (*State)(nil)
