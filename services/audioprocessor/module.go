package audioprocessor

import (
	"github.com/grym-synth/grym-synth/services"
	"github.com/grym-synth/grym-synth/services/module"
)

// Module returns the module of this service.
func Module() module.Module {
	return module.New(Name, DefaultConfig(), func(cfg Config, deps module.Deps) services.ModelService {
		s := New(cfg, deps.Audio, deps.Spool)
		s.recordings = deps.Recordings
		return s
	})
}
