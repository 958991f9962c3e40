package app

import (
	"fmt"
	"time"

	"github.com/grym-synth/grym-synth/hardening"
	"github.com/grym-synth/grym-synth/hardening/performance"
	"github.com/grym-synth/grym-synth/orchestrator"
	"github.com/grym-synth/grym-synth/resources/memprobe"
	"github.com/grym-synth/grym-synth/services"
)

// leastDisk is the free space on the data folder's disk below which the check fails.
const leastDisk = 256 * services.MiB

// longestQueue is the age of the oldest waiting task above which the check fails.
const longestQueue = 5 * time.Minute

// memoryCheck compares what the process really holds with the budget it works by.
func (b *budget) memoryCheck() (bool, string) {
	resident, err := b.measureResident()
	if err != nil {
		return true, "the resident set size is unknown: " + err.Error()
	}
	most := b.memory.Budget().Bytes
	return resident <= most, fmt.Sprintf("%s resident of a budget of %s", resident, most)
}

// queueCheck looks for a task that waits too long.
func (b *budget) queueCheck() (bool, string) {
	oldest := b.memory.OldestWait()
	return oldest < longestQueue, fmt.Sprintf("%d tasks wait, the oldest for %s", b.memory.Usage().Waiting, oldest.Round(time.Millisecond))
}

// diskCheck fails if there is too little free space for stored data.
func diskCheck(dir string) (bool, string) {
	free, err := memprobe.DiskFree(dir)
	if err != nil {
		return true, "the free disk space is unknown: " + err.Error()
	}
	return free >= leastDisk, fmt.Sprintf("%s free on the disk of %s", free, dir)
}

// measureResident asks the system for the resident set, and keeps it for the probes.
func (b *budget) measureResident() (services.Bytes, error) {
	resident, err := (memprobe.Probe{}).Resident()
	if err == nil {
		b.resident.Store(int64(resident))
	}
	return resident, err
}

// serviceHealth lists the services, and their models, as the probes see them.
func (c *core) serviceHealth() []hardening.ServiceHealth {
	var list []hardening.ServiceHealth
	for _, entry := range c.registry.List() {
		open, hold := refusal(entry.Guard)
		service := hardening.ServiceHealth{
			Name: entry.Name(), Status: entry.Status(), BreakerOpen: open, Hold: hold, Health: entry.Guard.Health(),
		}
		if drain, drained := entry.Drained(""); drained {
			service.Drained = drain.Title() + " " + drain.Problem()
		}
		for _, unit := range entry.Units() {
			open, hold := refusal(unit.Guard)
			service.Models = append(service.Models, hardening.ModelHealth{
				Name: unit.Model(), Status: unit.Status(), BreakerOpen: open, Hold: hold, Health: unit.Guard.Health(),
			})
		}
		list = append(list, service)
	}
	return list
}

// refusal reports whether a guard refuses tasks, and returns an operator's hold if there is
// one.
func refusal(guard orchestrator.Guard) (open bool, hold *services.Hold) {
	_, open = guard.Open()
	if h, held := guard.Held(); held {
		hold = &h
	}
	return open, hold
}

// processUsage returns the figures of the process for the performance monitor, zero
// where the system does not report one.
func (b *budget) processUsage() performance.ProcessUsage {
	var probe memprobe.Probe
	books := b.memory.Usage()
	usage := performance.ProcessUsage{Budget: books.Budget, Waiting: books.Waiting}
	for _, u := range books.Services {
		usage.Services = append(usage.Services, performance.ServiceUse{Name: u.Name, Waiting: u.Waiting, Running: u.Running, Arrived: u.Arrived})
	}
	usage.CPU, _ = probe.CPU()
	usage.Resident, _ = b.measureResident()
	usage.FileDescriptors, _ = probe.FileDescriptors()
	usage.Link, _ = probe.LinkSpeed()
	return usage
}
