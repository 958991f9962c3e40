package app

import (
	"context"
	"errors"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"github.com/grym-synth/grym-synth/api"
	"github.com/grym-synth/grym-synth/hardening"
	"github.com/grym-synth/grym-synth/hardening/performance"
	"github.com/grym-synth/grym-synth/hardening/tracing"
	"github.com/grym-synth/grym-synth/internal/config"
	"github.com/grym-synth/grym-synth/internal/lifecycle"
	"github.com/grym-synth/grym-synth/internal/modules"
	"github.com/grym-synth/grym-synth/internal/version"
	"github.com/grym-synth/grym-synth/models"
	"github.com/grym-synth/grym-synth/orchestrator"
	"github.com/grym-synth/grym-synth/resources"
	"github.com/grym-synth/grym-synth/resources/memprobe"
	"github.com/grym-synth/grym-synth/services"
	"github.com/grym-synth/grym-synth/services/modelstore"
	"github.com/grym-synth/grym-synth/services/module"
	"github.com/grym-synth/grym-synth/services/onnx"
)

// system has every object of the server, wired together.
type system struct {
	cfg          config.Config
	log          *slog.Logger
	runtime      *onnx.Runtime
	catalog      *modelstore.Catalog
	memory       *resources.Manager
	registry     *orchestrator.Registry
	orchestrator *orchestrator.Orchestrator
	health       *hardening.Health
	recovery     *hardening.Recovery
	monitor      *hardening.Monitor
	performance  *performance.Monitor
	tracer       *tracing.Tracer // nil traces nothing
	metrics      *prometheus.Registry
	tasks        *hardening.TaskMetrics
	guards       *hardening.GuardMetrics
	states       *hardening.StateMetrics
	// runs is the configured concurrency of each service; widths is its upper bound where
	// concurrency adapts to demand. started is the start time of the process.
	runs, widths map[string]int
	started      time.Time
	contexts     services.Contexts
	spool        string // where tasks put files
	// resident is the last measured resident set size in bytes.
	resident atomic.Int64
	// parts are started and stopped in this order.
	parts lifecycle.List
}

// build creates the objects. Nothing runs before the parts are started, and no model is
// loaded. Files that tasks create go to the spool folder. If build fails, nothing stays
// open. stored may be nil; services then store nothing.
func build(cfg config.Config, spool string, stored *storage, log *slog.Logger) (_ *system, err error) {
	catalog := modelstore.NewCatalog(models.FS, cfg.ModelsDir())
	if err := catalog.Check(); err != nil {
		return nil, err
	}
	rt, err := onnx.Open(cfg.ONNX)
	if err != nil {
		return nil, err
	}
	s := &system{cfg: cfg, catalog: catalog, spool: spool, log: log, runs: make(map[string]int), widths: make(map[string]int),
		started: time.Now(), runtime: rt, metrics: prometheus.NewRegistry(), registry: orchestrator.NewRegistry(log)}
	s.metrics.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	s.parts.Add("the engine", grace, lifecycle.Funcs{OnStop: rt.Close})
	defer func() {
		if err != nil {
			err = errors.Join(err, s.parts.Stop(context.Background()))
		}
	}()
	s.tasks, s.guards = hardening.NewTaskMetrics(s.metrics), hardening.NewGuardMetrics(s.metrics)

	memory := cfg.SystemHardening.ResourceManagement
	s.memory = resources.NewManager(memory, resources.FindBudget(memory, memprobe.Probe{}), s.metrics, log)
	s.memory.Measure(memprobe.Probe{})
	s.memory.Include(s.sessions)
	s.memory.Include(s.files)
	resources.LimitHeap(s.memory.Budget())
	s.performance = performance.New(cfg.SystemHardening.PerformanceMonitoring, s.processUsage, s.metrics, log)
	s.orchestrator = orchestrator.New(s.registry, s.memory, log, s.tasks, s.performance)
	if cfg.Tracing.Enabled {
		if s.tracer, err = tracing.New(cfg.Tracing, version.Version, s.metrics, log); err != nil {
			return nil, err
		}
		s.orchestrator.Trace(s.tracer)
		s.parts.Add("tracing", 0, lifecycle.Funcs{OnStop: s.stopTracing})
	}
	s.performance.OnSample(s.adapt)
	s.orchestrator.Resolver().Configure(cfg.Models.Names())
	s.health = hardening.NewHealth(cfg.Readiness.Required, s.serviceHealth)
	s.supervise()
	s.registerServices(stored)
	s.addParts()
	return s, nil
}

