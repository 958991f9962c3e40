package manage

import (
	"time"

	"github.com/grym-synth/grym-synth/api/gen"
	"github.com/grym-synth/grym-synth/hardening"
)

// HealthView is the state that the probes return.
type HealthView struct {
	Phase string
	Since time.Time
	// Reasons are the reasons why the server is not ready; empty if it is ready.
	Reasons []string
	Memory  gen.MemoryUse
	Tasks   gen.TaskCounts
	// BreakerOpen reports, by service, whether the circuit breaker is open.
	BreakerOpen map[string]bool
	// Problems are the reasons why services are not ready, by service.
	Problems map[string]string
	// Drained are the sentences that operators have drained services, by service.
	Drained map[string]string
	// Checks are the process checks of the health monitor, ServiceChecks those of each
	// service.
	Checks        []gen.HealthCheck
	ServiceChecks map[string][]gen.HealthCheck
	// Models are the models other than the default, by service.
	Models map[string][]gen.ModelHealth
	// Warnings are those of the performance monitor.
	Warnings []gen.PerformanceWarning
}

// HealthView returns the state that the probes show. It does no I/O: probes are frequent
// and must be answered even if a disk does not respond.
func (s *State) HealthView() HealthView {
	report, usage := s.Health.Report(), s.Memory.Usage()
	view := HealthView{
		Phase: string(report.Phase), Since: report.Since, Reasons: report.Reasons,
		Memory:      gen.MemoryUse{BudgetBytes: int64(usage.Budget), LeasedBytes: int64(usage.Leased), ModelBytes: int64(usage.Resident)},
		Tasks:       gen.TaskCounts{Running: usage.Running, Waiting: usage.Waiting},
		BreakerOpen: make(map[string]bool), Problems: make(map[string]string), Drained: make(map[string]string),
	}
	if bytes := int64(s.Resident()); bytes > 0 {
		view.Memory.ResidentBytes = &bytes
	}
	for _, service := range report.Services {
		view.BreakerOpen[service.Name] = service.BreakerOpen
		view.Drained[service.Name] = service.Drained
		if problem := service.Problem(); problem != "" {
			view.Problems[service.Name] = problem
		}
	}
	view.Warnings = warnings(s.Performance.Report().Warnings)
	view.Checks = checks(s.Monitor.Checks("", ""))
	for _, check := range s.Checks {
		view.Checks = append(view.Checks, checks([]hardening.Check{check()})...)
	}
	view.ServiceChecks = make(map[string][]gen.HealthCheck)
	view.Models = make(map[string][]gen.ModelHealth)
	for _, service := range report.Services {
		view.ServiceChecks[service.Name] = checks(s.Monitor.Checks(service.Name, ""))
		for _, model := range service.Models {
			view.Models[service.Name] = append(view.Models[service.Name], s.modelHealth(service.Name, model))
		}
	}
	return view
}

// modelHealth returns the view of a model other than the default.
func (s *State) modelHealth(service string, model hardening.ModelHealth) gen.ModelHealth {
	checks := checks(s.Monitor.Checks(service, model.Name))
	view := gen.ModelHealth{
		Name: model.Name, State: gen.ModelHealthState(model.Status.State), Since: model.Status.Since, BreakerOpen: model.BreakerOpen,
		Checks: &checks,
	}
	if model.Status.LastError != "" {
		view.LastError = &model.Status.LastError
	}
	if !model.Status.LastSuccess.IsZero() {
		view.LastSuccess = &model.Status.LastSuccess
	}
	return view
}

func checks(list []hardening.Check) []gen.HealthCheck {
	shown := make([]gen.HealthCheck, 0, len(list))
	for _, c := range list {
		check := gen.HealthCheck{Name: c.Name, Ok: c.OK, At: c.At}
		if c.Detail != "" {
			check.Detail = &c.Detail
		}
		shown = append(shown, check)
	}
	return shown
}
