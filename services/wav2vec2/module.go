package wav2vec2

import (
	"github.com/grym-synth/grym-synth/services"
	"github.com/grym-synth/grym-synth/services/module"
)

// Module returns the module of this service, for which the server is started.
func Module() module.Module {
	m := module.WithModels(Name, DefaultConfig(), func(cfg Config, deps module.Deps) services.ModelService {
		cfg.Audio = deps.Audio
		return New(cfg, deps.Catalog, deps.Runtime, deps.Session, deps.Residency)
	})
	m.Required = true
	m.ModelTypes = modelTypes
	m.Replaced = map[string]string{"maxSeconds": "audio.maxDuration"}
	return m
}
