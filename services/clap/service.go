package clap

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

// Service implements services.ModelService for CLAP and AST models. Safe for concurrent
// use.
type Service struct {
	*modelstore.Host[*model]

	cfg   Config
	shelf *modelstore.Shelf[facts]
	pool  *modelstore.Pool[*model]
}

// New returns a service for the folders of a catalog. All graphs use the given session
// configuration.
func New(cfg Config, catalog *modelstore.Catalog, rt *onnx.Runtime, session onnx.SessionConfig, residency services.Residency) *Service {
	session.NoPlan = true // the shapes of windows and texts differ
	kind := modelstore.Kind{ModelTypes: []string{typeCLAP, typeAST}, Needs: "this needs", Default: cfg.DefaultModel}
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
		Summary:      "Vectors of sounds and texts in one space, and labels for recordings, by CLAP and AST models.",
		DefaultModel: s.cfg.DefaultModel,
		Tasks:        []services.TaskKind{tasks.Kind(tasks.Embed), tasks.Kind(tasks.Classify)},
	}
}

// can reports whether the model can do a task.
func (f *folder) can(task string) bool {
	switch task {
	case tasks.Embed:
		return f.Head != headLabels
	case tasks.Classify:
		return f.Head != headFeatures
	}
	return false
}

// CanDo implements services.TaskChooser.
func (s *Service) CanDo(model, task string) bool {
	_, f, err := s.shelf.Find(model)
	return err == nil && f.can(task)
}

// resolve returns the task's model: the one that it names, otherwise the default model.
func (s *Service) resolve(task services.Task) (modelstore.Folder, facts, error) {
	files, f, err := s.shelf.Find(cmp.Or(task.Model, task.DefaultModel, s.cfg.DefaultModel))
	if err != nil || f.can(task.Name) {
		return files, f, err
	}
	return files, f, services.Invalidf("model", "%q has the head %s, which cannot %s", files.Name, f.Head, task.Name)
}

// canaryTone is the input of the canary task.
var canaryTone = audiofile.Tone(16000, 500*time.Millisecond)

// CanaryTask implements services.Canary.
func (s *Service) CanaryTask() services.Task {
	task := s.CanaryTaskFor(s.cfg.DefaultModel)
	task.Model = ""
	return task
}

// CanaryTaskFor implements services.ModelCanary. If the folder cannot be read, any task
// will report the error.
func (s *Service) CanaryTaskFor(model string) services.Task {
	task := services.Task{Service: Name, Name: tasks.Embed, Model: model, Audio: canaryTone}
	_, f, err := s.shelf.Find(model)
	switch {
	case err != nil:
	case f.Head == headLabels:
		task.Name = tasks.Classify
	case f.Network.ModelType == typeCLAP:
		task.Name, task.Params = tasks.Classify, json.RawMessage(`{"labels":["a tone","a dog"]}`) // both encoders
	}
	return task
}

// Initialize loads the default model and runs it once.
func (s *Service) Initialize(ctx context.Context) error {
	return s.InitializeBy(ctx, func(ctx context.Context) error {
		work, err := s.prepare(s.CanaryTask())
		if err != nil {
			return err
		}
		_, err = work.run(ctx, services.DiscardSink{})
		return err
	})
}

var (
	_ services.ModelService = (*Service)(nil)
	_ services.TaskChooser  = (*Service)(nil)
	_ services.Canary       = (*Service)(nil)
	_ services.ModelCanary  = (*Service)(nil)
	_ services.ModelHost    = (*Service)(nil)
)
