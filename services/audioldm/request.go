package audioldm

import (
	"context"

	"github.com/grym-synth/grym-synth/services"
	"github.com/grym-synth/grym-synth/services/modelstore"
)

// request is a task with its model, and the memory that it will need.
type request struct {
	plan  plan
	files modelstore.Folder
	// staged tells that the model does not fit whole, so that each part is loaded
	// for its stage only.
	staged bool
	bytes  services.Bytes
}

// prepare checks a task, and decides whether its model is loaded whole.
func (s *Service) prepare(task services.Task) (request, error) {
	p, err := s.parse(task.Params)
	if err != nil {
		return request{}, err
	}
	files, err := s.catalog.Find(s.modelName(task), pipelineClass)
	if err == nil {
		err = files.Require(pipelineClass, "generation needs", s.cfg.DefaultModel)
	}
	if err != nil {
		return request{}, err
	}
	r := request{plan: p, files: files}
	known, err := s.facts.Of(files)
	if err != nil {
		return r, modelstore.Unusable(files.Name, s.cfg.DefaultModel, err)
	}
	// A step is a place on the way that the model was trained on.
	if most := known.folder.scheduler.TrainSteps - 1; p.steps > most {
		return r, services.Invalidf("num_inference_steps", "must be at most %d with model %s, got %d", most, files.Name, p.steps)
	}
	d := known.folder.demand(known.prints, p)
	held, loaded := s.pool.Loaded(files.Name)
	r.bytes = d.runs
	if !loaded {
		r.bytes = r.bytes.Plus(d.load)
	}
	if whole := r.bytes.Plus(held); whole > s.room() && d.staged < whole {
		r.staged, r.bytes = true, d.staged
	}
	return r, nil
}

// model gives the task's model: a shared one from the pool, or one of its own.
func (s *Service) model(ctx context.Context, r request) (*model, func() error, error) {
	if !r.staged {
		m, done, err := s.pool.Acquire(ctx, r.files.Name)
		return m, func() error { done(); return nil }, err
	}
	m, err := s.open(r.files)
	if err != nil {
		return nil, nil, modelstore.Unusable(r.files.Name, s.cfg.DefaultModel, err)
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
