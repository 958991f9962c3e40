package whisper

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"github.com/grym-synth/grym-synth/services"
	"github.com/grym-synth/grym-synth/services/audiofile"
	"github.com/grym-synth/grym-synth/services/modelstore"
	"github.com/grym-synth/grym-synth/services/onnx"
	"github.com/grym-synth/grym-synth/services/tasks"
)

// Service implements services.ModelService for Whisper models. Safe for concurrent use.
type Service struct {
	*modelstore.Host[*model]

	cfg   Config
	shelf *modelstore.Shelf[facts]
	pool  *modelstore.Pool[*model]
}

// New returns a service for the folders of a catalog. All models use the given session
// configuration.
func New(cfg Config, catalog *modelstore.Catalog, rt *onnx.Runtime, session onnx.SessionConfig, residency services.Residency) *Service {
	kind := modelstore.Kind{ModelTypes: []string{modelType}, Needs: "this needs", Default: cfg.DefaultModel}
	s := &Service{cfg: cfg, shelf: modelstore.NewShelf(catalog, kind, readFacts)}
	load := func(_ context.Context, files modelstore.Folder) (*model, services.Bytes, error) {
		return loadModel(rt, files, session)
	}
	s.pool = modelstore.NewPool(Name, residency, modelstore.LoadFrom(s.shelf, load))
	s.Host = modelstore.NewHost(s.pool, s.shelf, func(f facts) error { return f.problem })
	return s
}

// Describe implements services.ModelService.
func (s *Service) Describe() services.Description {
	return services.Description{
		Name: Name, Summary: "Speech to text in many languages, and its translation into English, by Whisper models.",
		DefaultModel: s.cfg.DefaultModel, Tasks: []services.TaskKind{tasks.Kind(tasks.Transcribe), tasks.Kind(tasks.Translate)},
	}
}

// Initialize loads the default model and runs it once. Without any model there is nothing
// to verify: none is embedded.
func (s *Service) Initialize(ctx context.Context) error {
	return s.InitializeBy(ctx, func(ctx context.Context) error {
		name, ok := s.standard(tasks.Transcribe)
		if !ok {
			return nil
		}
		m, done, err := s.pool.Acquire(ctx, name)
		if err != nil {
			return err
		}
		defer done()
		return m.canary(ctx)
	})
}

// canary verifies that a model runs, with silence.
func (m *model) canary(ctx context.Context) error {
	hidden, err := m.encode(ctx, m.extractor.features(nil, m.folder.frames()))
	if err != nil {
		return fmt.Errorf("canary inference on %s: %w", m.name, err)
	}
	part, err := m.newRun(1)
	if err != nil {
		hidden.Close()
		return err
	}
	defer part.Close()
	if err := part.hear(hidden); err != nil {
		return err
	}
	_, err = part.add(ctx, []int{m.folder.Special.start})
	return err
}

// standard returns the model of a task that names none: the default if it exists and can
// do the task, or else the first by name that can.
func (s *Service) standard(task string) (string, bool) {
	if has, err := s.HasModel(s.cfg.DefaultModel); has && err == nil && (task != tasks.Translate || s.CanDo(s.cfg.DefaultModel, task)) {
		return s.cfg.DefaultModel, true
	}
	for _, files := range s.shelf.List() {
		if s.CanDo(files.Name, task) {
			return files.Name, true
		}
	}
	return s.cfg.DefaultModel, false
}

// CanDo implements services.TaskChooser.
func (s *Service) CanDo(model, task string) bool {
	_, f, err := s.shelf.Find(model)
	return err == nil && f.problem == nil && (task != tasks.Translate || f.translates())
}

// ModelFor implements services.ModelChooser.
func (s *Service) ModelFor(task services.Task) string {
	if name := cmp.Or(task.Model, task.DefaultModel); name != "" {
		return name
	}
	name, _ := s.standard(task.Name)
	return name
}

// canaryTone is the input of the canary task.
var canaryTone = audiofile.Tone(16000, 500*time.Millisecond)

// CanaryTask implements services.Canary.
func (s *Service) CanaryTask() services.Task { return s.CanaryTaskFor("") }

// CanaryTaskFor implements services.ModelCanary.
func (s *Service) CanaryTaskFor(model string) services.Task {
	return services.Task{Service: Name, Name: tasks.Transcribe, Model: model, Audio: canaryTone}
}

var (
	_ services.ModelService = (*Service)(nil)
	_ services.ModelChooser = (*Service)(nil)
	_ services.Canary       = (*Service)(nil)
	_ services.ModelCanary  = (*Service)(nil)
	_ services.ModelHost    = (*Service)(nil)
	_ services.TaskChooser  = (*Service)(nil)
)
