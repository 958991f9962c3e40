package resources

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/grym-synth/grym-synth/services"
)

// resident is memory that a service keeps between tasks: a loaded model, or what
// else has the name kind/id.
type resident struct {
	manager *Manager
	account *account
	service string
	name    string
	kind    string
	bytes   services.Bytes
	evict   func(context.Context) error

	// Guarded by Manager.mu.
	created, lastUsed time.Time
	released          bool
	// failed is why the model could not be unloaded.
	failed error
}

// Hold implements services.Residency. It never blocks or refuses: the memory is already
// allocated, so it has to be accounted for.
func (m *Manager) Hold(
	ctx context.Context, service, name string, bytes services.Bytes, evict func(context.Context) error,
) services.Resident {
	m.mu.Lock()
	defer m.mu.Unlock()
	a := m.account(service)
	if lease, ok := services.LeaseOf(ctx).(*Lease); ok && lease.account == a {
		lease.move(min(bytes, lease.bytes))
	}
	a.resident += bytes
	m.doubtful = true
	now := time.Now()
	kind, _, named := strings.Cut(name, "/")
	if !named {
		kind = kindModel
		a.arena(name).weights += bytes
		m.metrics.loads.WithLabelValues(service).Inc()
	}
	r := &resident{manager: m, account: a, service: service, name: name, kind: kind, bytes: bytes, evict: evict, created: now, lastUsed: now}
	m.residents = append(m.residents, r)
	return r
}

// kindModel is the kind of a loaded model.
const kindModel = "model"

// isModel reports whether it is a model, which runs share an arena with.
func (r *resident) isModel() bool { return r.kind == kindModel }

// busy reports whether a run uses it. The caller holds mu.
func (r *resident) busy() bool { return r.isModel() && r.account.arena(r.name).active > 0 }

// Touch implements services.Resident.
func (r *resident) Touch() {
	r.manager.mu.Lock()
	defer r.manager.mu.Unlock()
	r.lastUsed = time.Now()
}

// Release implements services.Resident.
func (r *resident) Release() {
	m := r.manager
	m.mu.Lock()
	defer m.mu.Unlock()
	if r.released {
		return
	}
	r.released = true
	r.account.resident -= r.bytes
	if r.isModel() {
		ar := r.account.arena(r.name)
		ar.weights -= r.bytes
		ar.high = 0
	}
	m.doubtful = true
	m.residents = slices.DeleteFunc(m.residents, func(other *resident) bool { return other == r })
	m.lookAround(true)
	m.grant(time.Now())
}

// evictFor starts unloading the least requested model, of service a or of all services
// if a is nil; the model that w needs comes last. Leases are granted again afterwards.
// One eviction runs at a time; a model in use is skipped. It returns false if there is
// nothing to unload. The caller holds mu.
func (m *Manager) evictFor(a *account, w *waiter) bool {
	if m.evicting || m.closed {
		return true
	}
	var candidates, own []*resident
	for _, r := range m.residents {
		switch {
		case r.account == w.account && r.name == w.arena.model:
			own = append(own, r)
		case a == nil || r.account == a:
			candidates = append(candidates, r)
		}
	}
	m.byWorth(candidates)
	if !m.working() {
		// No lease will end and make room, so memory retained by its own model may be
		// in the way.
		candidates = append(candidates, own...)
	}
	if len(candidates) == 0 {
		return false
	}
	m.evicting = true
	m.evictions.Go(func() { m.evictOne(candidates) })
	return true
}

// working reports whether any lease is held. The caller holds mu.
func (m *Manager) working() bool {
	for _, a := range m.list {
		if a.leased() > 0 || a.running > 0 {
			return true
		}
	}
	return false
}

// evictOne evicts the first candidate that is not in use. Its Release grants waiting
// leases; if all are in use, the next lease that ends does.
func (m *Manager) evictOne(candidates []*resident) {
	evicted := false
	for _, r := range candidates {
		if evicted = m.evict(r, "make room"); evicted {
			break
		}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	missed := m.missed
	m.evicting, m.missed = false, false
	if evicted || missed {
		m.grant(time.Now())
	}
}

// evict unloads one model and reports whether its memory is free. The caller does not
// hold mu.
func (m *Manager) evict(r *resident, why string) bool {
	err := r.evict(context.Background())
	if errors.Is(err, services.ErrInUse) {
		return false
	}
	if err != nil {
		m.log.Error("eviction failed", "service", r.service, "model", r.name, "error", err)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	r.failed = err
	if r.released {
		m.metrics.evictions.WithLabelValues(r.service).Inc()
		m.log.Info("model evicted to "+why, "service", r.service, "model", r.name, "bytes", int64(r.bytes))
	}
	return r.released
}
