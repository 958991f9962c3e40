package wav2vec2

import (
	"cmp"
	"context"
	"errors"
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

	cfg     Config
	catalog *modelstore.Catalog
	pool    *modelstore.Pool[*model]
	facts   *modelstore.Facts[facts]
}

// New returns a service for the folders of a catalog. All models use the given session
// configuration.
func New(cfg Config, catalog *modelstore.Catalog, rt *onnx.Runtime, session onnx.SessionConfig, residency services.Residency) *Service {
	s := &Service{cfg: cfg, catalog: catalog, facts: modelstore.NewFacts(readFacts)}
	s.pool = modelstore.NewPool(Name, residency, func(_ context.Context, name string) (*model, services.Bytes, error) {
		files, err := catalog.Find(name, modelType)
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
	return s
}

// Describe implements services.ModelService.
func (s *Service) Describe() services.Description {
	return services.Description{
		Name:         Name,
		Summary:      "Speech to text with word times, vectors and labels for recordings, by Wav2Vec2 models.",
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
	files, f, err := s.find(cmp.Or(task.Model, task.DefaultModel, s.cfg.DefaultModel))
	if err != nil || slices.Contains(wanted, f.Head) {
		return files, f, err
	}
	if task.Model != "" {
		return files, f, services.Invalidf("model", "%q has the head %s; %s needs %s", files.Name, f.Head, task.Name,
			strings.Join(wanted, " or "))
	}
	for _, other := range s.catalog.List(modelType) {
		if f, err := s.facts.Of(other); err == nil && slices.Contains(wanted, f.Head) {
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

// find returns the folder with the given name and its facts.
func (s *Service) find(name string) (modelstore.Folder, facts, error) {
	files, err := s.catalog.Find(name, modelType)
	if err == nil {
		err = files.Require(modelType, "this needs", s.cfg.DefaultModel)
	}
	if err != nil {
		return files, facts{}, err
	}
	f, err := s.facts.Of(files)
	if err != nil {
		return files, facts{}, modelstore.Unusable(files.Name, s.cfg.DefaultModel, err)
	}
	return files, f, nil
}

var (
	_ services.ModelService = (*Service)(nil)
	_ services.ModelChooser = (*Service)(nil)
)
