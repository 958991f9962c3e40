package modelhub

import (
	"github.com/grym-synth/grym-synth/services"
	"github.com/grym-synth/grym-synth/services/module"
)

// Module returns the module of this service.
func Module() module.Module {
	return module.New(Name, DefaultConfig(), func(cfg Config, deps module.Deps) services.ModelService {
		dir := ""
		if deps.Catalog != nil {
			dir = deps.Catalog.Dir()
		}
		s := New(cfg, dir, deps.Memory, deps.Known, deps.Hub)
		s.replace = deps.Replace
		return s
	})
}
