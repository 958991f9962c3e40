package modelstore

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/grym-synth/grym-synth/services"
)

// ErrShutDown is wrapped by Acquire after Close.
var ErrShutDown = errors.New("model pool is shut down")

// errLoadBroken is what those who waited for a load get when it panicked.
var errLoadBroken = errors.New("the load of the model was broken off")

// Model is what a Pool keeps: something loaded that can be unloaded.
type Model interface {
	Close() error
}

// LoadFunc loads the model of a name and tells how many bytes it holds.
type LoadFunc[M Model] func(ctx context.Context, name string) (model M, bytes services.Bytes, err error)

// Pool keeps loaded models by name. Tasks share a model; it is unloaded when
// nobody uses it and the memory budget asks for its room. Safe for concurrent use.
type Pool[M Model] struct {
	service   string
	load      LoadFunc[M]
	residency services.Residency

	mu     sync.Mutex
	idle   *sync.Cond // broadcast when an entry's users fall to zero
	models map[string]*entry[M]
	closed bool
	peak   services.Bytes
}

// entry is one model, loading or loaded.
type entry[M Model] struct {
	// ready is closed when loading has ended, one way or the other.
	ready chan struct{}
	err   error
	// abandoned tells that err came after the first caller's ctx had ended.
	abandoned bool
	model     M

	// Guarded by Pool.mu.
	bytes    services.Bytes
	users    int
	resident services.Resident
}

// NewPool makes an empty pool. The service's name qualifies the bookings at
// the residency.
func NewPool[M Model](service string, residency services.Residency, load LoadFunc[M]) *Pool[M] {
	p := &Pool[M]{service: service, load: load, residency: residency, models: make(map[string]*entry[M])}
	p.idle = sync.NewCond(&p.mu)
	return p
}

// Acquire gives the model, loading it where needed; callers that arrive during
// a load share it. done must be called when the model is not used any more.
// The load itself belongs to the first caller and ends with its ctx; others
// then try again.
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

// join counts the caller as a user of the entry, making the entry where there
// is none; mine tells that the caller has to load it.
func (p *Pool[M]) join(name string) (e *entry[M], mine bool, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return nil, false, fmt.Errorf("acquire model %s: %w", name, ErrShutDown)
	}
	e, ok := p.models[name]
	if !ok {
		e = &entry[M]{ready: make(chan struct{})}
		p.models[name] = e
	}
	e.users++
	return e, !ok, nil
}

func (p *Pool[M]) leave(e *entry[M]) {
	p.mu.Lock()
	defer p.mu.Unlock()
	e.users--
	if e.users == 0 {
		p.idle.Broadcast()
	}
}

// fill loads the entry's model and books its memory. An entry whose load did
// not succeed, by error or by panic, leaves the pool, so that the next caller
// tries again.
func (p *Pool[M]) fill(ctx context.Context, name string, e *entry[M]) {
	e.err = errLoadBroken
	defer func() {
		if e.err != nil {
			p.mu.Lock()
			delete(p.models, name)
			// After a panic nobody leaves the entry, and Close may wait for that.
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
	resident := p.residency.Hold(ctx, p.service, name, bytes, func(ctx context.Context) error {
		return p.evict(ctx, name, e)
	})
	p.mu.Lock()
	defer p.mu.Unlock()
	e.model, e.bytes, e.resident, e.err = model, bytes, resident, nil
	p.peak = max(p.peak, p.loaded())
}

// evict unloads one entry for the memory budget.
func (p *Pool[M]) evict(_ context.Context, name string, e *entry[M]) error {
	p.mu.Lock()
	if p.models[name] != e {
		p.mu.Unlock()
		return nil
	}
	if e.users > 0 {
		p.mu.Unlock()
		return services.ErrInUse
	}
	delete(p.models, name)
	p.mu.Unlock()
	return p.unload(e)
}

// Unload unloads one model once nobody uses it. Where that is not before ctx
// ends it stays, and the error wraps ErrInUse. A model that is not loaded is
// nothing to do.
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
		return &services.Fault{Kind: services.KindBusy, Message: "model " + name + " is in use", RetryAfter: time.Second, Err: services.ErrInUse}
	}
	delete(p.models, name)
	p.mu.Unlock()
	return p.unload(e)
}

func (p *Pool[M]) unload(e *entry[M]) error {
	err := e.model.Close()
	e.resident.Release()
	return err
}

// Loaded tells whether a model is loaded, and with how many bytes.
func (p *Pool[M]) Loaded(name string) (services.Bytes, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	e, ok := p.models[name]
	if !ok || e.resident == nil {
		return 0, false
	}
	return e.bytes, true
}

// Count returns how many models are loaded.
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

// Bytes held by loaded models now, and at the most so far.
func (p *Pool[M]) Bytes() (loaded, peak services.Bytes) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.loaded(), p.peak
}

// loaded sums the entries. The caller holds mu.
func (p *Pool[M]) loaded() (sum services.Bytes) {
	for _, e := range p.models {
		sum += e.bytes
	}
	return sum
}

// Close waits until no model is used and unloads all of them. When ctx ends
// first, what is in use stays loaded and the error says how many. After Close,
// Acquire fails until Reopen.
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
	for name, e := range p.models {
		if e.users == 0 {
			unused = append(unused, e)
			delete(p.models, name)
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

// Reopen lets Acquire work again after Close.
func (p *Pool[M]) Reopen() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = false
}

// busy counts the entries in use. The caller holds mu.
func (p *Pool[M]) busy() (n int) {
	for _, e := range p.models {
		if e.users > 0 {
			n++
		}
	}
	return n
}
