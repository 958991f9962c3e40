package app

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"github.com/grym-synth/grym-synth/api"
	"github.com/grym-synth/grym-synth/hardening"
	"github.com/grym-synth/grym-synth/hardening/tracing"
	"github.com/grym-synth/grym-synth/internal/config"
	"github.com/grym-synth/grym-synth/internal/version"
	"github.com/grym-synth/grym-synth/models"
	"github.com/grym-synth/grym-synth/orchestrator"
	"github.com/grym-synth/grym-synth/resources"
	"github.com/grym-synth/grym-synth/resources/memprobe"
	"github.com/grym-synth/grym-synth/services"
	"github.com/grym-synth/grym-synth/services/audioldm"
	"github.com/grym-synth/grym-synth/services/audioprocessor"
	"github.com/grym-synth/grym-synth/services/gama"
	"github.com/grym-synth/grym-synth/services/modelstore"
	"github.com/grym-synth/grym-synth/services/onnx"
	"github.com/grym-synth/grym-synth/services/wav2vec2"
)

// system is every object, wired.
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
	performance  *hardening.Performance
	tracer       *tracing.Tracer // nil traces nothing
	metrics      *prometheus.Registry
	tasks        *hardening.TaskMetrics
	guards       *hardening.GuardMetrics
	states       *hardening.StateMetrics
	// runs of each service at once, widths the most where they follow demand; started is when the process was built.
	runs, widths map[string]int
	started      time.Time
	contexts     *gama.Service
	spool        string // where tasks put files
	// resident is the resident set as the monitors measured it last, in bytes.
	resident atomic.Int64
	// background is what start began; stop ends it.
	background sync.WaitGroup
	stop       context.CancelFunc
}

// build makes the objects. Nothing runs yet and no model is loaded. What tasks
// make goes to files in the spool folder.
func build(cfg config.Config, spool string, log *slog.Logger) (*system, error) {
	catalog := modelstore.NewCatalog(models.FS, cfg.ModelsDir())
	if err := catalog.Check(); err != nil {
		return nil, err
	}
	rt, err := onnx.Open(cfg.ONNX)
	if err != nil {
		return nil, err
	}
	s := &system{cfg: cfg, catalog: catalog, spool: spool, log: log, runs: make(map[string]int), widths: make(map[string]int), started: time.Now(), runtime: rt, metrics: prometheus.NewRegistry(), registry: orchestrator.NewRegistry(log)}
	s.metrics.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	s.tasks, s.guards = hardening.NewTaskMetrics(s.metrics), hardening.NewGuardMetrics(s.metrics)

	memory := cfg.SystemHardening.ResourceManagement
	s.memory = resources.NewManager(memory, resources.FindBudget(memory, memprobe.Probe{}), s.metrics, log)
	s.memory.Measure(memprobe.Probe{})
	s.memory.Include(s.sessions)
	s.memory.Include(s.files)
	resources.LimitHeap(s.memory.Budget())
	s.performance = hardening.NewPerformance(cfg.SystemHardening.PerformanceMonitoring, s.processUsage, s.metrics, log)
	s.orchestrator = orchestrator.New(s.registry, s.memory, log, s.tasks, s.performance)
	if cfg.Tracing.Enabled {
		if s.tracer, err = tracing.New(cfg.Tracing, version.Version, s.metrics, log); err != nil {
			return nil, err
		}
		s.orchestrator.Trace(s.tracer)
	}
	s.performance.OnSample(s.adapt)
	s.health = hardening.NewHealth(cfg.Readiness.Required, s.serviceHealth)
	s.care()
	s.registerServices(spool)
	return s, nil
}

// registerServices makes every service and registers it.
func (s *system) registerServices(spool string) {
	audio := s.cfg.Audio.Limits()
	processor := s.cfg.Services.AudioProcessor
	s.register(audioprocessor.New(processor.Config, audio, spool), processor.ServiceLimits, cmp.Or(processor.Runs, runtime.GOMAXPROCS(0)), 0)

	catalog := s.catalog
	speech := s.cfg.Services.Wav2Vec2
	speech.Audio = audio
	runs, threads := config.Parallel(speech.Runs)
	s.register(wav2vec2.New(speech.Config, catalog, s.runtime, s.session(threads, runs), s.memory), speech.ServiceLimits, runs, s.widest(speech.Runs))

	sound := s.cfg.Services.AudioLDM
	runs, threads = config.Parallel(sound.Runs)
	s.register(audioldm.New(sound.Config, catalog, s.runtime, s.session(threads, runs), s.memory, func() services.Bytes { return s.memory.Room(audioldm.Name) }, spool), sound.ServiceLimits, runs, s.widest(sound.Runs))

	questions := s.cfg.Services.GAMA
	questions.Audio = audio
	runs, threads = config.Parallel(questions.Runs)
	asked := gama.New(questions.Config, catalog, s.runtime, s.session(threads, runs), s.memory)
	s.contexts = asked
	s.register(asked, questions.ServiceLimits, runs, s.widest(questions.Runs))
}

