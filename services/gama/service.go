package gama

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/grym-synth/grym-synth/services"
	"github.com/grym-synth/grym-synth/services/audiofile"
	"github.com/grym-synth/grym-synth/services/modelstore"
	"github.com/grym-synth/grym-synth/services/onnx"
	"github.com/grym-synth/grym-synth/services/tasks"
)

// Service answers questions about sounds. Safe for concurrent use.
type Service struct {
	*modelstore.Host[*model]

	cfg      Config
	catalog  *modelstore.Catalog
	pool     *modelstore.Pool[*model]
	contexts *contexts
	facts    *modelstore.Facts[facts]
}

// New makes the service over the folders of a catalog. The session configuration is
// that of every graph it loads.
func New(cfg Config, catalog *modelstore.Catalog, rt *onnx.Runtime, session onnx.SessionConfig, residency services.Residency) *Service {
	s := &Service{cfg: cfg, catalog: catalog, facts: modelstore.NewFacts(readFacts)}
	s.pool = modelstore.NewPool(Name, residency, func(_ context.Context, name string) (*model, services.Bytes, error) {
		files, err := s.locate(name)
		if err != nil {
			return nil, 0, err
		}
		loaded, size, err := loadModel(rt, files, session)
		if err != nil {
			return nil, 0, modelstore.Unusable(name, cfg.DefaultModel, err)
		}
		return loaded, size, nil
	})
	s.Host = modelstore.NewHost(s.pool, catalog, modelType, func(files modelstore.Folder) error {
		known, err := s.facts.Of(files)
		return errors.Join(err, known.problem)
	})
	s.contexts = newContexts(s, residency)
	return s
}

// locate returns the folder of a model of the right type.
func (s *Service) locate(name string) (modelstore.Folder, error) {
	files, err := s.catalog.Find(name, modelType)
	if err != nil {
		return files, err
	}
	return files, files.Require(modelType, "questions about sounds need", s.cfg.DefaultModel)
}

// find returns the folder of a model with what its files say.
func (s *Service) find(name string) (modelstore.Folder, facts, error) {
	files, err := s.locate(name)
	if err != nil {
		return files, facts{}, err
	}
	f, err := s.facts.Of(files)
	if err != nil {
		return files, facts{}, modelstore.Unusable(files.Name, s.cfg.DefaultModel, err)
	}
	return files, f, nil
}

// Describe implements services.ModelService.
func (s *Service) Describe() services.Description {
	return services.Description{
		Name:         Name,
		Summary:      "Answers to questions about sounds, by audio language models.",
		DefaultModel: s.cfg.DefaultModel,
		Tasks: []services.TaskKind{
			tasks.Kind(tasks.Ask),
			tasks.Kind(tasks.Caption),
		},
	}
}

// canaryTone is what the canary task listens to.
var canaryTone = audiofile.Tone(16000, 500*time.Millisecond)

// CanaryTask implements services.Canary.
func (s *Service) CanaryTask() services.Task {
	return services.Task{
		Service: Name, Name: tasks.Ask, Audio: canaryTone,
		Params: json.RawMessage(`{"question":"What can be heard?","max_tokens":4,"temperature":0}`),
	}
}

// Initialize loads the default model and asks it something.
func (s *Service) Initialize(ctx context.Context) error {
	return s.InitializeBy(ctx, func(ctx context.Context) error {
		work, err := s.prepare(ctx, s.CanaryTask())
		if err != nil {
			return err
		}
		_, err = work.ask(ctx, services.DiscardSink{})
		return err
	})
}

// Shutdown implements services.ModelService.
func (s *Service) Shutdown(ctx context.Context) error {
	err := s.Host.Shutdown(ctx) // which waits for those who answer
	s.contexts.forget()
	return err
}

func (s *Service) modelName(task services.Task) string {
	return cmp.Or(task.Model, task.DefaultModel, s.cfg.DefaultModel)
}

// ModelFor implements services.ModelChooser: a conversation goes on with the model that
// it began with.
func (s *Service) ModelFor(task services.Task) string {
	var params struct {
		ContextID string `json:"context_id"`
	}
	// What is wrong with the parameters is for Prepare.
	if len(task.Params) == 0 || json.Unmarshal(task.Params, &params) != nil || params.ContextID == "" {
		return s.modelName(task)
	}
	s.contexts.mu.Lock()
	one := s.contexts.all[params.ContextID]
	s.contexts.mu.Unlock()
	if one == nil {
		return s.modelName(task) // Prepare looks for it in the store
	}
	return s.contexts.recordOf(one).Model
}

var (
	_ services.ModelService = (*Service)(nil)
	_ services.ModelChooser = (*Service)(nil)
	_ services.Canary       = (*Service)(nil)
	_ services.ModelHost    = (*Service)(nil)
	_ services.Contexts     = (*Service)(nil)
)
