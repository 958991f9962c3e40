package hardening_test

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"github.com/grym-synth/grym-synth/hardening"
	"github.com/grym-synth/grym-synth/orchestrator"
	"github.com/grym-synth/grym-synth/services"
	"github.com/grym-synth/grym-synth/services/servicetest"
)

const interval = 30 * time.Second

var errCut = errors.New("the model file is cut short")

// single is a service without models by name. Its files can be broken.
type single struct {
	mu     sync.Mutex
	slow   time.Duration // the start
	up     bool
	broken error // of the start, and of tasks
	leave  error // of the shutdown
	starts int
}

func (s *single) change(f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f()
}

func (s *single) Describe() services.Description { return services.Description{Name: "echo"} }

func (s *single) Initialize(context.Context) error {
	time.Sleep(s.slow)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.starts++
	s.up = s.broken == nil
	return s.broken
}

func (s *single) Initialized() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.up
}

func (s *single) Shutdown(context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.up = false
	return s.leave
}

func (s *single) Status() services.ServiceStatus   { return services.ServiceStatus{} }
func (s *single) Metrics() services.ServiceMetrics { return services.ServiceMetrics{} }

func (s *single) Prepare(context.Context, services.Task) (services.Work, error) {
	return servicetest.Work{Needs: 1, Do: s.say}, nil
}

func (s *single) say(context.Context, services.Sink) (services.TaskResult, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return services.TaskResult{}, s.broken
}

func (s *single) CanaryTask() services.Task { return services.Task{Service: "echo"} }

// several is a service with models, the default one among them.
type several struct {
	single
	cut    map[string]bool
	unread error // of the preparation of tasks
}

func (s *several) Describe() services.Description {
	return services.Description{Name: "echo", DefaultModel: "first"}
}

func (s *several) Models() []services.ModelStatus {
	return []services.ModelStatus{{Name: "first"}, {Name: "second"}}
}

// Initialize does nothing where the service is started.
func (s *several) Initialize(ctx context.Context) error {
	if s.Initialized() {
		return nil
	}
	return s.single.Initialize(ctx)
}

func (s *several) LoadModel(_ context.Context, name string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.cut[name] {
		return errCut
	}
	return nil
}

func (s *several) UnloadModel(context.Context, string) error { return nil }

func (s *several) Prepare(_ context.Context, task services.Task) (services.Work, error) {
	if s.unread != nil {
		return nil, s.unread
	}
	model := cmp.Or(task.Model, "first")
	return servicetest.Work{On: model, Needs: 1, Do: func(ctx context.Context, sink services.Sink) (services.TaskResult, error) {
		if err := s.LoadModel(ctx, model); err != nil {
			return services.TaskResult{}, err
		}
		return s.say(ctx, sink)
	}}, nil
}

// free lets every task run.
type free struct{}

func (free) Acquire(context.Context, services.Claim) (services.Lease, error) {
	return servicetest.Lease(func(context.Context) error { return nil }), nil
}

// unit is a unit of the orchestrator with its canary.
type unit struct {
	*orchestrator.Unit
	o *orchestrator.Orchestrator
}

func (u unit) Canary(ctx context.Context) error { return u.o.Canary(ctx, u.Name(), u.Model()) }

// bench is one service under the real orchestrator, guards, monitor and recovery.
type bench struct {
	t           *testing.T
	o           *orchestrator.Orchestrator
	entry       *orchestrator.Registration
	guard       *hardening.Guard
	recovery    *hardening.Recovery
	monitor     *hardening.Monitor
	recoverable bool
}

