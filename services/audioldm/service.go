package audioldm

import (
	"cmp"
	"context"
	"encoding/json"

	"github.com/grym-synth/grym-synth/services"
	"github.com/grym-synth/grym-synth/services/modelstore"
	"github.com/grym-synth/grym-synth/services/onnx"
	"github.com/grym-synth/grym-synth/services/tasks"
)

// Service makes sound from words. Safe for concurrent use.
type Service struct {
	*modelstore.Host[*model]

	cfg     Config
	dir     string
	catalog *modelstore.Catalog
	pool    *modelstore.Pool[*model]
	// room is the most memory that a task may use; open makes a model of a folder
	// with no part loaded.
	room  func() services.Bytes
	open  func(files modelstore.Folder) (*model, error)
	facts *modelstore.Facts[facts]
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
	s := &Service{cfg: cfg, catalog: catalog, dir: dir, room: room, facts: modelstore.NewFacts(readFacts)}
	s.open = func(files modelstore.Folder) (*model, error) { return newModel(rt, files, session) }
	s.pool = modelstore.NewPool(Name, residency, func(ctx context.Context, name string) (*model, services.Bytes, error) {
		files, err := catalog.Find(name, pipelineClass)
		if err != nil {
			return nil, 0, err
		}
		known, err := s.facts.Of(files)
		if err != nil {
			return nil, 0, modelstore.Unusable(name, cfg.DefaultModel, err)
		}
		m, err := loadModel(ctx, rt, files, session)
		if err != nil {
			return nil, 0, modelstore.Unusable(name, cfg.DefaultModel, err)
		}
		return m, known.weights(), nil
	})
	s.Host = modelstore.NewHost(s.pool, catalog, pipelineClass, func(files modelstore.Folder) error {
		_, err := s.facts.Of(files)
		return err
	})
	return s
}

// Describe implements services.ModelService.
func (s *Service) Describe() services.Description {
	return services.Description{
		Name:         Name,
		Summary:      "Sound from words, by AudioLDM models.",
		DefaultModel: s.cfg.DefaultModel,
		Tasks:        []services.TaskKind{tasks.Kind(tasks.Generate)},
	}
}

// CanaryTask implements services.Canary.
func (s *Service) CanaryTask() services.Task {
	return services.Task{
		Service: Name, Name: tasks.Generate,
		Params: json.RawMessage(`{"prompt":"a beep","seed":1,"num_inference_steps":2,"audio_length_in_s":0.5}`),
	}
}

// Initialize loads the default model and makes a short sound.
func (s *Service) Initialize(ctx context.Context) error {
	return s.InitializeBy(ctx, func(ctx context.Context) error {
		work, err := s.prepare(s.CanaryTask())
		if err != nil {
			return err
		}
		result, err := work.generate(ctx, services.DiscardSink{})
		if err != nil {
			return err
		}
		if err := result.Audio.Remove(); err != nil {
			return storeFault(err)
		}
		return nil
	})
}

func (s *Service) modelName(task services.Task) string {
	return cmp.Or(task.Model, task.DefaultModel, s.cfg.DefaultModel)
}

var (
	_ services.ModelService = (*Service)(nil)
	_ services.Canary       = (*Service)(nil)
	_ services.ModelHost    = (*Service)(nil)
)
