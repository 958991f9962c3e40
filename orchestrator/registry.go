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

// Registry holds the services, their guards and their states. Safe for concurrent use.
type Registry struct {
	log *slog.Logger
	// ctx is the context of starts, which outlive the task that caused them.
	ctx    context.Context
	cancel context.CancelFunc

	mu      sync.RWMutex
	order   []string
	entries map[string]*Registration

	observers []func(services.Transition) // never changed
	drains    drains
	ledger    *ledger
}

// NewRegistry returns an empty registry. The observers are called at every step of a
// service's life, by the caller that causes the step. They must not wait.
func NewRegistry(log *slog.Logger, observers ...func(services.Transition)) *Registry {
	r := &Registry{log: log, entries: make(map[string]*Registration), observers: observers, ledger: newLedger()}
	r.ctx, r.cancel = context.WithCancel(context.Background())
	return r
}

// observe calls the observers.
func (r *Registry) observe(step services.Transition) {
	for _, observer := range r.observers {
		observer(step)
	}
}

// Register adds a service under the name it describes itself with, and compiles the
// schemas of its tasks. Two services of one name, and a schema that does not compile, are
// programming errors. With a keeper, every further model of the service runs in a unit of
// its own, which is made when a task first asks for a model that exists, and forgotten
// when its folder has gone; without one, or where the service has no models, there is
// only the service's own unit.
func (r *Registry) Register(service services.ModelService, guard Guard, keeper Keeper) *Registration {
	d := service.Describe()
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, ok := r.entries[d.Name]; ok {
		panic("service " + d.Name + " is registered twice")
	}
	r.order = append(r.order, d.Name)
	entry := &Registration{
		Service: service, description: d, schemas: compile(d), log: r.log, observe: r.observe, ctx: r.ctx, units: make(map[string]*Unit),
		drains: &r.drains, ledger: r.ledger,
	}
	if entry.hasModels() {
		entry.keeper = keeper
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

// Lookup returns a service. The fault for an unknown name lists the known ones.
func (r *Registry) Lookup(name string) (*Registration, error) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	if entry, ok := r.entries[name]; ok {
		return entry, nil
	}
	return nil, services.Faultf(services.KindNotFound, "service %q does not exist; available: %s", name, strings.Join(r.order, ", "))
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

// Shutdown shuts every service down, the latest registered first, each waiting for its
// running tasks until ctx ends. Running starts are cancelled.
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
