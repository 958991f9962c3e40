package patterns

import (
	"github.com/grym-synth/grym-synth/services"
	"github.com/grym-synth/grym-synth/services/module"
)

// Module returns the module of this service.
func Module() module.Module {
	return module.New(Name, DefaultConfig(), func(cfg Config, deps module.Deps) services.ModelService {
		return New(cfg, deps)
	})
}
