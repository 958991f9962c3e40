package resources

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/grym-synth/grym-synth/services"
)

// resident is memory that a service keeps between tasks: a loaded model.
type resident struct {
	manager *Manager
	account *account
	service string
	name    string
	bytes   services.Bytes
	evict   func(context.Context) error

	// Guarded by Manager.mu.
	lastUsed time.Time
	released bool
}

// Hold implements services.Residency. It never waits: the memory is in use
// already, and books that deny it help nobody.
func (m *Manager) Hold(ctx context.Context, service, name string, bytes services.Bytes, evict func(context.Context) error) services.Resident {
	m.mu.Lock()
	defer m.mu.Unlock()
	a := m.accounts[service]
	if a == nil {
		a = &account{}
		m.accounts[service] = a
	}
	if lease, ok := ctx.Value(leaseKey{}).(*Lease); ok && lease.account == a {
		moved := min(bytes, lease.bytes)
		lease.bytes -= moved
		a.leased -= moved
	}
	a.resident += bytes
	r := &resident{manager: m, account: a, service: service, name: name, bytes: bytes, evict: evict, lastUsed: time.Now()}
	m.residents = append(m.residents, r)
	return r
}

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
	m.residents = slices.DeleteFunc(m.residents, func(other *resident) bool { return other == r })
	m.grant()
}

// evictFor unloads the model that was used the longest ago, of one service or
// of all where a is nil, and shares out again. One eviction runs at a time; a
// model in use is passed over. The caller holds mu.
func (m *Manager) evictFor(a *account) {
	if m.evicting || m.closed {
		return
	}
	var candidates []*resident
	for _, r := range m.residents {
		if a == nil || r.account == a {
			candidates = append(candidates, r)
		}
	}
	if len(candidates) == 0 {
		return
	}
	slices.SortFunc(candidates, func(a, b *resident) int { return a.lastUsed.Compare(b.lastUsed) })
	m.evicting = true
	m.evictions.Go(func() { m.evictOne(candidates) })
}

// evictOne evicts the first candidate that lets itself be. Its Release shares
// the room out; where none gave way, the next lease that ends does.
func (m *Manager) evictOne(candidates []*resident) {
	evicted := false
	for _, r := range candidates {
		err := r.evict(context.Background())
		if err == nil {
			m.metrics.evictions.WithLabelValues(r.service).Inc()
			m.log.Info("model evicted to make room", "service", r.service, "model", r.name, "bytes", int64(r.bytes))
			evicted = true
			break
		}
		if !errors.Is(err, services.ErrInUse) {
			m.log.Error("eviction failed", "service", r.service, "model", r.name, "error", err)
		}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	missed := m.missed
	m.evicting, m.missed = false, false
	if evicted || missed {
		m.grant()
	}
}
