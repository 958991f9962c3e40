// Package modules lists the services that the server has.
package modules

import (
	"github.com/grym-synth/grym-synth/services/audioldm"
	"github.com/grym-synth/grym-synth/services/audioprocessor"
	"github.com/grym-synth/grym-synth/services/clap"
	"github.com/grym-synth/grym-synth/services/gama"
	"github.com/grym-synth/grym-synth/services/modelhub"
	"github.com/grym-synth/grym-synth/services/module"
	"github.com/grym-synth/grym-synth/services/patterns"
	"github.com/grym-synth/grym-synth/services/wav2vec2"
	"github.com/grym-synth/grym-synth/services/whisper"
)

// All returns every module, in the order in which the services are registered. A new
// service is added here.
func All() []module.Module {
	return []module.Module{
		audioprocessor.Module(),
		wav2vec2.Module(),
		audioldm.Module(),
		gama.Module(),
		whisper.Module(),
		clap.Module(),
		patterns.Module(),
		modelhub.Module(),
	}
}

// Required returns the names of the services without which the server is not ready, unless
// its settings say otherwise.
func Required() []string {
	var names []string
	for _, m := range All() {
		if m.Required {
			names = append(names, m.Name)
		}
	}
	return names
}

// ModelTypes returns the types of the model folders that services read.
func ModelTypes() []string {
	var types []string
	for _, m := range All() {
		types = append(types, m.ModelTypes...)
	}
	return types
}

// Names returns the names of the services.
func Names() []string {
	var names []string
	for _, m := range All() {
		names = append(names, m.Name)
	}
	return names
}
