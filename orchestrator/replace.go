package orchestrator

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/grym-synth/grym-synth/services"
)

// Replacement is another version of a model, which is to take its place.
type Replacement struct {
	Service string
	// Model is the name of the model; empty for the service's default one.
	Model string
	// Dir is the folder of the version; empty for the model's own folder as it is now.
	Dir string
	// Gap unloads the old version before the new one is loaded, for models of which two do
	// not fit into the memory. Tasks wait meanwhile.
	Gap bool
	// Commit moves the folder to the model's place; nil where it is there already.
	Commit func() error
}

// Replace loads another version of a model beside the one in use, within the memory budget,
// runs a canary on it, and has later tasks run on it. Running tasks end on the old version,
// which is then unloaded. If the version cannot be loaded or its canary fails, the old one
// stays and the fault says why. A model that is not loaded is not loaded afterwards.
func (o *Orchestrator) Replace(ctx context.Context, r Replacement) error {
	entry, err := o.registry.Lookup(r.Service)
	if err != nil {
		return err
	}
	r.Model = cmp.Or(r.Model, entry.description.DefaultModel)
	replacer, ok := entry.Service.(services.ModelReplacer)
	if !ok || r.Model == "" {
		return services.Faultf(services.KindInvalid, "service %s has no models that can be reloaded", entry.Name())
	}
	unit, release, err := entry.hold(r.Model)
	if err != nil {
		return err
	}
	defer release()
	if err := entry.up(); err != nil {
		return err
	}
	if err := entry.begun(ctx); err != nil {
		return err
	}
	if r.Commit == nil {
		r.Commit = func() error { return nil }
	}
	if r.Gap {
		open, err := entry.gates.close(ctx, r.Model)
		if err != nil {
			return err
		}
		defer open()
	}
	started := time.Now()
	staged, loaded, err := o.try(ctx, entry, replacer, r)
	log := o.log.With("service", r.Service, "model", r.Model)
	if err != nil {
		log.Warn("another version of a model was not taken", "error", err)
		return notTaken(err, unit, r, staged, loaded)
	}
	log.Info("another version of a model has taken its place", "took", time.Since(started))
	return nil
}

// notTaken returns the fault for a version that was not taken.
func notTaken(err error, unit *Unit, r Replacement, staged string, loaded bool) error {
	kind := services.KindOf(err)
	what := "the new version of model " + r.Model + " was not taken"
	switch {
	case r.Gap && r.Dir == "" && loaded:
		what += ", and the old one is no longer loaded"
	case loaded && !r.Gap:
		what += "; the one in use goes on"
	}
	var fault *services.Fault
	text := err.Error()
	if errors.As(err, &fault) && kind != services.KindInternal {
		text = fault.Detail() // otherwise the operator who has asked needs the cause
	}
	if staged != "" {
		text = strings.ReplaceAll(text, staged, r.Model)
	}
	if kind == services.KindTooLarge && !r.Gap {
		return services.Faultf(services.KindInvalid,
			"%s: both do not fit into the memory of service %s together (%s); repeat it with gap, so that the old one is unloaded first",
			what, unit.Name(), text)
	}
	return &services.Fault{Kind: kind, Message: what + ": " + text, Err: err, RetryAfter: retryAfter(fault)}
}

func retryAfter(fault *services.Fault) time.Duration {
	if fault == nil {
		return 0
	}
	return fault.RetryAfter
}

// try stages a version, runs the canary on it, and replaces the model by it. name is that of
// the staged version, and loaded reports whether the old one was loaded before.
func (o *Orchestrator) try(
	ctx context.Context, entry *Registration, replacer services.ModelReplacer, r Replacement,
) (name string, loaded bool, err error) {
	var staged services.StagedModel
	err = entry.call(func() (err error) {
		staged, err = replacer.StageModel(ctx, r.Model, r.Dir, r.Gap)
		return err
	})
	if err != nil {
		return "", false, err
	}
	name, loaded = staged.Name(), staged.Loaded()
	if err = o.prove(ctx, entry, name, r); err == nil {
		err = entry.call(func() error { return staged.Replace(ctx, r.Commit) })
	}
	return name, loaded, errors.Join(err, entry.call(func() error { return staged.Close(err) }))
}

