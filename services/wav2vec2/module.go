package wav2vec2

import (
	"github.com/grym-synth/grym-synth/services"
	"github.com/grym-synth/grym-synth/services/module"
)

// Module returns what the service brings to the server. The server is started for it.
func Module() module.Module {
	m := module.WithModels(Name, DefaultConfig(), func(cfg Config, deps module.Deps) services.ModelService {
		cfg.Audio = deps.Audio
		return New(cfg, deps.Catalog, deps.Runtime, deps.Session, deps.Residency)
	})
	m.Required = true
	return m
}
