package app

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/grym-synth/grym-synth/api/gen"
	"github.com/grym-synth/grym-synth/orchestrator"
	"github.com/grym-synth/grym-synth/services"
)

// systemView returns the state of every part.
func (s *system) systemView(ctx context.Context) gen.System {
	report, hardening, performance := s.health.Report(), s.cfg.SystemHardening, s.performance.Report()
	view := gen.System{
		Started: s.started, UptimeSeconds: time.Since(s.started).Seconds(),
		Phase: gen.SystemPhase(report.Phase), Ready: len(report.Reasons) == 0, Reasons: append([]string{}, report.Reasons...),
		Capabilities: []gen.Capability{},
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
		for _, check := range s.monitor.Checks("", "") {
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
		needs := s.needs(ctx, entry)
		view.Parts[len(view.Parts)-1].Needs = &needs
		models := entry.Models()
		for _, model := range models {
			if model.Problem != "" {
				add(gen.SystemPartKindModel, model.Name, true, string(model.State), model.Problem)
			}
		}
		view.Capabilities = append(view.Capabilities, capabilities(entry, models)...)
	}
	for _, model := range s.catalog.Unreadable() {
		add(gen.SystemPartKindModel, model.Name, true, string(model.State), model.Problem)
	}
	return view
}

// needs returns what a service needs and has.
func (s *system) needs(ctx context.Context, entry *orchestrator.Registration) gen.ServiceNeeds {
	var needs gen.ServiceNeeds
	for _, use := range s.memory.Usage().Services {
		if use.Name == entry.Name() {
			needs = gen.ServiceNeeds{
				MaxBytes: int64(use.Limit.MaxMemory), MaxRuns: use.Runs, Running: use.Running, Waiting: use.Waiting,
				HasBytes: int64(use.Leased + use.Resident + use.Retained),
			}
		}
	}
	if bytes, err := entry.Smallest(ctx); err == nil && bytes > 0 {
		smallest := int64(bytes)
		needs.SmallestTaskBytes = &smallest
	}
	return needs
}

// capabilities are the tasks that a service takes, with those of its models that
// can be used.
func capabilities(entry *orchestrator.Registration, all []services.ModelStatus) (list []gen.Capability) {
	status, models := entry.Status(), []string{}
	for _, model := range all {
		if model.Problem == "" {
			models = append(models, model.Name)
		}
	}
	_, open := entry.Guard.Open()
	shut := []services.State{services.StateRecovering, services.StateUnavailable, services.StateStopped}
	ready := !open && !slices.Contains(shut, status.State)
	for _, task := range entry.Describe().Tasks {
		list = append(list, gen.Capability{Task: task.Name, Service: entry.Name(), Ready: ready, Models: models})
	}
	return list
}
