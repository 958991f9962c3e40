package audioldm

import (
	"context"

	"github.com/grym-synth/grym-synth/services"
	"github.com/grym-synth/grym-synth/services/modelstore"
	"github.com/grym-synth/grym-synth/services/tasks"
)

// work is a task with decoded parameters and its model.
type work struct {
	service *Service
	plan    plan
	files   modelstore.Folder
	demand  demand
	// staged reports whether the model does not fit as a whole, so that each part is
	// loaded only for its stage.
	staged bool
}

// Prepare implements services.ModelService.
func (s *Service) Prepare(_ context.Context, task services.Task) (services.Work, error) {
	w, err := s.prepare(task)
	if err != nil {
		return nil, err
	}
	if w.plan.ranking() && s.execute != nil && s.cfg.Ranker != "" {
		return &ranked{work: w, task: task}, nil
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
	files, known, err := s.shelf.Find(s.modelName(task))
	if err != nil {
		return nil, err
	}
	// A step is a place on the way that the model was trained on.
	if most := known.folder.scheduler.TrainSteps - 1; p.steps > most {
		return nil, services.Invalidf("num_inference_steps", "must be at most %d with model %s, got %d", most, files.Name, p.steps)
	}
	w := &work{service: s, plan: p, files: files, demand: known.folder.demand(known.prints, p)}
	w.decide()
	return w, nil
}

// decide determines whether to load the whole model, and returns the memory required.
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

// Bytes implements services.Work. If the model does not fit as a whole but is loaded,
// it is unloaded to make room for its parts.
func (w *work) Bytes(ctx context.Context) (services.Bytes, error) {
	need := w.decide()
	if !w.staged {
		return need, nil
	}
	return need, w.service.pool.Unload(withoutWait(ctx), w.files.Name)
}

// Plan implements services.Planned. The parts of a staged model are loaded by its run.
func (w *work) Plan() services.Plan {
	if w.staged {
		return services.Plan{}
	}
	p := w.plan
	return services.Plan{Runs: w.demand.runs, Sizes: []services.Size{
		{Name: "seconds", Value: p.seconds}, {Name: "batch", Value: float64(p.batch())}, {Name: "waveforms", Value: float64(p.count)},
		{Name: "prompt_bytes", Value: float64(max(len(p.prompt), len(p.negative)))},
	}}
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

// withoutWait is a context that has already ended, for operations that must not wait.
func withoutWait(ctx context.Context) context.Context {
	ended, cancel := context.WithCancel(ctx)
	cancel()
	return ended
}