// prove loads a staged version and runs the canary on it, with memory of its own.
func (o *Orchestrator) prove(ctx context.Context, entry *Registration, staged string, r Replacement) error {
	ctx = services.WithCanary(ctx)
	host, err := entry.host()
	if err != nil {
		return err
	}
	task, ok := entry.canary(staged)
	if !ok {
		return entry.call(func() error { return host.LoadModel(ctx, staged) })
	}
	task.Service, task.Priority, task.ID = r.Service, services.PriorityHigh, "canary-"+r.Service+"-"+r.Model
	work, err := entry.prepare(ctx, task)
	if err != nil {
		return err
	}
	bytes, err := entry.bytes(ctx, work)
	if err != nil {
		return err
	}
	lease, err := o.admission.Acquire(ctx, services.Claim{
		Service: r.Service, Model: r.Model, Task: task.Name, Bytes: bytes, Beside: true, Plan: services.PlanOf(work), Priority: task.Priority,
	})
	if err != nil {
		if ctx.Err() != nil {
			return &services.Fault{Kind: services.KindBusy, Message: "there was no memory for it in time", Err: err, RetryAfter: time.Minute}
		}
		return err
	}
	defer lease.Release()
	return entry.call(func() error {
		result, err := work.Run(services.WithLease(ctx, lease), services.DiscardSink{})
		if err != nil {
			return fmt.Errorf("canary: %w", err)
		}
		return result.Audio.Remove()
	})
}

// gates stop the tasks of models that are unloaded before another version is loaded. The
// zero value is ready. Safe for concurrent use.
type gates struct {
	mu     sync.Mutex
	models map[string]*gate
}

// gate counts the tasks of one model that have passed.
type gate struct {
	inside int
	// opened is closed when a closed gate opens; nil while it is open. left is closed when
	// nobody is inside any more; nil while nobody waits for it.
	opened, left chan struct{}
}

// enter waits until the model's gate is open. leave must be called when the task has ended.
func (g *gates) enter(ctx context.Context, model string) (leave func(), err error) {
	for {
		g.mu.Lock()
		if g.models == nil {
			g.models = make(map[string]*gate)
		}
		one := g.models[model]
		if one == nil {
			one = &gate{}
			g.models[model] = one
		}
		opened := one.opened
		if opened == nil {
			one.inside++
			g.mu.Unlock()
			return func() { g.leave(model, one) }, nil
		}
		g.mu.Unlock()
		select {
		case <-opened:
		case <-ctx.Done():
			return nil, fmt.Errorf("wait for another version of model %s: %w", model, ctx.Err())
		}
	}
}

func (g *gates) leave(model string, one *gate) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if one.inside--; one.inside > 0 {
		return
	}
	if one.left != nil {
		close(one.left)
		one.left = nil
	}
	if one.opened == nil {
		delete(g.models, model)
	}
}

// close stops further tasks of the model, and waits for those inside. If ctx ends first, the
// gate opens again.
func (g *gates) close(ctx context.Context, model string) (open func(), err error) {
	g.mu.Lock()
	if g.models == nil {
		g.models = make(map[string]*gate)
	}
	one := g.models[model]
	if one == nil {
		one = &gate{}
		g.models[model] = one
	}
	if one.opened != nil {
		g.mu.Unlock()
		return nil, &services.Fault{
			Kind: services.KindBusy, Message: "another version of model " + model + " is being loaded already", RetryAfter: time.Second,
		}
	}
	one.opened = make(chan struct{})
	var left chan struct{}
	if one.inside > 0 {
		left = make(chan struct{})
		one.left = left
	}
	g.mu.Unlock()
	open = func() {
		g.mu.Lock()
		defer g.mu.Unlock()
		close(one.opened)
		one.opened = nil
		if one.inside == 0 {
			delete(g.models, model)
		}
	}
	if left == nil {
		return open, nil
	}
	select {
	case <-left:
		return open, nil
	case <-ctx.Done():
		open()
		return nil, &services.Fault{Kind: services.KindBusy, Message: "tasks of model " + model + " run too long", Err: ctx.Err(),
			RetryAfter: time.Minute}
	}
}
