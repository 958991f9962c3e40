package audioprocessor

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/grym-synth/grym-synth/services"
	"github.com/grym-synth/grym-synth/services/audiofile"
)

// paramsSchema is the JSON Schema of services.ConvertParams.
const paramsSchema = `{
  "type": "object",
  "additionalProperties": false,
  "properties": {
    "container": {"type": "string", "enum": ["wav", "flac", "pcm"], "default": "wav"},
    "sample_rate": {"type": "integer", "minimum": 8000, "maximum": 192000, "description": "in hertz; the recording's where it is left out"},
    "channels": {"type": "integer", "minimum": 1, "maximum": 8, "description": "1, 2 or as many as the recording has, which is the default"},
    "bit_depth": {"type": "string", "enum": ["16", "24", "32", "float"], "default": "16"}
  }
}`

// Service converts recordings. Safe for concurrent use.
type Service struct {
	cfg         Config
	limits      audiofile.Limits
	dir         string
	recorder    services.Recorder
	initialized atomic.Bool
	since       atomic.Pointer[time.Time]
	running     sync.WaitGroup
}

// New makes the service. Input is held to the limits; what it makes goes to
// files in dir.
func New(cfg Config, limits audiofile.Limits, dir string) *Service {
	s := &Service{cfg: cfg, limits: limits, dir: dir}
	s.enter(false)
	return s
}

// Describe implements services.ModelService.
func (s *Service) Describe() services.Description {
	return services.Description{
		Name:    Name,
		Summary: "Converts recordings between containers, sample rates, channels and bit depths.",
		Tasks:   []services.TaskKind{{Name: services.TaskConvert, ParamsSchema: json.RawMessage(paramsSchema)}},
	}
}

// canaryTone is what the canary task converts.
var canaryTone = audiofile.Tone(44100, 200*time.Millisecond)

// CanaryTask implements services.Canary.
func (s *Service) CanaryTask() services.Task {
	return services.Task{Service: Name, Name: services.TaskConvert, Params: json.RawMessage(`{"container":"flac","sample_rate":16000}`), Audio: canaryTone}
}

// Initialize converts a tone, which needs the folder and proves the rest.
func (s *Service) Initialize(ctx context.Context) error {
	if s.initialized.Load() {
		return nil
	}
	work, err := s.prepare(s.CanaryTask())
	if err != nil {
		return err
	}
	result, err := work.convert(ctx, services.DiscardSink{})
	if err != nil {
		return err
	}
	if err := result.Audio.Remove(); err != nil {
		return services.Internal(err, "the folder for results cannot be used")
	}
	s.enter(true)
	return nil
}

func (s *Service) enter(ready bool) {
	now := time.Now()
	s.since.Store(&now)
	s.initialized.Store(ready)
}

// Initialized implements services.ModelService.
func (s *Service) Initialized() bool { return s.initialized.Load() }

// Shutdown implements services.ModelService.
func (s *Service) Shutdown(ctx context.Context) error {
	s.enter(false)
	done := make(chan struct{})
	go func() {
		s.running.Wait()
		close(done)
	}()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("conversions still run: %w", ctx.Err())
	}
}

// Status implements services.ModelService.
func (s *Service) Status() services.ServiceStatus {
	status := services.ServiceStatus{State: services.StateRegistered, Since: *s.since.Load()}
	status.LastError, status.LastSuccess = s.recorder.Last()
	if s.Initialized() {
		status.State = services.StateReady
	}
	return status
}

// Metrics implements services.ModelService.
func (s *Service) Metrics() services.ServiceMetrics { return s.recorder.Metrics() }

var (
	_ services.ModelService = (*Service)(nil)
	_ services.Canary       = (*Service)(nil)
)
