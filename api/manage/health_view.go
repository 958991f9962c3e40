package manage

import (
	"slices"
	"time"

	"github.com/grym-synth/grym-synth/api/gen"
	"github.com/grym-synth/grym-synth/hardening"
	"github.com/grym-synth/grym-synth/services"
)

// HealthView is the state that the probes return.
type HealthView struct {
	Phase string
	Since time.Time
	// Reasons are the reasons why the server is not ready; empty if it is ready.
	Reasons []string
	Memory  gen.MemoryUse
	Tasks   gen.TaskCounts
	// Services has the views of the services, by name.
	Services map[string]ServiceView
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

// ServiceView is the breaker of a service and the health of its tasks.
type ServiceView struct {
	BreakerOpen bool
	Hold        *gen.BreakerHold
	Health      *gen.TaskHealth
}

// HealthView returns the state that the probes show. It does no I/O: probes are frequent
// and must be answered even if a disk does not respond.
func (s *State) HealthView() HealthView {
	report, usage := s.Health.Report(), s.Memory.Usage()
	view := HealthView{
		Phase: string(report.Phase), Since: report.Since, Reasons: report.Reasons,
		Memory:   gen.MemoryUse{BudgetBytes: int64(usage.Budget), LeasedBytes: int64(usage.Leased), ModelBytes: int64(usage.Resident)},
		Tasks:    gen.TaskCounts{Running: usage.Running, Waiting: usage.Waiting},
		Services: make(map[string]ServiceView), Problems: make(map[string]string), Drained: make(map[string]string),
	}
	if bytes := int64(s.Resident()); bytes > 0 {
		view.Memory.ResidentBytes = &bytes
	}
	for _, service := range report.Services {
		view.Services[service.Name] = ServiceView{service.BreakerOpen, breakerHold(service.Hold), taskHealth(service.Health)}
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
		BreakerHold: breakerHold(model.Hold), Health: taskHealth(model.Health), Checks: &checks,
	}
	if model.Status.LastError != "" {
		view.LastError = &model.Status.LastError
	}
	if !model.Status.LastSuccess.IsZero() {
		view.LastSuccess = &model.Status.LastSuccess
	}
	return view
}

// Status returns the state of the whole server: unhealthy if there is a reason against it,
// a service has a problem or a check of the process fails, and otherwise the worst health
// of the services.
func (v HealthView) Status() gen.HealthStatus {
	failed := func(c gen.HealthCheck) bool { return !c.Ok }
	if len(v.Reasons) > 0 || len(v.Problems) > 0 || slices.ContainsFunc(v.Checks, failed) {
		return gen.HealthStatusUnhealthy
	}
	status := gen.HealthStatusHealthy
	for _, service := range v.Services {
		switch {
		case service.Health == nil:
		case service.Health.Status == gen.HealthOfTasksFailing: // it has a problem
			return gen.HealthStatusUnhealthy
		case service.Health.Status == gen.HealthOfTasksUnproven:
			status = gen.HealthStatusUnproven
		case service.Health.Status == gen.HealthOfTasksDegraded && status == gen.HealthStatusHealthy:
			status = gen.HealthStatusDegraded
		}
	}
	return status
}

// taskHealth returns the view of a health; nil if there is none.
func taskHealth(health services.Health) *gen.TaskHealth {
	if health.Status == "" {
		return nil
	}
	view := gen.TaskHealth{Status: gen.HealthOfTasks(health.Status), Since: health.Since, Tasks: health.Tasks, Failed: health.Failed}
	if health.Reason != "" {
		view.Reason = &health.Reason
	}
	return &view
}

// breakerHold returns the view of an operator's hold; nil if there is none.
func breakerHold(hold *services.Hold) *gen.BreakerHold {
	if hold == nil {
		return nil
	}
	view := gen.BreakerHold{Since: hold.Since}
	if hold.Reason != "" {
		view.Reason = &hold.Reason
	}
	return &view
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
