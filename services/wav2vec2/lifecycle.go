package wav2vec2

import (
	"time"

	"github.com/grym-synth/grym-synth/services"
	"github.com/grym-synth/grym-synth/services/audiofile"
)

// canaryTone is what the canary task listens to: long enough for several frames.
var canaryTone = audiofile.Tone(16000, 500*time.Millisecond)

// CanaryTask implements services.Canary.
func (s *Service) CanaryTask() services.Task {
	return services.Task{Service: Name, Name: services.TaskTranscribe, Audio: canaryTone}
}

var (
	_ services.Canary    = (*Service)(nil)
	_ services.ModelHost = (*Service)(nil)
)
