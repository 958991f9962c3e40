package audioldm

import (
	"github.com/grym-synth/grym-synth/services"
	"github.com/grym-synth/grym-synth/services/module"
)

// Module returns the module of this service.
func Module() module.Module {
	m := module.WithModels(Name, DefaultConfig(), func(cfg Config, deps module.Deps) services.ModelService {
		s := New(cfg, deps.Catalog, deps.Runtime, deps.Session, deps.Residency, deps.Room, deps.Spool)
		s.audio, s.execute = deps.Audio, deps.Execute
		return s
	})
	m.ModelTypes = []string{pipelineClass}
	return m
}
