package main

import (
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/grym-synth/grym-synth/api/gen"
	"github.com/grym-synth/grym-synth/internal/config"
	"github.com/grym-synth/grym-synth/resources"
	"github.com/grym-synth/grym-synth/resources/memprobe"
	"github.com/grym-synth/grym-synth/services"
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
		s.memory.Limit(name, resources.ServiceLimit{MaxMemory: limits.MaxMemory, Runs: runs, KeepAlive: limits.KeepAlive})
	}
	s.performance.Configure(changed.SystemHardening.PerformanceMonitoring)
	s.health.Require(changed.Readiness.Required)
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

// systemView tells how every part is.
func (s *system) systemView() gen.System {
	report, hardening, performance := s.health.Report(), s.cfg.SystemHardening, s.performance.Report()
	view := gen.System{
		Started: s.started, UptimeSeconds: time.Since(s.started).Seconds(),
		Phase: gen.SystemPhase(report.Phase), Ready: len(report.Reasons) == 0, Reasons: append([]string{}, report.Reasons...),
	}
	add := func(kind gen.SystemPartKind, name string, enabled bool, state, detail string) {
		part := gen.SystemPart{Name: name, Kind: kind, Enabled: enabled, State: state}
		if detail != "" {
			part.Detail = &detail
		}
		view.Parts = append(view.Parts, part)
	}
	add(gen.SystemPartKindLibrary, "onnxruntime", true, "ready", s.runtime.Version())
	for _, part := range []struct {
		name    string
		enabled bool
		detail  string
	}{
		{"healthMonitoring", hardening.HealthMonitoring.Enabled, "every " + hardening.HealthMonitoring.CheckInterval.String()},
		{"performanceMonitoring", performance.Enabled, "every " + performance.Interval.String()},
		{"errorRecovery", hardening.ErrorRecovery.Enabled, fmt.Sprintf("%d attempts in a row", hardening.ErrorRecovery.MaxAttempts)},
		{"resourceManagement", hardening.ResourceManagement.Enabled, fmt.Sprintf("a budget of %s, by %s", s.memory.Budget().Bytes, s.memory.Budget().Bound)},
	} {
		state := "ready"
		if !part.enabled {
			state = "off"
		}
		for _, check := range s.monitor.Checks("") {
			if part.name == "healthMonitoring" && !check.OK {
				state, part.detail = "failing", check.Name+": "+check.Detail
			}
		}
		add(gen.SystemPartKindHardening, part.name, part.enabled, state, part.detail)
	}
	for _, entry := range s.registry.List() {
		status, detail := entry.Status(), entry.Describe().Summary
		if status.LastError != "" && status.State != services.StateReady {
			detail = status.LastError
		}
		add(gen.SystemPartKindService, entry.Name(), true, string(status.State), detail)
	}
	return view
}
