package gama

import (
	"cmp"
	"context"
	"encoding/json"
	"time"

	"github.com/grym-synth/grym-synth/services"
	"github.com/grym-synth/grym-synth/services/audiofile"
	"github.com/grym-synth/grym-synth/services/modelstore"
	"github.com/grym-synth/grym-synth/services/onnx"
	"github.com/grym-synth/grym-synth/services/tasks"
)

// Service implements services.ModelService for audio language models. Safe for
// concurrent use.
type Service struct {
	*modelstore.Host[*model]

	cfg      Config
	shelf    *modelstore.Shelf[facts]
	pool     *modelstore.Pool[*model]
	contexts *contexts
}

// New returns the service over the folders of a catalog. The session configuration is
// that of every graph it loads. Conversations are kept in store; without one there are
// none.
func New(
	cfg Config, catalog *modelstore.Catalog, rt *onnx.Runtime, session onnx.SessionConfig, residency services.Residency,
	store services.ContextStore,
) *Service {
	kind := modelstore.Kind{ModelTypes: modelTypes, Needs: "questions about sounds need", Default: cfg.DefaultModel}
	s := &Service{cfg: cfg, shelf: modelstore.NewShelf(catalog, kind, readFacts)}
	load := func(_ context.Context, files modelstore.Folder) (*model, services.Bytes, error) {
		return loadModel(rt, files, session)
	}
	s.pool = modelstore.NewPool(Name, residency, modelstore.LoadFrom(s.shelf, load))
	s.Host = modelstore.NewHost(s.pool, s.shelf, func(f facts) error { return f.problem })
	s.contexts = newContexts(s, residency, store)
	return s
}

// Describe implements services.ModelService.
func (s *Service) Describe() services.Description {
	return services.Description{
		Name:         Name,
		Summary:      "Answers questions about sounds with audio language models.",
		DefaultModel: s.cfg.DefaultModel,
		Tasks: []services.TaskKind{
			tasks.Kind(tasks.Ask),
			tasks.Kind(tasks.Caption),
		},
	}
}

// canaryTone is the input of the canary task.
var canaryTone = audiofile.Tone(16000, 500*time.Millisecond)

// CanaryTask implements services.Canary.
func (s *Service) CanaryTask() services.Task {
	return services.Task{
		Service: Name, Name: tasks.Ask, Audio: canaryTone,
		Params: json.RawMessage(`{"question":"What can be heard?","max_tokens":4,"temperature":0}`),
	}
}

// Initialize loads the default model and answers a question.
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
	err := s.Host.Shutdown(ctx) // which waits for questions in progress
	s.contexts.forget()
	return err
}

func (s *Service) modelName(task services.Task) string {
	return cmp.Or(task.Model, task.DefaultModel, s.cfg.DefaultModel)
}

// ModelFor implements services.ModelChooser. A conversation continues with the model
// that it began with.
func (s *Service) ModelFor(task services.Task) string {
	var params struct {
		ContextID string `json:"context_id"`
	}
	// Prepare reports invalid parameters.
	if len(task.Params) == 0 || json.Unmarshal(task.Params, &params) != nil || params.ContextID == "" {
		return s.modelName(task)
	}
	s.contexts.mu.Lock()
	one := s.contexts.all[params.ContextID]
	s.contexts.mu.Unlock()
	if one == nil {
		return s.modelName(task) // Prepare reads it from the store
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
