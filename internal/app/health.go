package app

import (
	"fmt"
	"time"

	"github.com/grym-synth/grym-synth/api"
	"github.com/grym-synth/grym-synth/api/gen"
	"github.com/grym-synth/grym-synth/hardening"
	"github.com/grym-synth/grym-synth/resources/memprobe"
	"github.com/grym-synth/grym-synth/services"
)

// leastDisk is the room on the data folder's disk below which health is red.
const leastDisk = 256 * services.MiB

// longestQueue is the age of the oldest waiting task above which health is red.
const longestQueue = 5 * time.Minute

// memoryCheck compares what the process really holds with the budget it works by.
func (s *system) memoryCheck() (bool, string) {
	resident, err := s.measureResident()
	if err != nil {
		return true, "the resident set is not known: " + err.Error()
	}
	budget := s.memory.Budget()
	return resident <= budget.Bytes, fmt.Sprintf("%s resident of a budget of %s", resident, budget.Bytes)
}

// queueCheck looks for a task that waits too long.
func (s *system) queueCheck() (bool, string) {
	oldest := s.memory.OldestWait()
	return oldest < longestQueue, fmt.Sprintf("%d tasks wait, the oldest for %s", s.memory.Usage().Waiting, oldest.Round(time.Millisecond))
}

// diskCheck looks at the room for what is stored.
func diskCheck(dir string) (bool, string) {
	free, err := memprobe.DiskFree(dir)
	if err != nil {
		return true, "the room on disk is not known: " + err.Error()
	}
	return free >= leastDisk, fmt.Sprintf("%s free where %s is", free, dir)
}

// measureResident asks the system for the resident set, and keeps it for the probes.
func (s *system) measureResident() (services.Bytes, error) {
	resident, err := (memprobe.Probe{}).Resident()
	if err == nil {
		s.resident.Store(int64(resident))
	}
	return resident, err
}

// serviceHealth lists the services, and their models, as the probes see them.
func (s *system) serviceHealth() []hardening.ServiceHealth {
	var list []hardening.ServiceHealth
	for _, entry := range s.registry.List() {
		_, open := entry.Guard.Open()
		service := hardening.ServiceHealth{Name: entry.Name(), Status: entry.Status(), BreakerOpen: open}
		for _, unit := range entry.Units() {
			_, open := unit.Guard.Open()
			service.Models = append(service.Models, hardening.ModelHealth{Name: unit.Model(), Status: unit.Status(), BreakerOpen: open})
		}
		list = append(list, service)
	}
	return list
}

// healthView returns what the probes answer. It reads memory only: probes come
// often, and must answer when a disk does not.
func (s *system) healthView() api.HealthView {
	report, usage := s.health.Report(), s.memory.Usage()
	view := api.HealthView{
		Phase: string(report.Phase), Since: report.Since, Reasons: report.Reasons,
		Memory:      gen.MemoryUse{BudgetBytes: int64(usage.Budget), LeasedBytes: int64(usage.Leased), ModelBytes: int64(usage.Resident)},
		Tasks:       gen.TaskCounts{Running: usage.Running, Waiting: usage.Waiting},
		BreakerOpen: make(map[string]bool), Problems: make(map[string]string),
	}
	if bytes := s.resident.Load(); bytes > 0 {
		view.Memory.ResidentBytes = &bytes
	}
	for _, service := range report.Services {
		view.BreakerOpen[service.Name] = service.BreakerOpen
		if problem := service.Problem(); problem != "" {
			view.Problems[service.Name] = problem
		}
	}
	view.Warnings = warnings(s.performance.Report().Warnings)
	view.Checks = checks(s.monitor.Checks("", ""))
	view.ServiceChecks = make(map[string][]gen.HealthCheck)
	view.Models = make(map[string][]gen.ModelHealth)
	for _, service := range report.Services {
		view.ServiceChecks[service.Name] = checks(s.monitor.Checks(service.Name, ""))
		for _, model := range service.Models {
			view.Models[service.Name] = append(view.Models[service.Name], s.modelHealth(service.Name, model))
		}
	}
	return view
}

// modelHealth shows one further model of a service.
func (s *system) modelHealth(service string, model hardening.ModelHealth) gen.ModelHealth {
	checks := checks(s.monitor.Checks(service, model.Name))
	view := gen.ModelHealth{
		Name: model.Name, State: gen.ModelHealthState(model.Status.State), Since: model.Status.Since, BreakerOpen: model.BreakerOpen, Checks: &checks,
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
