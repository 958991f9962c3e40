package resources

import (
	"slices"
	"strings"
	"time"

	"github.com/grym-synth/grym-synth/services"
)

// Status of a resource.
type Status string

// The states of a resource.
const (
	StatusReady       Status = "ready"
	StatusBusy        Status = "busy"
	StatusUnavailable Status = "unavailable"
)

// Resource is something that uses memory or disk space.
type Resource struct {
	// ID is unique: "wav2vec2/wav2vec2-tiny".
	ID string
	// Type is model, conversation, session or file.
	Type string
	// Service is the owning service, empty for none; Name is its name there.
	Service, Name string
	// Bytes of a model's weights or of a file; Retained is what a model's largest
	// run left behind. A session's bytes are counted with its model.
	Bytes, Retained services.Bytes
	Status          Status
	// Problem is why it is unavailable.
	Problem           string
	Created, LastUsed time.Time
	// Metadata holds further details; nil for none.
	Metadata map[string]any
}

// Inventory lists what holds memory or room on the disk, ordered by id.
func (m *Manager) Inventory() []Resource {
	list := m.booked()
	for _, source := range m.sources {
		list = append(list, source()...)
	}
	slices.SortFunc(list, func(a, b Resource) int { return strings.Compare(a.ID, b.ID) })
	return list
}

// booked returns the resources that the budget accounts for.
func (m *Manager) booked() []Resource {
	m.mu.Lock()
	defer m.mu.Unlock()
	list := make([]Resource, 0, len(m.residents))
	for _, r := range m.residents {
		entry := Resource{
			ID: r.service + "/" + r.name, Type: r.kind, Service: r.service, Name: strings.TrimPrefix(r.name, r.kind+"/"),
			Bytes: r.bytes, Status: StatusReady, Created: r.created, LastUsed: r.lastUsed,
		}
		if r.isModel() {
			entry.Retained = r.account.arena(r.name).high
		}
		switch {
		case r.failed != nil:
			entry.Status, entry.Problem = StatusUnavailable, r.failed.Error()
		case r.busy():
			entry.Status = StatusBusy
		}
		list = append(list, entry)
	}
	return list
}

// Usage is a snapshot of the memory budget.
type Usage struct {
	Budget services.Bytes
	// Leased by running tasks, Resident by loaded models, Retained by the engine
	// for those models' next runs.
	Leased, Resident, Retained services.Bytes
	Running, Waiting           int
	Services                   []ServiceUsage
	Cleanups                   Cleanups
}

// ServiceUsage is one service's part.
type ServiceUsage struct {
	Name                       string
	Limit                      ServiceLimit
	Leased, Resident, Retained services.Bytes
	Running, Waiting           int
	// Runs is the current concurrency, Arrived the number of tasks since the start.
	Runs    int
	Arrived uint64
	Models  []ModelUsage
}

// ModelUsage reports how well the memory of a model's runs is predicted.
type ModelUsage struct {
	Name string
	// Predicted is what the service estimated for the run that was measured last, and
	// Observed what it used; zero before the first. Correction is the part of the
	// estimate that was reserved; 1 before the first.
	Predicted, Observed services.Bytes
	Correction          float64
}

// Usage returns how much of the budget is used, by service.
func (m *Manager) Usage() Usage {
	m.mu.Lock()
	defer m.mu.Unlock()
	u := Usage{Budget: m.budget.Bytes, Waiting: m.waiting, Cleanups: m.cleaned.view(time.Now())}
	for name, a := range m.accounts {
		s := ServiceUsage{Name: name, Limit: a.limit, Resident: a.resident, Running: a.running, Runs: a.runs(), Arrived: a.demand.arrived}
		s.Waiting = a.waiting()
		for model, ar := range a.arenas {
			s.Leased += ar.active
			s.Retained += ar.held() - ar.active
			if ar.isBeside() {
				continue
			}
			s.Models = append(s.Models, ModelUsage{Name: model, Predicted: ar.predicted, Observed: ar.observed, Correction: ar.corrected()})
		}
		slices.SortFunc(s.Models, func(a, b ModelUsage) int { return strings.Compare(a.Name, b.Name) })
		u.Leased += s.Leased
		u.Resident += s.Resident
		u.Retained += s.Retained
		u.Running += s.Running
		u.Services = append(u.Services, s)
	}
	slices.SortFunc(u.Services, func(a, b ServiceUsage) int { return strings.Compare(a.Name, b.Name) })
	return u
}