func newBench(t *testing.T, service services.ModelService, recoverable bool) *bench {
	t.Helper()
	reg, log := prometheus.NewRegistry(), slog.New(slog.DiscardHandler)
	cfg := hardening.DefaultConfig()
	cfg.Breaker.Failures = 2
	b := &bench{t: t, recoverable: recoverable}
	b.recovery = hardening.NewRecovery(hardening.DefaultRecoveryConfig(), interval, cfg.Breaker.Trials, reg, log)
	registry := orchestrator.NewRegistry(log, b.recovery.StartFailed)
	b.o = orchestrator.New(orchestrator.Dependencies{Registry: registry, Admission: free{}, Log: log})
	b.guard = hardening.NewGuard("echo", 10, cfg, b.recovery.BreakerChanged, hardening.NewGuardMetrics(reg), log)
	b.entry = registry.Register(service, b.guard, b)
	health := hardening.MonitorConfig{Enabled: true, CheckInterval: interval, StallTimeout: 2 * time.Minute}
	b.monitor = hardening.NewMonitor(health, b.recovery, nil, reg, log)
	b.recovery.Watch(unit{b.entry.Unit, b.o}, b.guard, recoverable)
	b.monitor.Watch(unit{b.entry.Unit, b.o})
	require.NoError(t, b.monitor.Start(context.Background()))
	t.Cleanup(func() {
		require.NoError(t, b.monitor.Stop(context.Background()))
		require.NoError(t, b.recovery.Stop(context.Background()))
		registry.Shutdown(context.Background())
	})
	return b
}

// Watch implements orchestrator.Keeper.
func (b *bench) Watch(u *orchestrator.Unit) orchestrator.Guard {
	guard := b.guard.ForModel(u.Model())
	b.recovery.Watch(unit{u, b.o}, guard, b.recoverable)
	b.monitor.Watch(unit{u, b.o})
	return guard
}

// Forget implements orchestrator.Keeper.
func (b *bench) Forget(u *orchestrator.Unit) {
	b.monitor.Forget(u.Name(), u.Model())
	b.recovery.Forget(u.Name(), u.Model())
}

// run runs a task with a model.
func (b *bench) run(model string) error {
	_, err := b.o.Execute(b.t.Context(), services.Task{ID: "1", Service: "echo", Model: model}, services.DiscardSink{})
	return err
}

// restart restarts the service, or one model of it.
func (b *bench) restart(model string) error {
	release, err := b.entry.Hold(model)
	if err != nil {
		return err
	}
	defer release()
	return b.recovery.Restart(b.t.Context(), "echo", model)
}

// refusal requires that a task of the model is refused because the unit is unavailable, and
// that the refusal has the time that remains until the next attempt to recover it.
func (b *bench) refusal(model string, remains time.Duration) {
	b.t.Helper()
	var fault *services.Fault
	require.ErrorAs(b.t, b.run(model), &fault)
	require.Equal(b.t, services.KindUnavailable, fault.Kind)
	require.Equal(b.t, remains, fault.RetryAfter)
	require.ErrorContains(b.t, fault, "is unavailable")
	require.ErrorContains(b.t, fault, errCut.Error())
}

func TestARestartThatFailsGoesOnAsARecovery(t *testing.T) {
	for name, service := range map[string]services.ModelService{"without models": &single{}, "with models": &several{}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var s *single
				switch service := service.(type) {
				case *single:
					s = service
				case *several:
					s = &service.single
				}
				b := newBench(t, service, true)
				require.NoError(t, b.run(""))
				s.change(func() { s.broken = errCut })
				require.ErrorIs(t, b.restart(""), errCut)
				time.Sleep(10 * time.Second)
				require.Equal(t, services.StateUnavailable, b.entry.State())
				require.Contains(t, b.entry.Status().LastError, errCut.Error())
				b.refusal("", interval-7*time.Second)
				time.Sleep(24 * time.Hour)
				b.refusal("", interval-7*time.Second)
				s.change(func() { s.broken = nil })
				time.Sleep(interval + time.Second)
				require.Equal(t, services.StateReady, b.entry.State())
				events := b.entry.Events()
				require.Equal(t, "recovered: restart by an operator", events[len(events)-1].Cause)
				require.NoError(t, b.run(""))
			})
		})
	}
}

func TestARestartOfAModelThatFailsGoesOnAsItsRecovery(t *testing.T) {
	for _, model := range []string{"first", "second"} {
		t.Run(model, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				other := map[string]string{"first": "second", "second": "first"}[model]
				s := &several{cut: make(map[string]bool)}
				b := newBench(t, s, true)
				require.NoError(t, b.run("first"))
				require.NoError(t, b.run("second"))
				s.change(func() { s.cut[model] = true })
				require.ErrorIs(t, b.restart(model), errCut)
				time.Sleep(10 * time.Second)
				b.refusal(model, interval-7*time.Second)
				require.NoError(t, b.run(other))
				s.change(func() { s.cut[model] = false })
				time.Sleep(interval + time.Second)
				require.NoError(t, b.run(model))
				require.Equal(t, 1, s.starts, "the service was not restarted")
			})
		})
	}
}

