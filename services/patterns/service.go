package patterns

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/grym-synth/grym-synth/orchestrator/records"
	"github.com/grym-synth/grym-synth/services"
	"github.com/grym-synth/grym-synth/services/modelstore"
	"github.com/grym-synth/grym-synth/services/module"
	"github.com/grym-synth/grym-synth/services/tasks"
)

// Service learns and finds patterns. Safe for concurrent use.
type Service struct {
	cfg     Config
	deps    module.Deps
	log     *slog.Logger
	digests *modelstore.Facts[string]
	// db is nil in a process that stores nothing, as are the collections.
	db        *records.Database
	patterns  *records.Collection[pattern]
	names     *records.Collection[claim]
	feedback  *records.Collection[feedback]
	manifests *records.Collection[manifest]
	sightings *records.Collection[sighting]

	recorder    services.Recorder
	initialized atomic.Bool
	since       atomic.Pointer[time.Time]
	running     gate

	mu sync.Mutex
	// spaces by their key, and indexes by the id of their manifest.
	spaces  map[string]*space
	indexes map[string]*loaded
	// landing has the objects that no record refers to yet.
	landing map[string]bool
}

// New returns the service. Its collections are created in deps.Records, which must not have
// been started.
func New(cfg Config, deps module.Deps) *Service {
	s := &Service{
		cfg: cfg, deps: deps, log: deps.Log, db: deps.Records, digests: modelstore.NewFacts(modelstore.Folder.Digest),
		spaces: make(map[string]*space), indexes: make(map[string]*loaded), landing: make(map[string]bool),
	}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	if s.db != nil {
		s.patterns = records.NewCollection(s.db, patternRecords(), nil)
		s.names = records.NewCollection(s.db, claimRecords(), nil)
		s.feedback = records.NewCollection(s.db, feedbackRecords(), nil)
		s.manifests = records.NewCollection(s.db, manifestRecords(), nil)
		s.sightings = records.NewCollection(s.db, sightingRecords(), nil)
		s.db.OnSweep(s.sweep)
	}
	if deps.Recordings != nil {
		deps.Recordings.OnNeeds(s.needs)
	}
	s.enter(false)
	return s
}

// needs reports the recordings that patterns and their corrections were learnt from.
func (s *Service) needs(need func(owner, id, by string)) {
	s.patterns.Each(func(e records.Entry[pattern]) bool {
		for _, one := range e.Value.Examples {
			need(e.Value.Owner, one.AudioID, "pattern "+e.Value.ID)
		}
		for _, one := range e.Value.Counters {
			need(e.Value.Owner, one.AudioID, "pattern "+e.Value.ID)
		}
		return true
	})
	s.feedback.Each(func(e records.Entry[feedback]) bool {
		need(e.Value.Owner, e.Value.AudioID, "pattern "+e.Value.Pattern)
		return true
	})
}

// Describe implements services.ModelService.
func (s *Service) Describe() services.Description {
	return services.Description{
		Name:    Name,
		Summary: "Learns sounds from a few examples, finds them in recordings, and learns from corrections.",
		Tasks: []services.TaskKind{
			tasks.Kind(tasks.Detect), tasks.Kind(tasks.Teach), tasks.Kind(tasks.Search), tasks.Kind(tasks.Correct),
			tasks.Kind(tasks.Reembed), tasks.Kind(tasks.ImportPatterns),
		},
	}
}

// Initialize implements services.ModelService. The models belong to other services.
func (s *Service) Initialize(context.Context) error {
	if !s.initialized.Load() {
		s.enter(true)
	}
	return nil
}

func (s *Service) enter(ready bool) {
	now := time.Now()
	s.since.Store(&now)
	s.initialized.Store(ready)
}

// Initialized implements services.ModelService.
func (s *Service) Initialized() bool { return s.initialized.Load() }

// Shutdown implements services.ModelService. It frees the indexes, which are read again
// when they are needed.
func (s *Service) Shutdown(ctx context.Context) error {
	s.enter(false)
	select {
	case <-s.running.none():
	case <-ctx.Done():
		return fmt.Errorf("tasks are still running: %w", ctx.Err())
	}
	s.mu.Lock()
	spaces, indexes := s.spaces, s.indexes
	s.spaces, s.indexes = make(map[string]*space), make(map[string]*loaded)
	s.mu.Unlock()
	for _, sp := range spaces {
		sp.free()
	}
	var err error
	for _, one := range indexes {
		if lockErr := one.lock(ctx); lockErr != nil {
			return errors.Join(err, lockErr)
		}
		err = errors.Join(err, one.close())
		one.unlock()
	}
	return err
}

// Status implements services.ModelService.
func (s *Service) Status() services.ServiceStatus {
	status := services.ServiceStatus{State: services.StateRegistered, Since: *s.since.Load()}
	status.LastError, status.LastSuccess = s.recorder.Last()
	if s.Initialized() {
		status.State = services.StateReady
	}
	return status
}

// Metrics implements services.ModelService.
func (s *Service) Metrics() services.ServiceMetrics { return s.recorder.Metrics() }

// stored returns a fault in a process that stores nothing.
func (s *Service) stored() error {
	if s.db == nil || s.deps.Recordings == nil || s.deps.Execute == nil {
		return services.Faultf(services.KindUnavailable, "patterns need a server that stores recordings")
	}
	return nil
}

// digest returns the SHA-256 of a model's files.
func (s *Service) digest(model string) (string, error) {
	if s.deps.Catalog == nil {
		return "", nil
	}
	folder, err := s.deps.Catalog.Find(model, "")
	if err != nil {
		return "", err
	}
	sum, err := s.digests.Of(folder)
	if err != nil {
		return "", services.Internal(err, "the files of model %s cannot be read", model)
	}
	return sum, nil
}

// gate counts running tasks. A task may begin while another goroutine waits for the end of
// those before.
type gate struct {
	mu   sync.Mutex
	n    int
	idle chan struct{} // closed when no task runs; nil before the first
}

func (g *gate) begin() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.n == 0 {
		g.idle = make(chan struct{})
	}
	g.n++
}

func (g *gate) end() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.n--; g.n == 0 {
		close(g.idle)
	}
}

// none returns a channel that is closed as soon as no task runs.
func (g *gate) none() <-chan struct{} {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.idle == nil {
		g.idle = make(chan struct{})
		close(g.idle)
	}
	return g.idle
}

var _ services.ModelService = (*Service)(nil)
