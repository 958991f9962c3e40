package main

import (
	"context"
	"fmt"
	"time"

	"github.com/grym-synth/grym-synth/api"
	"github.com/grym-synth/grym-synth/api/gen"
	"github.com/grym-synth/grym-synth/hardening"
	"github.com/grym-synth/grym-synth/orchestrator"
	"github.com/grym-synth/grym-synth/resources/memprobe"
	"github.com/grym-synth/grym-synth/services"
)

// subject fits a registered service to what the monitors ask of one.
type subject struct {
	*orchestrator.Registration
	system *system
}

// Canary implements hardening.Subject.
func (s subject) Canary(ctx context.Context) error {
	return s.system.orchestrator.Canary(ctx, s.Name())
}

var _ hardening.Subject = subject{}

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

// healthView puts together what the probes tell. It reads memory only: probes come
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
	view.Checks = checks(s.monitor.Checks(""))
	view.ServiceChecks = make(map[string][]gen.HealthCheck)
	for _, service := range report.Services {
		view.ServiceChecks[service.Name] = checks(s.monitor.Checks(service.Name))
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
