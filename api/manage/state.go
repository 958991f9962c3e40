package manage

import (
	"context"
	"time"

	"github.com/grym-synth/grym-synth/api/gen"
	"github.com/grym-synth/grym-synth/api/web"
	"github.com/grym-synth/grym-synth/hardening"
	"github.com/grym-synth/grym-synth/hardening/performance"
	"github.com/grym-synth/grym-synth/orchestrator"
	"github.com/grym-synth/grym-synth/resources"
	"github.com/grym-synth/grym-synth/services"
)

// Views returns the state of the server; State implements it.
type Views interface {
	// HealthView does no I/O: probes are frequent and must be answered even if a disk does
	// not respond.
	HealthView() HealthView
	ResourcesView() gen.Resources
	// SystemView leaves the version and the keys to the caller.
	SystemView(ctx context.Context) gen.System
	// PerformanceView returns at most the given number of samples.
	PerformanceView(samples int) gen.Performance
	ForecastView() gen.Forecast
	// AnalyticsView analyzes so many hours, in lists of at most the given length.
	AnalyticsView(hours, limit int) gen.Analytics
}

// State builds the views from the parts of the server.
type State struct {
	Services    web.Services
	Memory      *resources.Manager
	Health      *hardening.Health
	Monitor     *hardening.Monitor
	Performance *performance.Monitor
	// Checks are those of parts that the health monitor does not know.
	Checks []func() hardening.Check
	// Unreadable lists the model folders whose service is unknown because their files
	// cannot be read.
	Unreadable func() []services.ModelStatus
	// Resolve returns the service and the model of a task that names none; nil if unknown.
	Resolve func(task, name string) (orchestrator.Resolution, error)
	// Formats returns the file formats that can be read and written now.
	Formats func() gen.AudioFormats
	// Resident returns the last measured resident set size, or 0 if it is unknown.
	Resident func() services.Bytes
	// Engine is the version of ONNX Runtime.
	Engine string
	// Started is the start time of the process.
	Started time.Time
	// Capacity returns what the server has, as numbers; nil if it is unknown.
	Capacity func() gen.Capacity
	// HealthMonitoring, ErrorRecovery and ResourceManagement are the settings of parts that
	// do not report their own.
	HealthMonitoring   hardening.MonitorConfig
	ErrorRecovery      hardening.RecoveryConfig
	ResourceManagement resources.Config
}

var _ Views = (*State)(nil)

func (s *State) capacity() *gen.Capacity {
	if s.Capacity == nil {
		return nil
	}
	return new(s.Capacity())
}
