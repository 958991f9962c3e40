package resources

import (
	"context"
	"time"

	"github.com/grym-synth/grym-synth/services"
)

// Cleanups counts what the automatic cleanup did.
type Cleanups struct {
	// Runs of the cleanup, and the models that it unloaded with their bytes.
	Runs, Models uint64
	Bytes        services.Bytes
	// Last is the end of the latest run; zero before the first.
	Last time.Time
}

// KeepTidy unloads models that were idle for longer than their service's
// keep-alive time, once every cleanup interval, until ctx ends.
func (m *Manager) KeepTidy(ctx context.Context) {
	ticker := time.NewTicker(m.cfg.CleanupInterval)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
			m.Cleanup()
		case <-ctx.Done():
			return
		}
	}
}

// Cleanup unloads the models whose time is over.
func (m *Manager) Cleanup() {
	for _, r := range m.overdue() {
		freed := r.bytes + m.retained(r)
		if !m.evict(r, "end its keep-alive time") {
			continue
		}
		m.mu.Lock()
		m.cleaned.Models++
		m.cleaned.Bytes += freed
		m.mu.Unlock()
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.cleaned.Runs++
	m.cleaned.Last = time.Now()
}

// retained is what the model's runs have left behind.
func (m *Manager) retained(r *resident) services.Bytes {
	m.mu.Lock()
	defer m.mu.Unlock()
	return r.account.arena(r.name).high
}

func (m *Manager) overdue() (list []*resident) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, r := range m.residents {
		keep := r.account.limit.KeepAlive
		if keep > 0 && time.Since(r.lastUsed) > keep && r.account.arena(r.name).active == 0 {
			list = append(list, r)
		}
	}
	return list
}
