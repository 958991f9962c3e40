package audioldm

import (
	"cmp"
	"context"
	"encoding/json"

	"github.com/grym-synth/grym-synth/services"
	"github.com/grym-synth/grym-synth/services/audiofile"
	"github.com/grym-synth/grym-synth/services/modelstore"
	"github.com/grym-synth/grym-synth/services/onnx"
	"github.com/grym-synth/grym-synth/services/tasks"
)

// Service implements services.ModelService for AudioLDM models. Safe for concurrent
// use.
type Service struct {
	*modelstore.Host[*model]

	cfg   Config
	dir   string
	audio audiofile.Limits // with the program that encodes
	shelf *modelstore.Shelf[facts]
	pool  *modelstore.Pool[*model]
	// room is the most memory that a task may use; open makes a model of a folder
	// with no part loaded.
	room func() services.Bytes
	open func(files modelstore.Folder) (*model, error)
	// execute runs tasks of this service and of the ranker; nil where there is no
	// ranking.
	execute services.Executor
}

// New returns a service for the folders of a catalog. Results are written to files in
// dir. All graphs use the given session configuration; its number of threads affects
// the result for a seed, because it determines the order of summation. room returns the
// maximum memory of a task of this service at present; nil means unlimited.
func New(cfg Config, catalog *modelstore.Catalog, rt *onnx.Runtime, session onnx.SessionConfig, residency services.Residency,
	room func() services.Bytes, dir string,
) *Service {
	if room == nil {
		room = func() services.Bytes { return unlimited }
	}
	// There are few different shapes, and their runs are large.
	session.NoPlan = true
	kind := modelstore.Kind{ModelTypes: []string{pipelineClass}, Needs: "generation needs", Default: cfg.DefaultModel}
	s := &Service{cfg: cfg, dir: dir, room: room, shelf: modelstore.NewShelf(catalog, kind, readFacts)}
	s.open = func(files modelstore.Folder) (*model, error) { return newModel(rt, files, session) }
	load := func(ctx context.Context, files modelstore.Folder) (*model, services.Bytes, error) {
		known, err := s.shelf.Of(files)
		if err != nil {
			return nil, 0, err
		}
		m, err := loadModel(ctx, rt, files, session)
		return m, known.weights(), err
	}
	s.pool = modelstore.NewPool(Name, residency, modelstore.LoadFrom(s.shelf, load))
	s.Host = modelstore.NewHost(s.pool, s.shelf, nil)
	return s
}

// Describe implements services.ModelService.
func (s *Service) Describe() services.Description {
	return services.Description{
		Name:         Name,
		Summary:      "Generates sound from a description with AudioLDM models.",
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

// Initialize loads the default model and generates a short sound.
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
