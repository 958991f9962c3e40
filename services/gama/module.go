package gama

import (
	"github.com/grym-synth/grym-synth/services"
	"github.com/grym-synth/grym-synth/services/module"
)

// Module returns the module of this service.
func Module() module.Module {
	m := module.WithModels(Name, DefaultConfig(), func(cfg Config, deps module.Deps) services.ModelService {
		cfg.Audio = deps.Audio
		return New(cfg, deps.Catalog, deps.Runtime, deps.Session, deps.Residency, deps.Contexts)
	})
	m.ModelTypes = modelTypes
	m.Replaced = map[string]string{"maxSeconds": "audio.maxDuration"}
	return m
}
