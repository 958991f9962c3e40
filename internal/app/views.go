package app

import (
	"os/exec"
	"slices"

	"github.com/grym-synth/grym-synth/api/gen"
	"github.com/grym-synth/grym-synth/api/manage"
	"github.com/grym-synth/grym-synth/hardening"
	"github.com/grym-synth/grym-synth/internal/config"
	"github.com/grym-synth/grym-synth/services"
	"github.com/grym-synth/grym-synth/services/audiofile"
)

// views returns the state that the management routes and the probes show, with further
// checks.
func (s *system) views(more ...func() hardening.Check) *manage.State {
	settings := s.cfg.SystemHardening
	return &manage.State{
		Services: s.registry, Memory: s.memory, Health: s.health, Monitor: s.monitor, Performance: s.performance, Checks: more,
		Resolve: s.orchestrator.Resolver().Resolve, Formats: formats(s.cfg.Audio.Limits()),
		Unreadable: s.catalog.Unreadable, Resident: func() services.Bytes { return services.Bytes(s.resident.Load()) },
		Engine: s.runtime.Version(), Started: s.started,
		HealthMonitoring: monitorConfig(s.cfg), ErrorRecovery: settings.ErrorRecovery, ResourceManagement: settings.ResourceManagement,
	}
}

// formats returns a function that lists the file formats that can be read and written now.
func formats(limits audiofile.Limits) func() gen.AudioFormats {
	return func() gen.AudioFormats {
		native, more := audiofile.Formats()
		list := gen.AudioFormats{Decodes: native, Encodes: []string{}}
		if _, err := exec.LookPath(limits.FFmpeg); limits.FFmpeg != "" && err == nil { // which may be installed and removed
			list.Ffmpeg, list.Decodes = true, slices.Concat(native, more)
		}
		for _, container := range audiofile.Containers() {
			if container.NeedsFFmpeg() && !list.Ffmpeg {
				continue
			}
			list.Encodes = append(list.Encodes, string(container))
		}
		return list
	}
}

// monitorConfig returns the settings of the health monitor.
func monitorConfig(cfg config.Config) hardening.MonitorConfig {
	health := cfg.SystemHardening.HealthMonitoring
	return hardening.MonitorConfig{Enabled: health.Enabled, CheckInterval: health.CheckInterval, StallTimeout: cfg.Hardening.StallTimeout}
}
