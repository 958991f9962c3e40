package audioprocessor

import (
	"context"
	"encoding/json"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/grym-synth/grym-synth/services"
	"github.com/grym-synth/grym-synth/services/audiofile"
	"github.com/grym-synth/grym-synth/services/tasks"
)

// Service measures, edits and converts recordings. Safe for concurrent use.
type Service struct {
	cfg         Config
	limits      audiofile.Limits
	dir         string
	recordings  services.RecordingFinder // nil where none are stored
	recorder    services.Recorder
	initialized atomic.Bool
	since       atomic.Pointer[time.Time]
	running     tally
}

// New returns the service. limits apply to its input. Results are written to files in
// dir.
func New(cfg Config, limits audiofile.Limits, dir string) *Service {
	s := &Service{cfg: cfg, limits: limits, dir: dir}
	s.enter(false)
	return s
}

// Describe implements services.ModelService.
func (s *Service) Describe() services.Description {
	return services.Description{
		Name:    Name,
		Summary: "Measures, draws and edits recordings, and converts them between containers, sample rates, channels and bit depths.",
		Tasks: []services.TaskKind{
			tasks.Kind(tasks.Convert), tasks.Kind(tasks.Analyze), tasks.Kind(tasks.Edit), tasks.Kind(tasks.Draw), tasks.Kind(tasks.ComputePeaks),
		},
	}
}

// canaryTone is the input of the canary task.
var canaryTone = audiofile.Tone(44100, 200*time.Millisecond)

// CanaryTask implements services.Canary.
func (s *Service) CanaryTask() services.Task {
	return services.Task{
		Service: Name, Name: tasks.Convert, Params: json.RawMessage(`{"container":"flac","sample_rate":16000}`),
		Audio: canaryTone,
	}
}

// Initialize converts a tone, which verifies that the folder for results is usable.
func (s *Service) Initialize(ctx context.Context) error {
	if s.initialized.Load() {
		return nil
	}
	work, err := s.prepareConversion(s.CanaryTask())
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
	select {
	case <-s.running.none():
		return nil
	case <-ctx.Done():
		return fmt.Errorf("tasks are still running: %w", ctx.Err())
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
