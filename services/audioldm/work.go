package audioldm

import (
	"context"

	"github.com/grym-synth/grym-synth/services"
	"github.com/grym-synth/grym-synth/services/modelstore"
	"github.com/grym-synth/grym-synth/services/tasks"
)

// work is a task with its parameters read and its model found.
type work struct {
	service *Service
	plan    plan
	files   modelstore.Folder
	demand  demand
	// staged reports that the model does not fit whole, so that each part is loaded
	// for its stage only.
	staged bool
}

// Prepare implements services.ModelService.
func (s *Service) Prepare(_ context.Context, task services.Task) (services.Work, error) {
	w, err := s.prepare(task)
	if err != nil {
		return nil, err // not a nil *work in an interface
	}
	return w, nil
}

func (s *Service) prepare(task services.Task) (*work, error) {
	if task.Name != tasks.Generate {
		return nil, services.Faultf(services.KindNotFound, "service %s has no task %q; it has %s", Name, task.Name, tasks.Generate)
	}
	if task.Audio != nil {
		return nil, services.Invalidf("audio", "must be left out: %s takes words only", tasks.Generate)
	}
	p, err := s.parse(task.Params)
	if err != nil {
		return nil, err
	}
	files, err := s.catalog.Find(s.modelName(task), pipelineClass)
	if err == nil {
		err = files.Require(pipelineClass, "generation needs", s.cfg.DefaultModel)
	}
	if err != nil {
		return nil, err
	}
	known, err := s.facts.Of(files)
	if err != nil {
		return nil, modelstore.Unusable(files.Name, s.cfg.DefaultModel, err)
	}
	// A step is a place on the way that the model was trained on.
	if most := known.folder.scheduler.TrainSteps - 1; p.steps > most {
		return nil, services.Invalidf("num_inference_steps", "must be at most %d with model %s, got %d", most, files.Name, p.steps)
	}
	w := &work{service: s, plan: p, files: files, demand: known.folder.demand(known.prints, p)}
	w.decide()
	return w, nil
}

// decide chooses whether the model is loaded whole, and returns the bytes for that.
func (w *work) decide() services.Bytes {
	held, loaded := w.service.pool.Loaded(w.files.Name)
	need := w.demand.runs
	if !loaded {
		need = need.Plus(w.demand.load)
	}
	whole := need.Plus(held)
	if w.staged = whole > w.service.room() && w.demand.staged < whole; w.staged {
		return w.demand.staged
	}
	return need
}

// Model implements services.Work.
func (w *work) Model() string { return w.files.Name }

// Bytes implements services.Work. A model that does not fit whole is unloaded where it
// is loaded: it would be in the way of its own parts.
func (w *work) Bytes(ctx context.Context) (services.Bytes, error) {
	need := w.decide()
	if !w.staged {
		return need, nil
	}
	return need, w.service.pool.Unload(withoutWait(ctx), w.files.Name)
}

// Run implements services.Work.
func (w *work) Run(ctx context.Context, sink services.Sink) (services.TaskResult, error) {
	return w.service.Recorded(func() (services.TaskResult, error) { return w.generate(ctx, sink) })
}

// model returns the task's model: a shared one from the pool, or one of its own.
func (w *work) model(ctx context.Context) (*model, func() error, error) {
	s := w.service
	if !w.staged {
		m, done, err := s.pool.Acquire(ctx, w.files.Name)
		return m, func() error { done(); return nil }, err
	}
	m, err := s.open(w.files)
	if err != nil {
		return nil, nil, modelstore.Unusable(w.files.Name, s.cfg.DefaultModel, err)
	}
	m.staged = true
	return m, m.Close, nil
}

// withoutWait is a context that has ended, for what must happen now or not.
func withoutWait(ctx context.Context) context.Context {
	ended, cancel := context.WithCancel(ctx)
	cancel()
	return ended
}
