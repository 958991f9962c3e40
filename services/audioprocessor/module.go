package audioprocessor

import (
	"github.com/grym-synth/grym-synth/services"
	"github.com/grym-synth/grym-synth/services/module"
)

// Module returns what the service brings to the server.
func Module() module.Module {
	return module.New(Name, DefaultConfig(), func(cfg Config, deps module.Deps) services.ModelService {
		return New(cfg, deps.Audio, deps.Spool)
	})
}