// widest is how many tasks of a service may run at once where demand asks for it;
// zero where the settings say how many.
func (s *system) widest(set int) int {
	if set > 0 {
		return 0
	}
	return runtime.GOMAXPROCS(0)
}

// planFrom is the budget from which runs are planned by shape: it makes them a few
// parts in a hundred faster and lets the second run of a shape take as much memory
// again, in one step, which a small control group has no room for.
const planFrom = services.GiB

// session sizes the sessions of a service that runs so many tasks at once.
func (s *system) session(threads, runs int) onnx.SessionConfig {
	return onnx.SessionConfig{Threads: threads, Concurrent: runs > 1, NoPlan: s.memory.Budget().Bytes < planFrom}
}

// register gives a service all that a service has: a share of the budget, a
// guard, a place in the registry, recovery, health checks and metrics.
func (s *system) register(service services.ModelService, limits config.ServiceLimits, runs, widest int) {
	name := service.Describe().Name
	s.runs[name], s.widths[name] = runs, widest
	s.memory.Limit(name, resources.ServiceLimit{MaxMemory: limits.MaxMemory, Runs: runs, MaxRuns: widest, KeepAlive: limits.KeepAlive})
	// A task that has given its run slot away for a while is still inside the
	// guard, and as many may be as can wait.
	inside := max(runs, widest) + s.cfg.SystemHardening.ResourceManagement.QueueLimit
	guard := hardening.NewGuard(name, inside, s.cfg.Hardening, s.guards, s.log)
	entry := s.registry.Register(service, guard)
	entry.KeepModels(keeper{s, guard, limits.Recoverable})
	patient := subject{entry.Unit, s}
	s.recovery.Watch(patient, guard, limits.Recoverable)
	s.monitor.Watch(patient)
	s.tasks.Watch(service.Describe())
	var custom []services.Metric
	if instrumented, ok := service.(services.Instrumented); ok {
		custom = instrumented.CustomMetrics()
	}
	s.performance.Watch(name, custom...)
}

// care makes those who look after the services.
func (s *system) care() {
	cfg, log := s.cfg, s.log
	health := cfg.SystemHardening.HealthMonitoring
	s.recovery = hardening.NewRecovery(cfg.SystemHardening.ErrorRecovery, health.CheckInterval, cfg.Hardening.Breaker.Trials, s.metrics, log)
	s.monitor = hardening.NewMonitor(hardening.MonitorConfig{
		Enabled: health.Enabled, CheckInterval: health.CheckInterval, StallTimeout: cfg.Hardening.StallTimeout,
	}, s.recovery, []hardening.ProcessCheck{
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

// start initialises the services that readiness asks for; the others start
// with their first task. A service that fails leaves the server up and unready,
// so that the probes can say why.
func (s *system) start(ctx context.Context, required []string, log *slog.Logger) {
	for _, name := range required {
		entry, err := s.registry.Lookup(name)
		if err == nil {
			err = entry.Initialize(ctx)
		}
		if err != nil {
			log.Error("service did not start", "service", name, "error", err)
		}
	}
	_, _ = s.measureResident() // the probes do without where it is not known
	s.monitor.Start()
	s.performance.Start()
	ctx, s.stop = context.WithCancel(ctx)
	s.background.Go(func() { s.memory.KeepTidy(ctx) })
	s.background.Go(func() { s.forgetModels(ctx, s.cfg.SystemHardening.HealthMonitoring.CheckInterval) })
	s.health.SetPhase(hardening.PhaseServing)
}

// requestTracer records requests; nil where tracing is off.
func (s *system) requestTracer() api.Tracer {
	if s.tracer == nil {
		return nil
	}
	return s.tracer
}

// close ends what build made, in the order of use: services, then the budget
// they book with, then the library under them.
func (s *system) close(ctx context.Context) error {
	if s.stop != nil {
		s.stop()
	}
	s.background.Wait()
	errs := []error{s.performance.Close(ctx), s.monitor.Close(ctx), s.recovery.Close(ctx)}
	errs = append(errs, s.registry.Shutdown(ctx)...)
	s.memory.Close()
	errs = append(errs, s.runtime.Close(ctx))
	if s.tracer != nil {
		// A receiver that is not there holds nobody up for long.
		bounded, cancel := context.WithTimeout(ctx, 3*time.Second)
		defer cancel()
		if err := s.tracer.Close(bounded); err != nil {
			s.log.Warn("traces were lost", "error", err)
		}
	}
	return errors.Join(errs...)
}
