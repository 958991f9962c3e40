package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"github.com/grym-synth/grym-synth/api"
	"github.com/grym-synth/grym-synth/api/patterns"
	"github.com/grym-synth/grym-synth/hardening"
	"github.com/grym-synth/grym-synth/hardening/performance"
	"github.com/grym-synth/grym-synth/hardening/tracing"
	"github.com/grym-synth/grym-synth/internal/config"
	"github.com/grym-synth/grym-synth/internal/lifecycle"
	"github.com/grym-synth/grym-synth/internal/modules"
	"github.com/grym-synth/grym-synth/internal/version"
	"github.com/grym-synth/grym-synth/models"
	"github.com/grym-synth/grym-synth/orchestrator"
	"github.com/grym-synth/grym-synth/orchestrator/pipelines"
	"github.com/grym-synth/grym-synth/resources"
	"github.com/grym-synth/grym-synth/resources/memprobe"
	"github.com/grym-synth/grym-synth/services"
	"github.com/grym-synth/grym-synth/services/modelstore"
	"github.com/grym-synth/grym-synth/services/modelstore/hub"
	"github.com/grym-synth/grym-synth/services/module"
	"github.com/grym-synth/grym-synth/services/onnx"
)

// system is every object, wired. What a phase of build makes, the later ones use.
type system struct {
	cfg     config.Config
	log     *slog.Logger
	spool   string // where tasks put files
	started time.Time
	metrics *prometheus.Registry
	*engine
	*budget
	*monitors
	*core
	// runs of each service at once, widths the most where they follow demand, and cores
	// those of its share.
	runs, widths, cores map[string]int
	contexts            services.Contexts
	patterns            patterns.Store
	pipelines           *pipelines.Service // nil without a storage
	// jobExists reports whether a job is stored. It is set before the parts are started.
	jobExists func(id string) bool
	// parts are started and stopped in this order.
	parts lifecycle.List
}

// build makes the objects. Nothing runs before the start of the parts, and no model is
// loaded. What tasks make goes to files in the spool folder. If it fails, nothing stays
// open. Jobs and the server are added by open.
func build(cfg config.Config, spool string, stored *storage, log *slog.Logger) (_ *system, err error) {
	s := &system{cfg: cfg, log: log, spool: spool, started: time.Now(), metrics: newMetrics()}
	s.runs, s.widths, s.cores = make(map[string]int), make(map[string]int), make(map[string]int)
	defer func() {
		if err != nil {
			err = errors.Join(err, s.parts.Stop(context.Background()))
		}
	}()
	if s.engine, err = openEngine(cfg); err != nil {
		return nil, err
	}
	s.parts.Add("the engine", grace, lifecycle.Funcs{OnStop: s.runtime.Close})
	s.budget = newBudget(cfg, s.engine, spool, s.metrics, log)
	if s.monitors, err = newMonitors(cfg, s.budget, s.metrics, log); err != nil {
		return nil, err
	}
	s.core = newCore(cfg, s.budget, s.monitors, log)
	s.registerServices(stored)
	if stored != nil {
		if err = s.registerPipelines(stored); err != nil {
			return nil, err
		}
	}
	s.addParts()
	return s, nil
}

func newMetrics() *prometheus.Registry {
	reg := prometheus.NewRegistry()
	reg.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return reg
}

// engine runs the graphs of the models in the catalog.
type engine struct {
	catalog *modelstore.Catalog
	// hub are the settings of the model hub, and known the models that can be pulled by
	// name.
	hub     hub.Settings
	known   hub.Catalogue
	runtime *onnx.Runtime
}

func openEngine(cfg config.Config) (*engine, error) {
	catalog := modelstore.NewCatalog(models.FS, cfg.ModelsDir())
	catalog.Supports(modules.ModelTypes())
	if err := catalog.Check(); err != nil {
		return nil, err
	}
	known, err := hub.ReadCatalogue(cfg.Models.Catalogue)
	if err != nil {
		return nil, fmt.Errorf("models.catalogue: %w", err)
	}
	settings, err := config.Hub()
	if err != nil {
		return nil, err
	}
	rt, err := onnx.Open(cfg.ONNX)
	return &engine{catalog: catalog, hub: settings, known: known, runtime: rt}, err
}

// budget is the memory that there is.
type budget struct {
	memory *resources.Manager
	// resident is the resident set as the monitors measured it last, in bytes.
	resident atomic.Int64
}

func newBudget(cfg config.Config, e *engine, spool string, reg prometheus.Registerer, log *slog.Logger) *budget {
	memory := cfg.SystemHardening.ResourceManagement
	b := &budget{memory: resources.NewManager(memory, resources.FindBudget(memory, memprobe.Probe{}), resources.Dependencies{
		Probe: memprobe.Probe{}, Gauge: e.runtime.NewGauge, CPU: memprobe.ProcessorTime,
		Sources: []func() []resources.Resource{e.sessions, func() []resources.Resource { return files(cfg, spool) }},
		Metrics: reg, Log: log,
	})}
	resources.LimitHeap(b.memory.Budget())
	return b
}

// monitors watch the process and its services, and record what happens. They know the
// services by their names, so that they can be made before them.
type monitors struct {
	recovery    *hardening.Recovery
	monitor     *hardening.Monitor
	performance *performance.Monitor
	tracer      *tracing.Tracer // nil traces nothing
	tasks       *hardening.TaskMetrics
	guards      *hardening.GuardMetrics
	states      *hardening.StateMetrics
}

