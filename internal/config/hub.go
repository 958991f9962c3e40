package config

import (
	"os"

	"github.com/grym-synth/grym-synth/services/modelstore/hub"
)

// Hub returns the settings of the model hub, which are in the variables that other tools
// for it use.
func Hub() (hub.Settings, error) { return hub.FromEnvironment(os.Getenv) }
