package orchestrator

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/grym-synth/grym-synth/services"
)

// maxModels bounds the models of one service that have a guard of their own at the
// same time. Beyond it the one that was longest out of use is forgotten.
const maxModels = 256

// Units returns the units of the service's further models, by name.
func (e *Registration) Units() []*Unit {
	e.lock.Lock()
	defer e.lock.Unlock()
	list := make([]*Unit, 0, len(e.units))
	for _, unit := range e.units {
		list = append(list, unit)
	}
	slices.SortFunc(list, func(a, b *Unit) int { return strings.Compare(a.model, b.model) })
	return list
}

// all returns the service's own unit and those of its models.
func (e *Registration) all() []*Unit { return append([]*Unit{e.Unit}, e.Units()...) }

// own reports whether the model has no unit beside the service's own.
func (e *Registration) own(model string) bool {
	return e.keeper == nil || model == "" || model == e.description.DefaultModel
}

// find returns the unit of the model, nil where it has none yet. It makes nothing:
// the name may be one that a client made up.
func (e *Registration) find(model string) *Unit {
	if e.own(model) {
		return e.Unit
	}
	e.lock.Lock()
	defer e.lock.Unlock()
	return e.units[model]
}

// enter returns the unit of the model, which is not forgotten until leave is called. A
// model that exists and has no unit gets one.
func (e *Registration) enter(model string) (unit *Unit, leave func(), err error) {
	if e.own(model) {
		return e.Unit, func() {}, nil
	}
	e.lock.Lock()
	unit = e.units[model]
	e.lock.Unlock()
	if unit == nil {
		if err := e.exists(model); err != nil {
			return nil, nil, err
		}
	}
	e.lock.Lock()
	defer e.lock.Unlock()
	if unit = e.units[model]; unit == nil {
		if len(e.units) >= maxModels && !e.forgetOne() {
			return nil, nil, &services.Fault{
				Kind: services.KindBusy, Message: fmt.Sprintf("%d models of %s are in use, the most that may be", len(e.units), e.Name()), RetryAfter: time.Second,
			}
		}
		unit = newUnit(e, model, services.StateReady)
		unit.Guard = e.keeper.Watch(unit)
		e.units[model] = unit
	}
	unit.users++
	unit.used = time.Now()
	return unit, func() {
		e.lock.Lock()
		defer e.lock.Unlock()
		unit.users--
	}, nil
}

// exists refuses a model that the service does not list.
func (e *Registration) exists(model string) error {
	names := []string{}
	host, ok := e.Service.(services.ModelHost)
	if !ok {
		return nil
	}
	for _, m := range host.Models() {
		if m.Name == model {
			return nil
		}
		names = append(names, m.Name)
	}
	return &services.Fault{Kind: services.KindNotFound, Fields: []services.FieldError{
		{Field: "model", Problem: fmt.Sprintf("%q does not exist; there is %s", model, strings.Join(names, ", "))},
	}}
}

// prune forgets the units of models that the service does not list any more. One in
// use is left until the next call.
func (e *Registration) prune(listed []services.ModelStatus) {
	e.lock.Lock()
	defer e.lock.Unlock()
	if len(e.units) == 0 {
		return
	}
	names := make(map[string]bool, len(listed))
	for _, m := range listed {
		names[m.Name] = true
	}
	for name, unit := range e.units {
		if !names[name] && unit.users == 0 {
			e.forget(unit)
		}
	}
}

// forgetOne makes room for another unit: it forgets the one that was longest out of
// use, a healthy one before all others. The caller holds lock.
func (e *Registration) forgetOne() bool {
	var last *Unit
	healthy := func(u *Unit) bool { return u.State() == services.StateReady && u.Guard.State() == "closed" }
	for _, unit := range e.units {
		switch {
		case unit.users > 0:
		case last == nil, healthy(unit) && !healthy(last), healthy(unit) == healthy(last) && unit.used.Before(last.used):
			last = unit
		}
	}
	if last != nil {
		e.forget(last)
	}
	return last != nil
}

// forget ends a unit that nobody uses. The caller holds lock.
func (e *Registration) forget(unit *Unit) {
	delete(e.units, unit.model)
	unit.mu.Lock()
	unit.state = services.StateStopped
	unit.mu.Unlock()
	e.keeper.Forget(unit)
}

// up refuses tasks of every model while the service is stopped, or unloads and
// starts as a whole.
func (e *Registration) up() error {
	if e.State() == services.StateStopped {
		return e.Unit.admits()
	}
	e.lock.Lock()
	defer e.lock.Unlock()
	if e.halted {
		return &services.Fault{Kind: services.KindUnavailable, Message: "service " + e.Name() + " is being restarted", RetryAfter: time.Second}
	}
	return nil
}

// open refuses a task that cannot run now, before anything is read of it, and starts
// the service. A start that fails because of the default model keeps no other model
// from being used.
func (e *Registration) open(ctx context.Context, model string) error {
	unit := e.find(model)
	if unit == nil {
		if err := e.up(); err != nil {
			return err
		}
	} else if err := unit.refuses(); err != nil {
		return err
	}
	if unit == e.Unit {
		return e.Initialize(ctx)
	}
	return e.begun(ctx)
}

// begun starts the service for a model other than the default one, which is ready for
// that also where the start has failed.
func (e *Registration) begun(ctx context.Context) error {
	if state := e.State(); state == services.StateRecovering || state == services.StateUnavailable {
		return nil
	}
	if err := e.Initialize(ctx); err != nil && (ctx.Err() != nil || e.State() == services.StateStopped) {
		return err
	}
	return nil
}
