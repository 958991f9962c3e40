package resources

import (
	"context"
	"slices"
	"time"

	"github.com/grym-synth/grym-synth/internal/lifecycle"
	"github.com/grym-synth/grym-synth/services"
)

// Cleanups counts what the automatic cleanup did.
type Cleanups struct {
	// Runs counts cleanups, Models and Bytes what they unloaded.
	Runs, Models uint64
	Bytes        services.Bytes
	// LastHour is what was unloaded in the hour before.
	LastHour struct {
		Models uint64
		Bytes  services.Bytes
	}
	// Last is the end of the latest run; zero before the first.
	Last time.Time
}

// cleaned is one model that the cleanup unloaded.
type cleaned struct {
	at    time.Time
	bytes services.Bytes
}

// cleanups of a manager; its mu guards them.
type cleanups struct {
	total  Cleanups
	recent []cleaned // of the last hour, the oldest first
}

// view returns the counts as of now.
func (c *cleanups) view(now time.Time) Cleanups {
	c.recent = slices.DeleteFunc(c.recent, func(one cleaned) bool { return now.Sub(one.at) > time.Hour })
	v := c.total
	for _, one := range c.recent {
		v.LastHour.Models++
		v.LastHour.Bytes += one.bytes
	}
	return v
}

// Start unloads models that were idle for longer than their service's keep-alive time,
// once every cleanup interval, until Stop.
func (m *Manager) Start(ctx context.Context) error {
	return m.cleaner.Start(ctx, func(ctx context.Context) { lifecycle.Every(ctx, m.cfg.CleanupInterval, m.Cleanup) })
}

// Cleanup unloads the models that have been idle for longer than their keep-alive time.
func (m *Manager) Cleanup() {
	for _, r := range m.overdue() {
		freed := r.bytes + m.retained(r)
		if !m.evict(r, "end its keep-alive time") {
			continue
		}
		m.mu.Lock()
		m.cleaned.total.Models++
		m.cleaned.total.Bytes += freed
		m.cleaned.recent = append(m.cleaned.recent, cleaned{time.Now(), freed})
		m.mu.Unlock()
		m.metrics.cleaned.Inc()
		m.metrics.cleanedBytes.Add(float64(freed))
	}
	m.metrics.cleanups.Inc()
	m.mu.Lock()
	defer m.mu.Unlock()
	m.cleaned.total.Runs++
	m.cleaned.total.Last = time.Now()
	m.grant(time.Now()) // unbooked memory may have shrunk
}

// retained returns the bytes that the engine keeps for the model's next runs.
func (m *Manager) retained(r *resident) services.Bytes {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !r.isModel() {
		return 0
	}
	return r.account.arena(r.name).high
}

func (m *Manager) overdue() (list []*resident) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, r := range m.residents {
		keep := r.account.limit.KeepAlive
		if keep > 0 && time.Since(r.lastUsed) > keep && !r.busy() && !m.wanted(r, keep) {
			list = append(list, r)
		}
	}
	return list
}
