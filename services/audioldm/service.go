package audioldm

import (
	"context"
	"encoding/json"
	"sync"
	"sync/atomic"
	"time"

	"github.com/grym-synth/grym-synth/services"
	"github.com/grym-synth/grym-synth/services/modelstore"
	"github.com/grym-synth/grym-synth/services/onnx"
)

// Service makes sound from words. Safe for concurrent use.
type Service struct {
	cfg     Config
	dir     string
	catalog *modelstore.Catalog
	pool    *modelstore.Pool[*model]
	// room is the most memory that a task may use; open makes a model of a folder
	// with no part loaded.
	room func() services.Bytes
	open func(files modelstore.Folder) (*model, error)
	// prints has the footprints of folders that were seen, by footprintKey.
	prints      sync.Map
	recorder    services.Recorder
	initialized atomic.Bool
}

// New makes the service over the folders of a catalog; what it makes goes to
// files in dir. The session configuration is that of every graph it loads: its
// threads are part of what a seed means, since sums in another order differ. room
// is the most memory that a task of the service may use, now; nil for no limit.
func New(cfg Config, catalog *modelstore.Catalog, rt *onnx.Runtime, session onnx.SessionConfig, residency services.Residency, room func() services.Bytes, dir string) *Service {
	if room == nil {
		room = func() services.Bytes { return unlimited }
	}
	// Sounds of one shape are few, and their runs large.
	session.NoPlan = true
	s := &Service{cfg: cfg, catalog: catalog, dir: dir, room: room}
	s.open = func(files modelstore.Folder) (*model, error) { return newModel(rt, files, session) }
	s.pool = modelstore.NewPool(Name, residency, func(ctx context.Context, name string) (*model, services.Bytes, error) {
		files, err := catalog.Find(name, pipelineClass)
		if err != nil {
			return nil, 0, err
		}
		bytes, err := s.weights(files)
		if err != nil {
			return nil, 0, loadFault(name, err)
		}
		m, err := loadModel(ctx, rt, files, session)
		if err != nil {
			return nil, 0, loadFault(name, err)
		}
		return m, bytes, nil
	})
	return s
}

// Describe implements services.ModelService.
func (s *Service) Describe() services.Description {
	return services.Description{
		Name:         Name,
		Summary:      "Sound from words, by AudioLDM models.",
		DefaultModel: s.cfg.DefaultModel,
		Tasks:        []services.TaskKind{{Name: services.TaskGenerate, ParamsSchema: json.RawMessage(paramsSchema)}},
	}
}

// CanaryTask implements services.Canary.
func (s *Service) CanaryTask() services.Task {
	return services.Task{
		Service: Name, Name: services.TaskGenerate,
		Params: json.RawMessage(`{"prompt":"a beep","seed":1,"num_inference_steps":2,"audio_length_in_s":0.5}`),
	}
}

// Initialize loads the default model and makes a short sound.
func (s *Service) Initialize(ctx context.Context) error {
	if s.initialized.Load() {
		return nil
	}
	s.pool.Reopen()
	result, err := s.generate(ctx, s.CanaryTask(), services.DiscardSink{})
	if err != nil {
		return err
	}
	if err := result.Audio.Remove(); err != nil {
		return storeFault(err)
	}
	s.initialized.Store(true)
	return nil
}

// Initialized implements services.ModelService.
func (s *Service) Initialized() bool { return s.initialized.Load() }

// Shutdown implements services.ModelService.
func (s *Service) Shutdown(ctx context.Context) error {
	s.initialized.Store(false)
	return s.pool.Close(ctx)
}

// Status implements services.ModelService.
func (s *Service) Status() services.ServiceStatus {
	status := services.ServiceStatus{State: services.StateRegistered}
	status.LastError, status.LastSuccess = s.recorder.Last()
	if s.Initialized() {
		status.State = services.StateReady
	}
	for _, files := range s.catalog.List(pipelineClass) {
		m := services.ModelStatus{Name: files.Name, State: services.StateRegistered, Origin: files.Origin, Created: files.Modified()}
		if size, loaded := s.pool.Loaded(files.Name); loaded {
			m.State, m.Bytes = services.StateReady, size
		} else if _, _, err := s.inspect(files); err != nil {
			m.State, m.Problem = services.StateUnavailable, err.Error()
		}
		status.Models = append(status.Models, m)
	}
	return status
}

// Metrics implements services.ModelService.
func (s *Service) Metrics() services.ServiceMetrics {
	m := s.recorder.Metrics()
	m.BytesLoaded, m.BytesPeak = s.pool.Bytes()
	return m
}

// Estimate implements services.ModelService.
func (s *Service) Estimate(ctx context.Context, task services.Task) (services.Bytes, error) {
	if task.Name != services.TaskGenerate {
		return 0, services.Faultf(services.KindNotFound, "service %s has no task %q; it has %s", Name, task.Name, services.TaskGenerate)
	}
	if task.Audio != nil {
		return 0, services.Invalidf("audio", "must be left out: %s takes words only", services.TaskGenerate)
	}
	r, err := s.prepare(task)
	if err != nil {
		return 0, err
	}
	if r.staged {
		// The loaded model would stand in the way of its own parts.
		if err := s.pool.Unload(withoutWait(ctx), r.files.Name); err != nil {
			return 0, err
		}
	}
	return r.bytes, nil
}

func (s *Service) modelName(task services.Task) string {
	if task.Model != "" {
		return task.Model
	}
	return s.cfg.DefaultModel
}

// ExecuteTask implements services.ModelService.
func (s *Service) ExecuteTask(ctx context.Context, task services.Task, sink services.Sink) (services.TaskResult, error) {
	started := time.Now()
	result, err := s.generate(ctx, task, sink)
	s.recorder.Record(err, time.Since(started))
	return result, err
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
	_ services.ModelService = (*Service)(nil)
	_ services.Canary       = (*Service)(nil)
	_ services.ModelHost    = (*Service)(nil)
)