func newMonitors(cfg config.Config, b *budget, reg prometheus.Registerer, log *slog.Logger) (*monitors, error) {
	settings := cfg.SystemHardening
	m := &monitors{
		recovery: hardening.NewRecovery(settings.ErrorRecovery, settings.HealthMonitoring.CheckInterval, cfg.Hardening.Breaker.Trials, reg, log),
		performance: performance.New(settings.PerformanceMonitoring, performance.Dependencies{
			Usage: b.processUsage, Sampled: b.adapt, Metrics: reg, Log: log,
		}),
		tasks: hardening.NewTaskMetrics(reg), guards: hardening.NewGuardMetrics(reg), states: hardening.NewStateMetrics(reg),
	}
	m.monitor = hardening.NewMonitor(monitorConfig(cfg), m.recovery, []hardening.ProcessCheck{
		{Name: "memory", Ask: b.memoryCheck},
		{Name: "disk", Ask: func() (bool, string) { return diskCheck(cfg.DataDir) }},
		{Name: "queue", Ask: b.queueCheck},
	}, reg, log)
	if !cfg.Tracing.Enabled {
		return m, nil
	}
	var err error
	m.tracer, err = tracing.New(cfg.Tracing, version.Version, reg, log)
	return m, err
}

// requestTracer records requests; nil where tracing is off.
func (m *monitors) requestTracer() api.Tracer {
	if m.tracer == nil {
		return nil
	}
	return m.tracer
}

// core runs the tasks.
type core struct {
	registry     *orchestrator.Registry
	orchestrator *orchestrator.Orchestrator
	health       *hardening.Health
}

func newCore(cfg config.Config, b *budget, m *monitors, log *slog.Logger) *core {
	c := &core{registry: orchestrator.NewRegistry(log, m.states.Transition, m.recovery.StartFailed)}
	c.orchestrator = orchestrator.New(orchestrator.Dependencies{
		Registry: c.registry, Admission: b.memory, Names: cfg.Models.Names(), Tracer: m.requestTracer(),
		Observers: []orchestrator.Observer{m.tasks, m.performance}, Log: log,
	})
	c.health = hardening.NewHealth(cfg.Readiness.Required, c.serviceHealth)
	return c
}

// registerServices makes every service and registers it. Without a storage, services
// keep nothing.
func (s *system) registerServices(stored *storage) {
	for _, m := range modules.All() {
		section := s.cfg.Services.Section(m.Name)
		common := *section.Common()
		runs, threads, most := m.Runs(common)
		cores := m.Cores(common)
		deps := module.Deps{
			Audio: s.cfg.Audio.Limits(), Catalog: s.catalog, Runtime: s.runtime, Session: s.session(threads, runs, cores),
			Residency: s.memory, Room: func() services.Bytes { return s.memory.Room(m.Name) }, Spool: s.spool,
			Replace: s.replacePulled, Hub: s.hub, Known: s.known, Memory: s.memory.Budget().Bytes, Execute: s.orchestrator.Execute, Log: s.log,
		}
		if stored != nil {
			deps.Records, deps.Contexts, deps.Recordings = stored.database, stored.conversations, recordings{stored.library}
		}
		s.register(m.Build(section, deps), common.Limits, runs, most, cores)
	}
}

// planFrom is the memory budget below which ONNX Runtime's memory-pattern optimisation is
// off. It speeds runs up by a few percent, but the second run of a shape allocates its
// memory again in one step, which can exceed a small cgroup's limit.
const planFrom = services.GiB

// session returns the session settings of a service that runs the given number of tasks at
// once.
func (s *system) session(threads, runs, cores int) onnx.SessionConfig {
	return onnx.SessionConfig{
		Threads: threads, Concurrent: runs > 1, Background: runs*threads > cores, Spin: s.cfg.ONNX.Spin,
		NoPlan: s.memory.Budget().Bytes < planFrom,
	}
}

// limit sets a service's share of the memory, the run slots and the cores.
func (s *system) limit(name string, limits module.Limits) {
	s.memory.Limit(name, resources.ServiceLimit{
		MaxMemory: limits.MaxMemory, Runs: s.runs[name], MaxRuns: s.widths[name], Cores: s.cores[name], KeepAlive: limits.KeepAlive,
	})
}

// register adds a service with everything that belongs to it: a share of the budget, a
// guard, an entry in the registry, recovery, health checks and metrics.
func (s *system) register(service services.ModelService, limits module.Limits, runs, most, cores int) {
	name := service.Describe().Name
	s.runs[name], s.widths[name], s.cores[name] = runs, most, cores
	s.limit(name, limits)
	// A task that has yielded its run slot is still inside the guard, and as many tasks can
	// do so as fit into the queue.
	inside := max(runs, most) + s.cfg.SystemHardening.ResourceManagement.QueueLimit
	guard := hardening.NewGuard(name, inside, s.cfg.Hardening, s.recovery.BreakerChanged, s.guards, s.log)
	entry := s.registry.Register(service, guard, keeper{s, guard, limits.Recoverable})
	s.recovery.Watch(unit{entry.Unit, s}, guard, limits.Recoverable)
	s.monitor.Watch(unit{entry.Unit, s})
	s.tasks.Watch(service.Describe())
	if contexts, ok := service.(services.Contexts); ok {
		s.contexts = contexts
	}
	if learnt, ok := service.(patterns.Store); ok {
		s.patterns = learnt
	}
	var custom []services.Metric
	if instrumented, ok := service.(services.Instrumented); ok {
		custom = instrumented.CustomMetrics()
	}
	s.performance.Watch(name, custom...)
}
