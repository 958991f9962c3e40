package app

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/grym-synth/grym-synth/hardening"
	"github.com/grym-synth/grym-synth/internal/config"
	"github.com/grym-synth/grym-synth/internal/lifecycle"
)

// grace is the time that each part has to stop, even if requests have used the whole drain
// timeout.
const grace = 10 * time.Second

// traceGrace is the time to send the last traces, whose receiver may be unreachable.
const traceGrace = 3 * time.Second

// addParts adds the parts in start order: the memory budget before the services, and the
// monitors after them.
func (s *system) addParts() {
	if s.tracer != nil {
		s.parts.Add("tracing", 0, lifecycle.Funcs{OnStop: s.stopTracing})
	}
	s.parts.Add("the memory budget", grace, s.memory)
	s.parts.Add("the services", grace, lifecycle.Funcs{OnStop: func(ctx context.Context) error {
		return errors.Join(s.registry.Shutdown(ctx)...)
	}})
	s.parts.Add("recovery", grace, lifecycle.Funcs{OnStop: s.recovery.Stop})
	s.parts.Add("health monitoring", grace, lifecycle.Funcs{
		OnStart: func(ctx context.Context) error {
			_, _ = s.measureResident() // the probes omit it if it is unknown
			return s.monitor.Start(ctx)
		},
		OnStop: s.monitor.Stop,
	})
	s.parts.Add("performance monitoring", grace, s.performance)
	s.parts.Add("the list of models", grace, &pruner{every: s.cfg.SystemHardening.HealthMonitoring.CheckInterval, follow: s.followModels})
}

// addJobs adds the store and the parts that use it.
func (s *system) addJobs(a *asynchronous) {
	s.parts.Add("the store", grace, a.store)
	disks := newDisks(s.spool, a.store, s.log)
	s.health.AlsoAsk(disks.Reasons)
	s.parts.Add("the watch of the disks", grace, disks)
	s.parts.Add("the records", grace, a.database)
	s.parts.Add("the upgrade of the data folder", grace, a.upgrade)
	s.parts.Add("jobs", 0, a.jobs) // running jobs may use the rest of the drain timeout, and no more
	s.parts.Add("batches", grace, a.batches)
}

// addServing adds the listener and the parts that start after it: requests are answered
// while models load, and a stop begins by refusing further work.
func (s *system) addServing(server lifecycle.Part, settings *config.Live, stopIntake func()) {
	s.parts.Add("the listener", 0, server)
	s.parts.Add("the services that readiness asks for", 0, lifecycle.Funcs{OnStart: s.initializeRequired})
	preloads := &preloads{}
	s.health.AlsoAsk(preloads.reasons)
	s.parts.Add("the models that are loaded at the start", 0, lifecycle.Funcs{OnStart: func(ctx context.Context) error {
		s.preload(ctx, preloads)
		return nil
	}})
	s.parts.Add("the reload of settings", grace, &reloader{settings: settings, log: s.log})
	s.parts.Add("serving", 0, lifecycle.Funcs{
		OnStart: func(context.Context) error { s.health.SetPhase(hardening.PhaseServing); return nil },
		OnStop: func(context.Context) error {
			stopIntake()
			s.health.SetPhase(hardening.PhaseDraining)
			return nil
		},
	})
}

// stopTracing sends the last traces, within a short time.
func (s *system) stopTracing(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), traceGrace)
	defer cancel()
	if err := s.tracer.Close(ctx); err != nil {
		s.log.Warn("traces were lost", "error", err)
	}
	return nil
}

// initializeRequired initialises the services that readiness requires; the others start
// with their first task. If a service fails, the server stays up but not ready, so that the
// probes can report the reason.
func (s *system) initializeRequired(ctx context.Context) error {
	s.reportNames()
	for _, name := range s.cfg.Readiness.Required {
		entry, err := s.registry.Lookup(name)
		if err == nil {
			err = entry.Initialize(ctx)
		}
		if err != nil {
			s.log.Error("service did not start", "service", name, "error", err)
		}
	}
	return nil
}

// pruner removes the models whose folders have been deleted, and their metrics, and replaces
// those whose folders another process has pulled anew.
type pruner struct {
	lifecycle.Group
	every  time.Duration
	follow func(ctx context.Context)
}

// Start implements lifecycle.Part.
func (p *pruner) Start(ctx context.Context) error {
	return p.Group.Start(ctx, func(ctx context.Context) { lifecycle.Every(ctx, p.every, func() { p.follow(ctx) }) })
}

func (s *system) followModels(ctx context.Context) {
	for _, entry := range s.registry.List() {
		entry.Prune()
	}
	s.replaceOutdated(ctx)
}

// reloader reads the configuration file again at each SIGHUP.
type reloader struct {
	lifecycle.Group
	settings *config.Live
	log      *slog.Logger
}

// Start implements lifecycle.Part.
func (r *reloader) Start(ctx context.Context) error {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGHUP)
	err := r.Group.Start(ctx, func(ctx context.Context) {
		defer signal.Stop(signals)
		for {
			select {
			case <-ctx.Done():
				return
			case <-signals:
				r.reload()
			}
		}
	})
	if err != nil {
		signal.Stop(signals)
	}
	return err
}

func (r *reloader) reload() {
	if changed, err := r.settings.Reload(); err != nil {
		r.log.Error("settings not reloaded", "error", err)
	} else {
		r.log.Info("settings reloaded", "keys", changed)
	}
}
