package orchestrator

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/grym-synth/grym-synth/services"
)

// Registry knows the services, their guards and their states. Safe for
// concurrent use.
type Registry struct {
	log *slog.Logger

	mu      sync.RWMutex
	order   []string
	entries map[string]*Registration
}

// Registration is one service in the registry.
type Registration struct {
	Service services.ModelService
	Guard   Guard

	description services.Description
	log         *slog.Logger
	// initializing is held while the service starts, so that it starts once.
	initializing sync.Mutex

	mu    sync.Mutex
	state services.State
	since time.Time
	cause string
}

// NewRegistry makes an empty registry.
func NewRegistry(log *slog.Logger) *Registry {
	return &Registry{log: log, entries: make(map[string]*Registration)}
}

// Register adds a service under the name it describes itself with. Two
// services of one name are a programming error.
func (r *Registry) Register(service services.ModelService, guard Guard) {
	d := service.Describe()
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, ok := r.entries[d.Name]; ok {
		panic("service " + d.Name + " is registered twice")
	}
	r.order = append(r.order, d.Name)
	r.entries[d.Name] = &Registration{
		Service: service, Guard: guard, description: d, log: r.log,
		state: services.StateRegistered, since: time.Now(),
	}
}

// Lookup finds a service. The fault is not found and lists what there is.
func (r *Registry) Lookup(name string) (*Registration, error) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	if entry, ok := r.entries[name]; ok {
		return entry, nil
	}
	return nil, services.Faultf(services.KindNotFound, "service %q does not exist; there is %s", name, strings.Join(r.order, ", "))
}

// List gives every service in the order of registration.
func (r *Registry) List() []*Registration {
	r.mu.RLock()
	defer r.mu.RUnlock()
	list := make([]*Registration, 0, len(r.order))
	for _, name := range r.order {
		list = append(list, r.entries[name])
	}
	return list
}

// Shutdown shuts every service down, the latest registered first, each waiting
// for its running tasks until ctx ends.
func (r *Registry) Shutdown(ctx context.Context) (errs []error) {
	list := r.List()
	for i := len(list) - 1; i >= 0; i-- {
		entry := list[i]
		entry.transition(services.StateStopped, "shutdown")
		if err := entry.Service.Shutdown(ctx); err != nil {
			errs = append(errs, fmt.Errorf("shut down %s: %w", entry.description.Name, err))
		}
	}
	return errs
}

// Describe gives the service's description.
func (e *Registration) Describe() services.Description { return e.description }

// Initialize starts the service unless it is started. Callers at the same time
// share one start.
func (e *Registration) Initialize(ctx context.Context) error {
	e.initializing.Lock()
	defer e.initializing.Unlock()
	if e.Service.Initialized() {
		return nil
	}
	if e.State() == services.StateStopped {
		return services.Faultf(services.KindUnavailable, "service %s is stopped", e.description.Name)
	}
	e.transition(services.StateInitializing, "start")
	if err := e.Service.Initialize(ctx); err != nil {
		e.transition(services.StateUnavailable, err.Error())
		return &services.Fault{Kind: services.KindUnavailable, Message: "service " + e.description.Name + " could not start", Err: err}
	}
	e.transition(services.StateReady, "initialized")
	return nil
}

// State of the service in its life.
func (e *Registration) State() services.State {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.state
}

// Status joins the service's own view with its place in its life.
func (e *Registration) Status() services.ServiceStatus {
	status := e.Service.Status()
	e.mu.Lock()
	defer e.mu.Unlock()
	status.State, status.Since = e.state, e.since
	if status.LastError == "" && e.state == services.StateUnavailable {
		status.LastError = e.cause
	}
	return status
}

// transition moves the service on and tells the log why.
func (e *Registration) transition(to services.State, cause string) {
	e.mu.Lock()
	from := e.state
	e.state, e.since, e.cause = to, time.Now(), cause
	e.mu.Unlock()
	if from != to {
		e.log.Info("service changed state", "service", e.description.Name, "from", string(from), "to", string(to), "cause", cause)
	}
}
