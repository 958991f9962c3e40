package hardening

import (
	"slices"
	"sync"
	"time"

	"github.com/grym-synth/grym-synth/services"
)

// Phase of the process.
type Phase string

// The phases, in order.
const (
	PhaseStarting Phase = "starting"
	PhaseServing  Phase = "serving"
	PhaseDraining Phase = "draining"
)

// ServiceHealth is a service's state as the probes see it.
type ServiceHealth struct {
	Name   string
	Status services.ServiceStatus
	// BreakerOpen reports that calls are being refused.
	BreakerOpen bool
	// Hold is that of an operator; nil if there is none.
	Hold *services.Hold
	// Health is that of the tasks.
	Health services.Health
	// Drained is the sentence that an operator has drained the service or its default
	// model; empty if none has. It makes the service not ready, and not unhealthy.
	Drained string
	// Models are the further models that have a guard of their own. A problem of one of
	// them does not affect the service, whose own state is that of its default model.
	Models []ModelHealth
}

// ModelHealth is the state of one further model of a service.
type ModelHealth struct {
	Name   string
	Status services.ServiceStatus
	// BreakerOpen reports that calls are being refused.
	BreakerOpen bool
	// Hold is that of an operator; nil if there is none.
	Hold *services.Hold
	// Health is that of the tasks.
	Health services.Health
}

// Health is the view behind the probes. Safe for concurrent use.
type Health struct {
	list func() []ServiceHealth
	// more return further reasons why the process is not ready.
	more []func() []string

	mu       sync.Mutex
	required []string
	phase    Phase
	since    time.Time
}

// NewHealth returns the view of the services that list returns; the required ones
// decide readiness.
func NewHealth(required []string, list func() []ServiceHealth) *Health {
	return &Health{required: required, list: list, phase: PhaseStarting, since: time.Now()}
}

// AlsoAsk adds reasons why the process is not ready. It is called before the first report;
// more must not wait.
func (h *Health) AlsoAsk(more func() []string) { h.more = append(h.more, more) }

// SetPhase sets the phase of the process.
func (h *Health) SetPhase(phase Phase) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.phase, h.since = phase, time.Now()
}

// Require sets which services decide readiness.
func (h *Health) Require(services []string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.required = services
}

// Report is the state of the process and its services.
type Report struct {
	Phase    Phase
	Since    time.Time
	Services []ServiceHealth
	// Reasons why the process is not ready; empty when it is.
	Reasons []string
}

// Report returns the state as it is now.
func (h *Health) Report() Report {
	h.mu.Lock()
	r, required := Report{Phase: h.phase, Since: h.since}, h.required
	h.mu.Unlock()
	r.Services = h.list()
	if r.Phase != PhaseServing {
		r.Reasons = append(r.Reasons, "the server is "+string(r.Phase))
	}
	for _, more := range h.more {
		r.Reasons = append(r.Reasons, more()...)
	}
	for _, name := range required {
		i := slices.IndexFunc(r.Services, func(s ServiceHealth) bool { return s.Name == name })
		if i < 0 {
			r.Reasons = append(r.Reasons, "service "+name+" does not exist")
		} else if problem := r.Services[i].Problem(); problem != "" {
			r.Reasons = append(r.Reasons, problem)
		} else if drained := r.Services[i].Drained; drained != "" {
			r.Reasons = append(r.Reasons, drained)
		} else if r.Services[i].Status.State == services.StateRegistered {
			r.Reasons = append(r.Reasons, "service "+name+" has not started")
		}
	}
	return r
}

// Problem returns the problem of the service; empty when there is none. A service that
// has not started has none: it starts with its first task.
func (s ServiceHealth) Problem() string {
	if s.Hold != nil {
		return heldText("service "+s.Name, *s.Hold)
	}
	if s.Status.State != services.StateReady && s.Status.State != services.StateRegistered {
		problem := "service " + s.Name + " is " + string(s.Status.State)
		if s.Status.LastError != "" {
			problem += ": " + s.Status.LastError
		}
		return problem
	}
	if s.BreakerOpen {
		return "service " + s.Name + " is cut off by its circuit breaker"
	}
	if s.Health.Status == services.HealthFailing {
		return "service " + s.Name + " is failing: " + s.Health.Reason
	}
	return ""
}
