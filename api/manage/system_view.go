package manage

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/grym-synth/grym-synth/api/gen"
	"github.com/grym-synth/grym-synth/api/web"
	"github.com/grym-synth/grym-synth/orchestrator"
	"github.com/grym-synth/grym-synth/services"
)

// SystemView returns the state of every part.
func (s *State) SystemView(ctx context.Context) gen.System {
	report, performance := s.Health.Report(), s.Performance.Report()
	view := gen.System{
		Started: s.Started, UptimeSeconds: time.Since(s.Started).Seconds(),
		Phase: gen.SystemPhase(report.Phase), Ready: len(report.Reasons) == 0, Reasons: append([]string{}, report.Reasons...),
		Capabilities: []gen.Capability{}, Capacity: s.capacity(), Audio: s.formats(),
	}
	add := func(kind gen.SystemPartKind, name string, enabled bool, state, detail string) {
		part := gen.SystemPart{Name: name, Kind: kind, Enabled: enabled, State: state}
		if detail != "" {
			part.Detail = &detail
		}
		view.Parts = append(view.Parts, part)
	}
	add(gen.SystemPartKindLibrary, "onnxruntime", true, "ready", s.Engine)
	for _, part := range []struct {
		name    string
		enabled bool
		detail  string
	}{
		{"healthMonitoring", s.HealthMonitoring.Enabled, "every " + s.HealthMonitoring.CheckInterval.String()},
		{"performanceMonitoring", performance.Enabled, "every " + performance.Interval.String()},
		{"errorRecovery", s.ErrorRecovery.Enabled, fmt.Sprintf("%d consecutive attempts", s.ErrorRecovery.MaxAttempts)},
		{"resourceManagement", s.ResourceManagement.Enabled,
			fmt.Sprintf("a budget of %s, set by %s", s.Memory.Budget().Bytes, s.Memory.Budget().Bound)},
	} {
		state := "ready"
		if !part.enabled {
			state = "off"
		}
		for _, check := range s.Monitor.Checks("", "") {
			if part.name == "healthMonitoring" && !check.OK {
				state, part.detail = "failing", check.Name+": "+check.Detail
			}
		}
		add(gen.SystemPartKindHardening, part.name, part.enabled, state, part.detail)
	}
	for _, entry := range s.Services.List() {
		status, detail := entry.Status(), entry.Describe().Summary
		if status.LastError != "" && status.State != services.StateReady {
			detail = status.LastError
		} else if health := entry.Guard.Health(); health.Status == services.HealthFailing {
			detail = "failing: " + health.Reason
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
		view.Capabilities = append(view.Capabilities, s.capabilities(entry, models)...)
	}
	for _, model := range s.Unreadable() {
		add(gen.SystemPartKindModel, model.Name, true, string(model.State), model.Problem)
	}
	return view
}

// formats returns the file formats that can be read and written now.
func (s *State) formats() gen.AudioFormats {
	if s.Formats == nil {
		return gen.AudioFormats{Decodes: []string{}, Encodes: []string{}}
	}
	return s.Formats()
}

// needs returns the resources and settings of a service.
func (s *State) needs(ctx context.Context, entry *orchestrator.Registration) gen.ServiceNeeds {
	var needs gen.ServiceNeeds
	for _, use := range s.Memory.Usage().Services {
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

// capabilities returns the tasks of a service, each with the models that can do it now.
func (s *State) capabilities(entry *orchestrator.Registration, all []services.ModelStatus) (list []gen.Capability) {
	problem := entry.TaskProblem()
	for _, task := range entry.Describe().Tasks {
		one := gen.Capability{Task: task.Name, Service: entry.Name(), Models: []string{}}
		for _, model := range all {
			if problem == "" && entry.CanDo(model, task.Name) {
				one.Models = append(one.Models, model.Name)
			}
		}
		reason := problem
		if problem == "" && entry.Describe().DefaultModel != "" && len(one.Models) == 0 {
			reason = "no model that can be used now can do it"
		}
		one.Ready, one.Reason = reason == "", web.Unless(reason, "")
		if s.Resolve != nil {
			if found, err := s.Resolve(task.Name, ""); err == nil && found.Service == entry.Name() {
				if model := cmp.Or(found.Model, entry.Describe().DefaultModel); slices.Contains(one.Models, model) {
					one.DefaultModel = &model
				}
			}
		}
		list = append(list, one)
	}
	return list
}
