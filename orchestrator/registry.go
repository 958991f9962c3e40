package orchestrator

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"

	"github.com/grym-synth/grym-synth/services"
	"github.com/grym-synth/grym-synth/services/schema"
)

// Registry has the services, their guards and their states. Safe for
// concurrent use.
type Registry struct {
	log *slog.Logger
	// ctx is that of starts, which outlive the task that asked for them.
	ctx    context.Context
	cancel context.CancelFunc

	mu      sync.RWMutex
	order   []string
	entries map[string]*Registration

	observers []func(services.Transition)
}

// NewRegistry returns an empty registry.
func NewRegistry(log *slog.Logger) *Registry {
	r := &Registry{log: log, entries: make(map[string]*Registration)}
	r.ctx, r.cancel = context.WithCancel(context.Background())
	return r
}

// OnTransition adds a function that is called at every step of a service's life, by
// the caller that causes the step. It must not wait.
func (r *Registry) OnTransition(observer func(services.Transition)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.observers = append(r.observers, observer)
}

// observe calls the observers.
func (r *Registry) observe(step services.Transition) {
	r.mu.RLock()
	observers := r.observers
	r.mu.RUnlock()
	for _, observer := range observers {
		observer(step)
	}
}

// Register adds a service under the name it describes itself with, and compiles the
// schemas of its tasks. Two services of one name, and a schema that does not compile, are
// programming errors.
func (r *Registry) Register(service services.ModelService, guard Guard) *Registration {
	d := service.Describe()
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, ok := r.entries[d.Name]; ok {
		panic("service " + d.Name + " is registered twice")
	}
	r.order = append(r.order, d.Name)
	entry := &Registration{
		Service: service, description: d, schemas: compile(d), log: r.log, observe: r.observe, ctx: r.ctx, units: make(map[string]*Unit),
	}
	entry.Unit = newUnit(entry, "", services.StateRegistered)
	entry.Guard = guard
	r.entries[d.Name] = entry
	return entry
}

// compile returns the schemas of a service's tasks.
func compile(d services.Description) map[string]*schema.Schema {
	schemas := make(map[string]*schema.Schema, len(d.Tasks))
	for _, task := range d.Tasks {
		compiled, err := schema.Compile(task.ParamsSchema)
		if err != nil {
			panic(fmt.Sprintf("service %s, task %s: %v", d.Name, task.Name, err))
		}
		schemas[task.Name] = compiled
	}
	return schemas
}

// Lookup returns a service. The fault for an unknown name lists those that exist.
func (r *Registry) Lookup(name string) (*Registration, error) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	if entry, ok := r.entries[name]; ok {
		return entry, nil
	}
	return nil, services.Faultf(services.KindNotFound, "service %q does not exist; there is %s", name, strings.Join(r.order, ", "))
}

// List returns every service in the order of registration.
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
// for its running tasks until ctx ends. Starts under way are broken off.
func (r *Registry) Shutdown(ctx context.Context) (errs []error) {
	r.cancel()
	list := r.List()
	for i := len(list) - 1; i >= 0; i-- {
		if err := list[i].stop(ctx); err != nil {
			errs = append(errs, err)
		}
	}
	return errs
}
