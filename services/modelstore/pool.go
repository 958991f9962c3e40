package modelstore

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/grym-synth/grym-synth/services"
)

// ErrShutDown is wrapped by errors of Acquire after Close.
var ErrShutDown = errors.New("model pool is shut down")

// errLoadBroken is returned to callers that waited for a load which panicked.
var errLoadBroken = errors.New("loading the model was interrupted")

// Model is an object that a Pool can unload.
type Model interface {
	Close() error
}

// LoadFunc loads the model with the given name and returns the number of bytes that it
// occupies.
type LoadFunc[M Model] func(ctx context.Context, name string) (model M, bytes services.Bytes, err error)

// Pool holds loaded models by name. Tasks share a model, which is unloaded when it is
// unused and the memory budget needs its memory. Safe for concurrent use.
type Pool[M Model] struct {
	service   string
	load      LoadFunc[M]
	residency services.Residency

	mu     sync.Mutex
	idle   *sync.Cond // signalled when an entry's users drop to zero
	models map[string]*entry[M]
	// retired are models that another version has replaced, until they are unloaded.
	retired map[*entry[M]]struct{}
	closed  bool
	peak    services.Bytes

	// keep is called when a model becomes the one of its name, and release when it no
	// longer is; staged versions are left out. Both are called with mu held. These
	// functions are set before the pool is used.
	keep    func(name string, model M)
	release func(name string)
	// unloaded is called for every model that was loaded.
	unloaded func(model M)
}

// entry is one model that is loading or loaded.
type entry[M Model] struct {
	// ready is closed when loading has succeeded or failed.
	ready chan struct{}
	err   error
	// abandoned reports whether err occurred after the first caller's ctx had ended.
	abandoned bool
	model     M

	// The following fields are guarded by Pool.mu.
	name     string
	bytes    services.Bytes
	users    int
	resident services.Resident
	// discarded is set while a retired entry is unloaded.
	discarded bool
}

// NewPool returns an empty pool. The service's name qualifies its reservations.
func NewPool[M Model](service string, residency services.Residency, load LoadFunc[M]) *Pool[M] {
	p := &Pool[M]{
		service: service, load: load, residency: residency, models: make(map[string]*entry[M]), retired: make(map[*entry[M]]struct{}),
		keep: func(string, M) {}, release: func(string) {}, unloaded: func(M) {},
	}
	p.idle = sync.NewCond(&p.mu)
	return p
}

// Acquire returns the model and loads it if necessary. Callers that arrive during a
// load share it. done must be called when the model is no longer used. The load belongs
// to the first caller and ends with its ctx, in which case the others try again.
func (p *Pool[M]) Acquire(ctx context.Context, name string) (model M, done func(), err error) {
	for {
		e, mine, err := p.join(name)
		if err != nil {
			return model, nil, err
		}
		if mine {
			p.fill(ctx, name, e)
		}
		select {
		case <-e.ready:
		case <-ctx.Done():
			p.leave(e)
			return model, nil, fmt.Errorf("wait for model %s: %w", name, ctx.Err())
		}
		if e.err == nil {
			if !services.IsCanary(ctx) {
				e.resident.Touch()
			}
			return e.model, sync.OnceFunc(func() { p.leave(e) }), nil
		}
		p.leave(e)
		if mine || !e.abandoned {
			return model, nil, e.err
		}
	}
}

// join counts the caller as a user of the entry, creating the entry if there is none.
// mine reports whether the caller must load it.
func (p *Pool[M]) join(name string) (e *entry[M], mine bool, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return nil, false, fmt.Errorf("acquire model %s: %w", name, ErrShutDown)
	}
	e, ok := p.models[name]
	if !ok {
		e = &entry[M]{name: name, ready: make(chan struct{})}
		p.models[name] = e
	}
	e.users++
	return e, !ok, nil
}

// leave ends a use of the entry. The last user of a retired one unloads it.
func (p *Pool[M]) leave(e *entry[M]) {
	p.mu.Lock()
	e.users--
	if e.users > 0 {
		p.mu.Unlock()
		return
	}
	p.idle.Broadcast()
	_, retired := p.retired[e]
	p.mu.Unlock()
	if retired {
		p.discard(e)
	}
}

