package wav2vec2

import (
	"context"
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

// LoadModel implements services.ModelHost.
func (s *Service) LoadModel(ctx context.Context, name string) error {
	_, done, err := s.pool.Acquire(ctx, name)
	if err != nil {
		return err
	}
	done()
	return nil
}

// UnloadModel implements services.ModelHost.
func (s *Service) UnloadModel(ctx context.Context, name string) error {
	return s.pool.Unload(ctx, name)
}

var (
	_ services.Canary    = (*Service)(nil)
	_ services.ModelHost = (*Service)(nil)
)
