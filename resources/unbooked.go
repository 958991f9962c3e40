package resources

import (
	"math"
	"time"

	"github.com/grym-synth/grym-synth/services"
)

// HeldProbe measures memory that the system cannot reclaim.
type HeldProbe interface {
	// Held returns the memory that the process holds.
	Held() (services.Bytes, error)
}

const (
	// unbookedEvery is the minimum time between two measurements, each of which reads a
	// file.
	unbookedEvery = 50 * time.Millisecond
	// unbookedMemory is the time over which a measurement fades: before runs reach
	// their peak a measurement is too low.
	unbookedMemory = 30 * time.Second
	// leastMargin, or a marginPart-th of the limit, is left for what no process owns:
	// the kernel's buffers, pages that are being written, the library's file.
	leastMargin = 32 * services.MiB
	marginPart  = 16
	// unbookedRuns is the smallest lease at whose end a measurement is made.
	unbookedRuns = 32 * services.MiB
)

// unbooked is memory that the process holds beyond what is booked: Go's heap, the
// library, and what the engine's allocator lost between blocks of different sizes. The
// reserve covers it; any excess reduces the budget.
type unbooked struct {
	bytes services.Bytes
	at    time.Time
}

// see records a measurement. fresh discards earlier ones, after a model was unloaded.
func (u *unbooked) see(beyond services.Bytes, now time.Time, fresh bool) {
	if !fresh && beyond < u.bytes {
		part := math.Exp(-float64(now.Sub(u.at)) / float64(unbookedMemory))
		beyond += services.Bytes(part * float64(u.bytes-beyond))
	}
	u.bytes, u.at = beyond, now
}

// lookAround compares what the process holds with what is booked. The caller holds mu.
func (m *Manager) lookAround(fresh bool) {
	now := time.Now()
	if m.probe == nil || !m.cfg.Enabled || !fresh && now.Sub(m.unbooked.at) < unbookedEvery {
		return
	}
	held, err := m.probe.Held()
	if err != nil {
		return
	}
	for _, a := range m.list {
		held -= a.booked()
	}
	m.unbooked.see(max(held, 0), now, fresh)
}

// overdrawn returns by how much unbooked memory exceeds the reserve. The caller holds
// mu.
func (m *Manager) overdrawn() services.Bytes {
	if m.budget.Limit == 0 {
		return 0
	}
	margin := max(m.budget.Limit/marginPart, leastMargin)
	return max(m.unbooked.bytes-max(m.budget.Limit-m.budget.Bytes-margin, 0), 0)
}