// fill loads the entry's model and reserves its memory. If the load fails or panics,
// the entry is removed from the pool so that the next caller tries again.
func (p *Pool[M]) fill(ctx context.Context, name string, e *entry[M]) {
	e.err = errLoadBroken
	defer func() {
		if e.err != nil {
			p.mu.Lock()
			delete(p.models, name)
			// After a panic nothing else releases the entry, and Close may wait for it.
			p.idle.Broadcast()
			p.mu.Unlock()
		}
		close(e.ready)
	}()
	model, bytes, err := p.load(ctx, name)
	if err != nil {
		e.err, e.abandoned = err, ctx.Err() != nil
		return
	}
	resident := p.residency.Hold(ctx, p.service, modelOf(name), bytes, func(ctx context.Context) error {
		return p.evict(ctx, e)
	})
	p.mu.Lock()
	defer p.mu.Unlock()
	e.model, e.bytes, e.resident, e.err = model, bytes, resident, nil
	p.peak = max(p.peak, p.loaded())
	if !isStaged(name) {
		p.keep(name, model)
	}
}

// evict unloads one entry on behalf of the memory budget.
func (p *Pool[M]) evict(_ context.Context, e *entry[M]) error {
	p.mu.Lock()
	if p.models[e.name] != e {
		p.mu.Unlock()
		return nil
	}
	if e.users > 0 {
		p.mu.Unlock()
		return services.ErrInUse
	}
	p.remove(e)
	p.mu.Unlock()
	return p.unload(e)
}

// remove takes a loaded entry out of the pool. The caller holds mu.
func (p *Pool[M]) remove(e *entry[M]) {
	delete(p.models, e.name)
	if !isStaged(e.name) {
		p.release(e.name)
	}
}

// Unload waits until a model is unused and unloads it. If ctx ends first, the model
// stays loaded and the error wraps ErrInUse. A model that is not loaded is not an
// error.
func (p *Pool[M]) Unload(ctx context.Context, name string) error {
	stop := context.AfterFunc(ctx, func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.idle.Broadcast()
	})
	defer stop()
	p.mu.Lock()
	e := p.models[name]
	for e != nil && e.users > 0 && ctx.Err() == nil {
		p.idle.Wait()
		e = p.models[name]
	}
	if e == nil {
		p.mu.Unlock()
		return nil
	}
	if e.users > 0 {
		p.mu.Unlock()
		return &services.Fault{
			Kind: services.KindBusy, Message: "model " + name + " is in use", RetryAfter: time.Second,
			Err: services.ErrInUse,
		}
	}
	p.remove(e)
	p.mu.Unlock()
	return p.unload(e)
}

func (p *Pool[M]) unload(e *entry[M]) error {
	err := e.model.Close()
	p.unloaded(e.model)
	e.resident.Release()
	return err
}

// Loaded reports whether a model is loaded, and returns its bytes.
func (p *Pool[M]) Loaded(name string) (services.Bytes, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	e, ok := p.models[name]
	if !ok || e.resident == nil {
		return 0, false
	}
	return e.bytes, true
}

// Count returns the number of loaded models.
func (p *Pool[M]) Count() (n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, e := range p.models {
		if e.resident != nil {
			n++
		}
	}
	return n
}

// Bytes returns the memory of loaded models now and its maximum so far.
func (p *Pool[M]) Bytes() (loaded, peak services.Bytes) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.loaded(), p.peak
}

// loaded returns the memory of loaded models. The caller holds mu.
func (p *Pool[M]) loaded() (sum services.Bytes) {
	for _, e := range p.models {
		sum += e.bytes
	}
	for e := range p.retired {
		sum += e.bytes
	}
	return sum
}

// Close waits until no model is in use and unloads all of them. If ctx ends first,
// models in use stay loaded and the error includes their number. After Close, Acquire
// fails until Reopen.
func (p *Pool[M]) Close(ctx context.Context) error {
	stop := context.AfterFunc(ctx, func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.idle.Broadcast()
	})
	defer stop()

	p.mu.Lock()
	p.closed = true
	for p.busy() > 0 && ctx.Err() == nil {
		p.idle.Wait()
	}
	var unused []*entry[M]
	for _, e := range p.models {
		if e.users == 0 {
			unused = append(unused, e)
			p.remove(e)
		}
	}
	var err error
	if n := p.busy(); n > 0 {
		err = fmt.Errorf("%d models are still in use: %w", n, ctx.Err())
	}
	p.mu.Unlock()
	for _, e := range unused {
		err = errors.Join(err, p.unload(e))
	}
	return err
}

// Reopen makes Acquire work again after Close.
func (p *Pool[M]) Reopen() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = false
}

// busy returns the number of entries in use. The caller holds mu.
func (p *Pool[M]) busy() (n int) {
	for _, e := range p.models {
		if e.users > 0 {
			n++
		}
	}
	return n + len(p.retired)
}
