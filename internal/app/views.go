package app

import (
	"github.com/grym-synth/grym-synth/api/manage"
	"github.com/grym-synth/grym-synth/hardening"
	"github.com/grym-synth/grym-synth/internal/config"
	"github.com/grym-synth/grym-synth/services"
)

// views returns the state that the management routes and the probes show, with further
// checks.
func (s *system) views(more ...func() hardening.Check) *manage.State {
	settings := s.cfg.SystemHardening
	return &manage.State{
		Services: s.registry, Memory: s.memory, Health: s.health, Monitor: s.monitor, Performance: s.performance, Checks: more,
		Unreadable: s.catalog.Unreadable, Resident: func() services.Bytes { return services.Bytes(s.resident.Load()) },
		Engine: s.runtime.Version(), Started: s.started,
		HealthMonitoring: monitorConfig(s.cfg), ErrorRecovery: settings.ErrorRecovery, ResourceManagement: settings.ResourceManagement,
	}
}

// monitorConfig returns the settings of the health monitor.
func monitorConfig(cfg config.Config) hardening.MonitorConfig {
	health := cfg.SystemHardening.HealthMonitoring
	return hardening.MonitorConfig{Enabled: health.Enabled, CheckInterval: health.CheckInterval, StallTimeout: cfg.Hardening.StallTimeout}
}
