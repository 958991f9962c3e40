package app

import (
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"github.com/grym-synth/grym-synth/internal/config"
	"github.com/grym-synth/grym-synth/resources"
	"github.com/grym-synth/grym-synth/resources/memprobe"
)

// apply puts changed settings in force; internal/config lets only live ones
// come so far.
func (s *system) apply(changed *config.Loaded) {
	memory := changed.SystemHardening.ResourceManagement
	budget := resources.FindBudget(memory, memprobe.Probe{})
	s.memory.Tune(memory, budget)
	for name, runs := range s.runs {
		limits, err := changed.Limits(name)
		if err != nil {
			s.log.Error("a service's limits cannot be read", "service", name, "error", err)
			continue
		}
		s.memory.Limit(name, resources.ServiceLimit{MaxMemory: limits.MaxMemory, Runs: runs, MaxRuns: s.widths[name], KeepAlive: limits.KeepAlive})
	}
	s.performance.Configure(changed.SystemHardening.PerformanceMonitoring)
	s.health.Require(changed.Readiness.Required)
	s.orchestrator.Resolver().Configure(changed.Models.Names())
	s.reportNames()
}

// reportNames logs what is wrong with the names of models, such as an alias that stands
// for nothing. Folders may come later, so it is no error.
func (s *system) reportNames() {
	for _, problem := range s.orchestrator.Resolver().Problems() {
		s.log.Warn("a model's name is of no use", "problem", problem)
	}
}

// reloadOnHangup reads the file of settings again at each SIGHUP, until the
// function that it gives is called.
func (s *system) reloadOnHangup(settings *config.Live, log *slog.Logger) (stop func()) {
	signals, done := make(chan os.Signal, 1), make(chan struct{})
	signal.Notify(signals, syscall.SIGHUP)
	go func() {
		defer close(done)
		for range signals {
			if changed, err := settings.Reload(); err != nil {
				log.Error("settings not reloaded", "error", err)
			} else {
				log.Info("settings reloaded", "keys", changed)
			}
		}
	}()
	return func() {
		signal.Stop(signals)
		close(signals)
		<-done
	}
}