// registerServices creates and registers every service.
func (s *system) registerServices(stored *storage) {
	for _, m := range modules.All() {
		section := s.cfg.Services.Section(m.Name)
		runs, threads, most := m.Runs(*section.Common())
		deps := module.Deps{
			Audio: s.cfg.Audio.Limits(), Catalog: s.catalog, Runtime: s.runtime, Session: s.session(threads, runs),
			Residency: s.memory, Room: func() services.Bytes { return s.memory.Room(m.Name) }, Spool: s.spool,
		}
		if stored != nil {
			deps.Records, deps.Contexts = stored.database, stored.conversations
		}
		s.register(m.Build(section, deps), section.Common().Limits, runs, most)
	}
}

// planFrom is the memory budget below which ONNX Runtime's memory-pattern optimisation is
// off. It speeds runs up by a few percent, but the second run of a shape allocates its
// memory again in one step, which can exceed a small cgroup's limit.
const planFrom = services.GiB

// session returns the session settings of a service that runs the given number of tasks at
// once.
func (s *system) session(threads, runs int) onnx.SessionConfig {
	return onnx.SessionConfig{Threads: threads, Concurrent: runs > 1, NoPlan: s.memory.Budget().Bytes < planFrom}
}

// register adds a service with everything that belongs to it: a share of the budget, a
// guard, an entry in the registry, recovery, health checks and metrics.
func (s *system) register(service services.ModelService, limits module.Limits, runs, most int) {
	name := service.Describe().Name
	s.runs[name], s.widths[name] = runs, most
	s.memory.Limit(name, resources.ServiceLimit{MaxMemory: limits.MaxMemory, Runs: runs, MaxRuns: most, KeepAlive: limits.KeepAlive})
	// A task that has yielded its run slot is still inside the guard, and as many tasks can
	// do so as fit into the queue.
	inside := max(runs, most) + s.cfg.SystemHardening.ResourceManagement.QueueLimit
	guard := hardening.NewGuard(name, inside, s.cfg.Hardening, s.guards, s.log)
	entry := s.registry.Register(service, guard)
	entry.KeepModels(keeper{s, guard, limits.Recoverable})
	s.recovery.Watch(unit{entry.Unit, s}, guard, limits.Recoverable)
	s.monitor.Watch(unit{entry.Unit, s})
	s.tasks.Watch(service.Describe())
	if contexts, ok := service.(services.Contexts); ok {
		s.contexts = contexts
	}
	var custom []services.Metric
	if instrumented, ok := service.(services.Instrumented); ok {
		custom = instrumented.CustomMetrics()
	}
	s.performance.Watch(name, custom...)
}

// supervise creates recovery, the health monitor and the state metrics.
func (s *system) supervise() {
	cfg, log := s.cfg, s.log
	health := cfg.SystemHardening.HealthMonitoring
	s.recovery = hardening.NewRecovery(cfg.SystemHardening.ErrorRecovery, health.CheckInterval, cfg.Hardening.Breaker.Trials, s.metrics, log)
	s.monitor = hardening.NewMonitor(s.monitorConfig(), s.recovery, []hardening.ProcessCheck{
		{Name: "memory", Ask: s.memoryCheck},
		{Name: "disk", Ask: func() (bool, string) { return diskCheck(cfg.DataDir) }},
		{Name: "queue", Ask: s.queueCheck},
	}, s.metrics, log)
	s.states = hardening.NewStateMetrics(s.metrics)
	s.registry.OnTransition(s.states.Transition)
	s.registry.OnTransition(func(step services.Transition) {
		if step.From == services.StateInitializing && step.To == services.StateUnavailable {
			s.recovery.Trigger(step.Service, step.Model, step.Cause)
		}
	})
}

// requestTracer returns the tracer of requests, or nil if tracing is off.
func (s *system) requestTracer() api.Tracer {
	if s.tracer == nil {
		return nil
	}
	return s.tracer
}
