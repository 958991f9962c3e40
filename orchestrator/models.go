package orchestrator

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/grym-synth/grym-synth/services"
)

// maxModels bounds the models of one service that have a unit of their own. Beyond it
// the least recently used one is removed.
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

// find returns the unit of the model, or nil. It creates none, because the name may be
// invented by a client.
func (e *Registration) find(model string) *Unit {
	if e.own(model) {
		return e.Unit
	}
	e.lock.Lock()
	defer e.lock.Unlock()
	return e.units[model]
}

// enter returns the unit of the model, which is not removed until leave is called. An
// existing model without a unit gets one.
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
				Kind:       services.KindBusy,
				Message:    fmt.Sprintf("%d models of %s are in use, which is the limit", len(e.units), e.Name()),
				RetryAfter: time.Second,
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

// exists returns a fault if the service does not list the model.
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
		{Field: "model", Problem: fmt.Sprintf("%q does not exist; available: %s", model, strings.Join(names, ", "))},
	}}
}

// CanDo reports whether the model can do the task now: its files can be used, and it is
// neither drained nor isolated, nor has its breaker open.
func (e *Registration) CanDo(model services.ModelStatus, task string) bool {
	if _, drained := e.Drained(model.Name); drained || model.Problem != "" {
		return false
	}
	if unit := e.find(model.Name); unit != nil && unit.refuses() != nil {
		return false
	}
	chooser, ok := e.Service.(services.TaskChooser)
	return !ok || chooser.CanDo(model.Name, task)
}

// TaskProblem returns why the service takes no task at all; empty if it does. A problem of
// its default model is not one if it has other models.
func (e *Registration) TaskProblem() string {
	if drain, ok := e.drains.find(e.Name(), ""); ok {
		return drain.Title() + " " + drain.Problem()
	}
	err := e.up()
	if err == nil && !e.hasModels() {
		err = e.Unit.refuses()
	}
	var fault *services.Fault
	if errors.As(err, &fault) {
		return fault.Detail()
	}
	return ""
}

// prune removes the units of models that the service no longer lists. One in use is
// left until the next call.
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

// forgetOne makes room for another unit: it removes the least recently used one,
// healthy ones first, and never one that an operator holds. The caller holds lock.
func (e *Registration) forgetOne() bool {
	var last *Unit
	healthy := func(u *Unit) bool {
		return u.State() == services.StateReady && u.Guard.State() == "closed" && u.Guard.Health().Status != services.HealthFailing
	}
	for _, unit := range e.units {
		_, held := unit.Guard.Held()
		switch {
		case unit.users > 0, held:
		case last == nil, healthy(unit) && !healthy(last), healthy(unit) == healthy(last) && unit.used.Before(last.used):
			last = unit
		}
	}
	if last != nil {
		e.forget(last)
	}
	return last != nil
}

// forget removes an unused unit. The caller holds lock.
func (e *Registration) forget(unit *Unit) {
	delete(e.units, unit.model)
	unit.mu.Lock()
	unit.state = services.StateStopped
	unit.mu.Unlock()
	e.keeper.Forget(unit)
}

// up returns a fault for tasks of every model while the service is stopped or
// restarting.
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

// open refuses a task that cannot run now, before it is read, and starts the service. A
// start that fails because of the default model does not affect other models.
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

// begun starts the service for a model other than the default one, which can run also
// if the start has failed.
func (e *Registration) begun(ctx context.Context) error {
	if state := e.State(); state == services.StateRecovering || state == services.StateUnavailable {
		return nil
	}
	if err := e.Initialize(ctx); err != nil && (ctx.Err() != nil || e.State() == services.StateStopped) {
		return err
	}
	return nil
}
