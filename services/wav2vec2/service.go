package wav2vec2

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/grym-synth/grym-synth/services"
	"github.com/grym-synth/grym-synth/services/modelstore"
	"github.com/grym-synth/grym-synth/services/onnx"
)

// Service implements services.ModelService for Wav2Vec2 models. Safe for concurrent
// use.
type Service struct {
	*modelstore.Host[*model]

	cfg   Config
	shelf *modelstore.Shelf[facts]
	pool  *modelstore.Pool[*model]
}

// New returns a service for the folders of a catalog. All models use the given session
// configuration.
func New(cfg Config, catalog *modelstore.Catalog, rt *onnx.Runtime, session onnx.SessionConfig, residency services.Residency) *Service {
	kind := modelstore.Kind{ModelTypes: modelTypes, Needs: "this needs", Default: cfg.DefaultModel}
	s := &Service{cfg: cfg, shelf: modelstore.NewShelf(catalog, kind, readFacts)}
	load := func(ctx context.Context, files modelstore.Folder) (*model, services.Bytes, error) {
		return loadModel(ctx, rt, files, session)
	}
	s.pool = modelstore.NewPool(Name, residency, modelstore.LoadFrom(s.shelf, load))
	s.Host = modelstore.NewHost(s.pool, s.shelf, func(f facts) error { return f.problem })
	return s
}

// Describe implements services.ModelService.
func (s *Service) Describe() services.Description {
	return services.Description{
		Name:         Name,
		Summary:      "Speech to text with word times, vectors and labels for recordings, by Wav2Vec2, HuBERT and WavLM models.",
		DefaultModel: s.cfg.DefaultModel,
		Tasks:        taskKinds(),
	}
}

// Initialize loads the default model and runs it once.
func (s *Service) Initialize(ctx context.Context) error {
	return s.InitializeBy(ctx, func(ctx context.Context) error {
		m, done, err := s.pool.Acquire(ctx, s.cfg.DefaultModel)
		if err != nil {
			return err
		}
		defer done()
		return m.canary(ctx)
	})
}

// resolve returns the task's model: the one that it names, otherwise the default model
// if that has a head for the task, otherwise the first by name that has one.
func (s *Service) resolve(task services.Task) (modelstore.Folder, facts, error) {
	wanted := taskHeads[task.Name]
	files, f, err := s.shelf.Find(cmp.Or(task.Model, task.DefaultModel, s.cfg.DefaultModel))
	if err != nil || slices.Contains(wanted, f.Head) {
		return files, f, err
	}
	if task.Model != "" {
		return files, f, services.Invalidf("model", "%q has the head %s; %s needs %s", files.Name, f.Head, task.Name,
			strings.Join(wanted, " or "))
	}
	for _, other := range s.shelf.List() {
		if f, err := s.shelf.Of(other); err == nil && slices.Contains(wanted, f.Head) {
			return other, f, nil
		}
	}
	return files, f, &services.Fault{Kind: services.KindNotFound, Fields: []services.FieldError{{
		Field: "model", Problem: fmt.Sprintf("is not given, and there is none for %s: put a folder with the head %s under models",
			task.Name, strings.Join(wanted, " or ")),
	}}}
}

// ModelFor implements services.ModelChooser.
func (s *Service) ModelFor(task services.Task) string {
	files, _, err := s.resolve(task)
	if err != nil {
		return cmp.Or(task.DefaultModel, s.cfg.DefaultModel)
	}
	return files.Name
}

var (
	_ services.ModelService = (*Service)(nil)
	_ services.ModelChooser = (*Service)(nil)
)
