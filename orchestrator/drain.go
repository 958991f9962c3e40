package orchestrator

import (
	"cmp"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/grym-synth/grym-synth/services"
)

// Drain is an operator's order by which a service, or one model of it, takes no new tasks.
type Drain struct {
	Service string `json:"service"`
	// Model is empty for the whole service.
	Model string `json:"model,omitempty"`
	// Reason is the operator's, for everyone whose task is refused; it may be empty.
	Reason string    `json:"reason,omitempty"`
	Since  time.Time `json:"since"`
}

// drainedRetry is the Retry-After of a drained service. When the operator will resume it
// is unknown.
const drainedRetry = 30 * time.Second

// Problem returns why the drained service or model cannot be used, as a predicate.
func (d Drain) Problem() string {
	if d.Reason == "" {
		return "is drained by an operator"
	}
	return "is drained by an operator: " + d.Reason
}

// Title returns the name of what is drained.
func (d Drain) Title() string {
	if d.Model == "" {
		return "service " + d.Service
	}
	return "model " + d.Model + " of service " + d.Service
}

// fault returns the fault of a refused task.
func (d Drain) fault() *services.Fault {
	return &services.Fault{Kind: services.KindUnavailable, Message: d.Title() + " " + d.Problem(), RetryAfter: drainedRetry}
}

// drains are the drains in force. Safe for concurrent use.
type drains struct {
	// changing is held while the list changes and is saved.
	changing sync.Mutex
	save     func([]Drain) error // may be nil

	mu   sync.Mutex
	list []Drain
}

// find returns the drain of exactly this service and model.
func (d *drains) find(service, model string) (Drain, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	i := slices.IndexFunc(d.list, func(one Drain) bool { return one.Service == service && one.Model == model })
	if i < 0 {
		return Drain{}, false
	}
	return d.list[i], true
}

// all returns the drains, ordered by service and model.
func (d *drains) all() []Drain {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.list)
}

// set replaces the drain of a service and model, by none if drain is nil, and saves the
// list. The change is in force even if it cannot be saved.
func (d *drains) set(service, model string, drain *Drain) error {
	d.changing.Lock()
	defer d.changing.Unlock()
	d.mu.Lock()
	list := slices.DeleteFunc(slices.Clone(d.list), func(one Drain) bool { return one.Service == service && one.Model == model })
	if drain != nil {
		list = append(list, *drain)
	}
	slices.SortFunc(list, func(a, b Drain) int {
		return cmp.Or(strings.Compare(a.Service, b.Service), strings.Compare(a.Model, b.Model))
	})
	d.list = list
	d.mu.Unlock()
	if d.save == nil {
		return nil
	}
	return d.save(list)
}

// KeepDrains puts the drains of an earlier process in force, and has later changes saved.
// It is called once, before the first task.
func (r *Registry) KeepDrains(list []Drain, save func([]Drain) error) {
	r.drains.save = save
	r.drains.mu.Lock()
	defer r.drains.mu.Unlock()
	r.drains.list = slices.Clone(list)
}

// Drains returns the drains in force.
func (r *Registry) Drains() []Drain { return r.drains.all() }

// Drain refuses new tasks of a model, or, for an empty name, of every model of the
// service. Running tasks continue; those that wait for memory or a run slot are refused.
// A second drain replaces the reason. The drain is in force even if the error says that
// it could not be saved.
func (e *Registration) Drain(model, reason string) error {
	if model != "" {
		if _, err := e.host(); err != nil {
			return err
		}
		if err := e.exists(model); err != nil {
			return err
		}
	}
	drain := Drain{Service: e.Name(), Model: model, Reason: reason, Since: time.Now().UTC()}
	if before, ok := e.drains.find(drain.Service, model); ok {
		drain.Since = before.Since
	}
	err := e.drains.set(drain.Service, model, &drain)
	e.ledger.refuse(func(service, model string) bool {
		return service == drain.Service && (drain.Model == "" || drain.Model == cmp.Or(model, e.description.DefaultModel))
	}, drain.fault())
	e.log.Warn("drained by an operator", "service", drain.Service, "model", model, "reason", reason)
	if err != nil {
		return unsaved(err, drain.Title()+" is drained")
	}
	return nil
}

// Resume ends the drain of a model, or, for an empty name, that of the service, which
// leaves the drains of single models in force. Without a drain it does nothing.
func (e *Registration) Resume(model string) error {
	drain, ok := e.drains.find(e.Name(), model)
	if !ok {
		return nil
	}
	err := e.drains.set(drain.Service, model, nil)
	e.log.Warn("resumed by an operator", "service", drain.Service, "model", model)
	if err != nil {
		return unsaved(err, drain.Title()+" is resumed")
	}
	return nil
}

// unsaved returns the fault of a change that is in force and could not be saved.
func unsaved(err error, what string) error {
	kind := services.KindOf(err)
	if kind != services.KindFull {
		kind = services.KindInternal
	}
	return &services.Fault{Kind: kind, Err: err, Message: what + ", but this could not be saved and ends with the process"}
}

// Drains returns the drains of the service and of its models, with the number of tasks
// that still run.
func (e *Registration) Drains() []ActiveDrain {
	var list []ActiveDrain
	for _, drain := range e.drains.all() {
		if drain.Service != e.Name() {
			continue
		}
		list = append(list, ActiveDrain{drain, e.ledger.running(drain.Service, drain.Model, e.description.DefaultModel)})
	}
	return list
}

// ActiveDrain is a drain with the number of tasks that still run.
type ActiveDrain struct {
	Drain
	Running int
}

// Drained returns the drain that refuses tasks of the model, if any; an empty name means
// the default model.
func (e *Registration) Drained(model string) (Drain, bool) {
	if drain, ok := e.drains.find(e.Name(), ""); ok {
		return drain, true
	}
	if model = cmp.Or(model, e.description.DefaultModel); model == "" {
		return Drain{}, false
	}
	return e.drains.find(e.Name(), model)
}

// takesTasks returns the fault of a drained model, or of a drained service for an empty
// name.
func (e *Registration) takesTasks(model string) error {
	drain, ok := e.drains.find(e.Name(), "")
	if !ok && model != "" {
		drain, ok = e.drains.find(e.Name(), model)
	}
	if !ok {
		return nil
	}
	return drain.fault()
}

// Held reports whether a task would be refused because an operator has drained its service
// or model. A model that is not known before the task is prepared is not considered.
func (o *Orchestrator) Held(task services.Task) bool {
	task, err := o.resolver.Bind(task)
	if err != nil {
		return false
	}
	entry, err := o.registry.Lookup(task.Service)
	if err != nil {
		return false
	}
	if len(entry.drains.all()) == 0 {
		return false
	}
	_, drained := entry.Drained(entry.modelOf(task))
	return drained
}
