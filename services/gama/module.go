package gama

import (
	"github.com/grym-synth/grym-synth/services"
	"github.com/grym-synth/grym-synth/services/module"
)

// Module returns what the service brings to the server.
func Module() module.Module {
	return module.WithModels(Name, DefaultConfig(), func(cfg Config, deps module.Deps) services.ModelService {
		cfg.Audio = deps.Audio
		return New(cfg, deps.Catalog, deps.Runtime, deps.Session, deps.Residency, deps.Contexts)
	})
}
