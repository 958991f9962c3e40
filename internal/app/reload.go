package app

import (
	"github.com/grym-synth/grym-synth/internal/config"
	"github.com/grym-synth/grym-synth/resources"
	"github.com/grym-synth/grym-synth/resources/memprobe"
)

// apply puts changed settings in force. internal/config passes only changes of live
// settings.
func (s *system) apply(changed *config.Loaded) {
	memory := changed.SystemHardening.ResourceManagement
	budget := resources.FindBudget(memory, memprobe.Probe{})
	s.memory.Tune(memory, budget)
	for name := range s.runs {
		section := changed.Services.Section(name)
		if section == nil {
			continue // it has no settings
		}
		s.limit(name, section.Common().Limits)
	}
	s.performance.Configure(changed.SystemHardening.PerformanceMonitoring)
	s.health.Require(changed.Readiness.Required)
	s.orchestrator.Resolver().Configure(changed.Models.Names())
	s.reportNames()
}

// reportNames logs problems with the names of models, such as an alias of an unknown model.
// They are not errors, because folders can be added later.
func (s *system) reportNames() {
	for _, problem := range s.orchestrator.Resolver().Problems() {
		s.log.Warn("a model's name cannot be used", "problem", problem)
	}
}
