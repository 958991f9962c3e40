package pipelines

import (
	"cmp"
	"context"
	"encoding/json"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/grym-synth/grym-synth/orchestrator/library"
	"github.com/grym-synth/grym-synth/orchestrator/records"
	"github.com/grym-synth/grym-synth/services"
)

// ServiceName is the name of the service whose tasks are runs of pipelines, and TaskRun that
// of the task.
const (
	ServiceName = "pipelines"
	TaskRun     = "run"
)

// Dependencies are what a Service needs.
type Dependencies struct {
	// Database holds the records; it must not have been started.
	Database *records.Database
	Library  *library.Library
	World    World
	// JobExists reports whether a job is stored. The steps of others are deleted. It is
	// called once the database has started.
	JobExists func(id string) bool
	Log       *slog.Logger
}

// Service stores pipelines and runs them. It implements services.ModelService; a run is a
// task that only runs others. Safe for concurrent use.
type Service struct {
	Dependencies
	pipelines *records.Collection[Pipeline]
	outcomes  *records.Collection[Outcome]
	// fixed are the pipelines that everybody has, and variants what the shipped ones can
	// be, the preferred first.
	fixed    []Pipeline
	variants map[string][]Definition

	recorder    services.Recorder
	initialized atomic.Bool

	mu sync.Mutex
	// byRun has the keys of the outcomes of each run.
	byRun map[string]map[string]struct{}
	// plans are compiled definitions, by hash.
	plans map[string]*Plan
	// running are the runs of this process, with the recordings that they use.
	running map[string]*run
}

// New returns the service. The fault names the pipelines of the configuration that are
// invalid.
func New(cfg Config, deps Dependencies) (*Service, error) {
	s := &Service{
		Dependencies: deps, byRun: make(map[string]map[string]struct{}), plans: make(map[string]*Plan),
		running: make(map[string]*run), variants: make(map[string][]Definition),
	}
	s.pipelines = records.NewCollection(deps.Database, pipelineKind, nil)
	s.outcomes = records.NewCollection(deps.Database, stepKind, s.observe)
	configured, err := cfg.Definitions.Parse()
	if err != nil {
		return nil, err
	}
	for _, d := range configured {
		s.fixed = append(s.fixed, Pipeline{Definition: d, Version: 1, Origin: OriginConfig})
	}
	if err := s.ship(cfg); err != nil {
		return nil, err
	}
	deps.Library.OnNeeds(s.needs)
	deps.Database.OnSweep(s.sweep)
	return s, nil
}

// mostPlans bounds the compiled definitions that are held.
const mostPlans = 128

// plan compiles a definition, or returns the plan of an equal one.
func (s *Service) plan(d Definition) (*Plan, error) {
	hash := d.Hash()
	s.mu.Lock()
	known := s.plans[hash]
	s.mu.Unlock()
	if known != nil {
		return known, nil
	}
	plan, err := Compile(d)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.plans) >= mostPlans {
		clear(s.plans)
	}
	s.plans[hash] = plan
	return plan, nil
}

// needs reports the recordings that runs need: those that steps have made stay as long as
// the job, and what an unfinished run uses must not be deleted.
func (s *Service) needs(need library.Need) {
	s.outcomes.Each(func(e records.Entry[Outcome]) bool {
		by := ""
		if s.isRunning(e.Value.Run) {
			by = "job " + e.Value.Run
		}
		for _, id := range e.Value.Sounds {
			need(e.Value.Owner, id, by)
		}
		return true
	})
	s.mu.Lock()
	defer s.mu.Unlock()
	for id, r := range s.running {
		for _, audio := range r.used {
			need(r.task.Caller.Key, audio, "job "+id)
		}
	}
}

func (s *Service) isRunning(id string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.running[id] != nil
}

// settling is the age below which the record of a step is not deleted, because its job may
// not be known here yet.
const settling = time.Minute

// sweep deletes the records of steps whose job is gone, and results that no record names.
func (s *Service) sweep(ctx context.Context, orphans bool) {
	gone := make(map[string]bool)
	now := s.Database.Clock.Now()
	s.outcomes.Each(func(e records.Entry[Outcome]) bool {
		if now.Sub(e.Value.Ended) > settling && !s.JobExists(e.Value.Run) {
			gone[e.Value.Run] = true
		}
		return true
	})
	for run := range gone {
		if err := s.forget(ctx, run, func(Outcome) bool { return true }); err != nil && ctx.Err() == nil {
			s.Log.Error("the steps of a deleted run could not be deleted", "job", run, "error", err)
		}
	}
	if !orphans {
		return
	}
	if err := s.removeOrphans(ctx); err != nil && ctx.Err() == nil {
		s.Log.Error("stored results of steps could not be looked through", "error", err)
	}
}

// removeOrphans deletes results that no record names: the process ended between the two
// writes.
func (s *Service) removeOrphans(ctx context.Context) error {
	names, err := s.Database.Store().Objects(ctx)
	if err != nil {
		return err
	}
	for _, name := range names {
		key, ours := strings.CutPrefix(name, objectPrefix)
		if !ours {
			continue
		}
		key = key[:max(0, strings.LastIndexByte(key, '-'))]
		run, _, _ := strings.Cut(key, ".")
		if o, known := s.outcomes.Get(key); known && o.ResultID == name || s.isRunning(run) {
			continue
		}
		if err := s.Database.Store().DeleteObject(ctx, name); err != nil {
			return err
		}
	}
	return nil
}

func sortOutcomes(list []Outcome) {
	slices.SortFunc(list, func(a, b Outcome) int { return cmp.Or(a.Ended.Compare(b.Ended), cmp.Compare(a.key(), b.key())) })
}

// Describe implements services.ModelService.
func (s *Service) Describe() services.Description {
	return services.Description{
		Name: ServiceName, Summary: "Runs pipelines, graphs of tasks.",
		Tasks: []services.TaskKind{{Name: TaskRun, ParamsSchema: paramsSchema}},
	}
}

// Initialize implements services.ModelService.
func (s *Service) Initialize(context.Context) error { s.initialized.Store(true); return nil }

// Initialized implements services.ModelService.
func (s *Service) Initialized() bool { return s.initialized.Load() }

// Shutdown implements services.ModelService.
func (s *Service) Shutdown(context.Context) error { s.initialized.Store(false); return nil }

// Status implements services.ModelService.
func (s *Service) Status() services.ServiceStatus {
	var status services.ServiceStatus
	status.LastError, status.LastSuccess = s.recorder.Last()
	return status
}

// Metrics implements services.ModelService.
func (s *Service) Metrics() services.ServiceMetrics { return s.recorder.Metrics() }

var paramsSchema = json.RawMessage(`{
  "type": "object",
  "additionalProperties": false,
  "properties": {
    "pipeline": {"type": "string", "maxLength": 63, "description": "Name of the pipeline"},
    "version": {"type": "integer", "minimum": 0, "description": "Its version, set by the server"},
    "hash": {"type": "string", "maxLength": 64, "description": "SHA-256 of its definition, set by the server"},
    "definition": {"type": "object", "description": "The pipeline itself, in place of a stored one"},
    "input": {"type": "object", "description": "The input, as the pipeline describes it"}
  }
}`)
