package pipelines

import (
	"context"
	"encoding/json"
	"regexp"
	"slices"
	"time"

	"github.com/grym-synth/grym-synth/services"
)

// Params are the parameters of a run.
type Params struct {
	Pipeline   string          `json:"pipeline,omitempty"`
	Version    int             `json:"version,omitempty"`
	Hash       string          `json:"hash,omitempty"`
	Definition json.RawMessage `json:"definition,omitempty"`
	Input      json.RawMessage `json:"input,omitempty"`
}

// ParseParams decodes the parameters of a run.
func ParseParams(raw json.RawMessage) (p Params, err error) {
	if len(raw) == 0 {
		return p, nil
	}
	if err := json.Unmarshal(raw, &p); err != nil {
		return p, services.Invalidf("params", "cannot be read: %v", err)
	}
	return p, nil
}

// resolve returns the plan of a run, and its parameters with the definition.
func (s *Service) resolve(ctx context.Context, task services.Task) (*Plan, Params, error) {
	params, err := ParseParams(task.Params)
	if err != nil {
		return nil, params, err
	}
	if len(params.Definition) == 0 {
		if params.Pipeline == "" {
			return nil, params, services.Invalidf("pipeline", "is missing; name a pipeline, or send a definition")
		}
		found, err := s.Get(ctx, task.Caller, params.Pipeline)
		if services.KindOf(err) == services.KindNotFound {
			err = services.Invalidf("pipeline", "does not exist, got %.80q", params.Pipeline)
		}
		if err != nil {
			return nil, params, err
		}
		params.Version = found.Version
		if params.Definition, err = found.Definition.canonical(); err != nil {
			return nil, params, err
		}
	}
	d, err := Parse(params.Definition)
	if err != nil {
		return nil, params, err
	}
	plan, err := s.plan(d)
	if err == nil {
		params.Hash = plan.Hash
	}
	return plan, params, err
}

// Prepare implements services.ModelService.
func (s *Service) Prepare(ctx context.Context, task services.Task) (services.Work, error) {
	plan, params, err := s.resolve(ctx, task)
	if err != nil {
		return nil, err
	}
	if task.Job == "" {
		return nil, services.Faultf(services.KindInvalid, "a pipeline runs as a job")
	}
	input, err := plan.CheckInput(params.Input)
	if err != nil {
		return nil, err
	}
	switch how := plan.Definition.audio(); {
	case how == AudioRequired && task.Audio == nil:
		return nil, services.Invalidf("file", "is missing; the pipeline needs a recording")
	case how == AudioNone && task.Audio != nil:
		return nil, services.Invalidf("file", "is not used by this pipeline, which takes no recording")
	}
	lacks, err := plan.Check(ctx, s.World)
	if err == nil {
		err = Refuse(lacks)
	}
	if err != nil {
		return nil, err
	}
	return &work{service: s, plan: plan, task: task, input: input}, nil
}

// Pin implements services.Pinner: a run has the definition that stands when it is submitted.
func (s *Service) Pin(ctx context.Context, task services.Task) ([]byte, error) {
	_, params, err := s.resolve(ctx, task)
	if err != nil {
		return nil, err
	}
	raw, err := json.Marshal(params)
	if err != nil {
		return nil, services.Internal(err, "the parameters could not be encoded")
	}
	return raw, nil
}

// Restart implements services.Restarter.
func (s *Service) Restart(ctx context.Context, task services.Task, step string) error {
	plan, _, err := s.resolve(ctx, task)
	if err != nil {
		return err
	}
	again := make(map[string]bool)
	if step != "" {
		if plan.byID[step] == nil {
			return services.Invalidf("from_step", "names no step of the pipeline, got %.40q", step)
		}
		again = plan.downstream(step)
	}
	return s.forget(ctx, task.Job, func(o Outcome) bool { return again[o.Step] || o.Status == StepFailed })
}

// work is a prepared run.
type work struct {
	service *Service
	plan    *Plan
	task    services.Task
	input   map[string]any
}

// Model implements services.Work.
func (w *work) Model() string { return "" }

// Bytes implements services.Work.
func (w *work) Bytes(context.Context) (services.Bytes, error) { return 0, nil }

// Coordinates implements services.Coordinator.
func (w *work) Coordinates() {}

// Run implements services.Work.
func (w *work) Run(ctx context.Context, sink services.Sink) (services.TaskResult, error) {
	began := time.Now()
	r := newRun(w, sink)
	s := w.service
	s.mu.Lock()
	s.running[w.task.Job] = r
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.running[w.task.Job] == r {
			delete(s.running, w.task.Job)
		}
	}()
	services.ObserveSteps(ctx, r.states)
	result, err := r.all(ctx)
	s.recorder.Record(err, time.Since(began))
	return result, err
}

// recordingForm is the form of the id of a recording.
var recordingForm = regexp.MustCompile(`^[0-9a-f]{64}$`)

// recordings returns the ids of recordings in the input of a run.
func recordings(v any) (ids []string) {
	switch v := v.(type) {
	case string:
		if recordingForm.MatchString(v) {
			ids = append(ids, v)
		}
	case []any:
		for _, one := range v {
			ids = append(ids, recordings(one)...)
		}
	case map[string]any:
		for _, one := range v {
			ids = append(ids, recordings(one)...)
		}
	}
	return slices.Compact(ids)
}

var (
	_ services.ModelService = (*Service)(nil)
	_ services.Pinner       = (*Service)(nil)
	_ services.Restarter    = (*Service)(nil)
	_ services.Coordinator  = (*work)(nil)
)