func TestARestartThatFailsWithoutRecoveryIsTriedByTheNextTask(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &several{cut: make(map[string]bool)}
		b := newBench(t, s, false)
		require.NoError(t, b.run("first"))
		require.NoError(t, b.run("second"))

		s.change(func() { s.broken = errCut })
		require.ErrorIs(t, b.restart(""), errCut)
		require.Equal(t, services.StateUnavailable, b.entry.State())
		require.Contains(t, b.entry.Status().LastError, errCut.Error())
		time.Sleep(24 * time.Hour)
		require.Equal(t, services.KindUnavailable, services.KindOf(b.run("")))
		s.change(func() { s.broken = nil })
		require.NoError(t, b.run(""))
		require.Equal(t, services.StateReady, b.entry.State())

		for _, model := range []string{"first", "second"} {
			s.change(func() { s.cut[model] = true })
			require.ErrorIs(t, b.restart(model), errCut)
			u := b.entry.Unit
			if model == "second" {
				u = b.entry.Units()[0]
			}
			require.Equal(t, services.StateUnavailable, u.State())
			require.Equal(t, services.KindInternal, services.KindOf(b.run(model)), "its guard judges it")
			s.change(func() { s.cut[model] = false })
			require.NoError(t, b.run(model))
			require.Equal(t, services.StateReady, u.State())
		}
	})
}

func TestARestartAfterAShutdownThatFailedLetsEveryModelRunAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &several{}
		b := newBench(t, s, true)
		require.NoError(t, b.run("first"))
		require.NoError(t, b.run("second"))
		s.change(func() { s.leave, s.broken = errors.New("tasks are under way"), errCut })
		require.ErrorContains(t, b.restart(""), "could not be unloaded")
		require.Equal(t, services.KindUnavailable, services.KindOf(b.run("second")), "it is half shut down")
		s.change(func() { s.leave, s.broken = nil, nil })
		time.Sleep(2 * interval)
		require.NoError(t, b.run("first"))
		require.NoError(t, b.run("second"))
	})
}

func TestARestartTakesARecoveryOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &several{cut: map[string]bool{"second": true}}
		b := newBench(t, s, true)
		require.NoError(t, b.run("first"))
		for range 2 {
			require.Error(t, b.run("second"))
		}
		time.Sleep(time.Minute)
		b.refusal("second", 3*time.Second)
		s.change(func() { s.cut["second"] = false })
		require.NoError(t, b.restart("second"))
		require.NoError(t, b.run("second"), "at once")

		// Its next failure starts a recovery, while that before would still sleep.
		s.change(func() { s.cut["second"] = true })
		for range 2 {
			require.Error(t, b.run("second"))
		}
		second := b.entry.Units()[0]
		require.Equal(t, services.StateRecovering, second.State(), "the attempts before do not count")
		s.change(func() { s.cut["second"] = false })
		time.Sleep(2 * time.Second)
		require.Equal(t, services.StateReady, second.State())
	})
}

func TestARestartOfTheServiceTakesItsModelsWithIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &several{cut: map[string]bool{"second": true}}
		b := newBench(t, s, true)
		require.NoError(t, b.run("first"))
		for range 2 {
			require.Error(t, b.run("second"))
		}
		time.Sleep(time.Minute)
		b.refusal("second", 3*time.Second)

		s.change(func() { s.broken = errCut })
		require.Error(t, b.restart(""))
		time.Sleep(time.Minute)
		b.refusal("second", 3*time.Second)
		b.refusal("first", 3*time.Second)
		s.change(func() { s.broken, s.cut["second"] = nil, false })
		require.NoError(t, b.restart(""))
		require.NoError(t, b.run("first"))
		require.NoError(t, b.run("second"))
		events := b.entry.Events()
		require.Equal(t, services.StateReady, events[len(events)-1].To)
	})
}
