package audioprocessor

import "github.com/grym-synth/grym-synth/services/audiofile"

func limits() audiofile.Limits { return audiofile.DefaultConfig().Limits() }
