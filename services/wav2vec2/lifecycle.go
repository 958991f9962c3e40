package wav2vec2

import (
	"slices"
	"time"

	"github.com/grym-synth/grym-synth/services"
	"github.com/grym-synth/grym-synth/services/audiofile"
	"github.com/grym-synth/grym-synth/services/tasks"
)

// canaryTone is what the canary task listens to: long enough for several frames.
var canaryTone = audiofile.Tone(16000, 500*time.Millisecond)

// CanaryTask implements services.Canary.
func (s *Service) CanaryTask() services.Task {
	task := s.CanaryTaskFor(s.cfg.DefaultModel)
	task.Model = ""
	return task
}

// CanaryTaskFor implements services.ModelCanary: what a model can do depends on its
// head. Of a folder that cannot be read nothing is known, and any task says why.
func (s *Service) CanaryTaskFor(model string) services.Task {
	task := services.Task{Service: Name, Name: tasks.Transcribe, Model: model, Audio: canaryTone}
	_, f, err := s.find(model)
	if err != nil {
		return task
	}
	for name, heads := range taskHeads {
		if slices.Contains(heads, f.Head) {
			task.Name = name
		}
	}
	return task
}

var (
	_ services.Canary      = (*Service)(nil)
	_ services.ModelCanary = (*Service)(nil)
	_ services.ModelHost   = (*Service)(nil)
)
