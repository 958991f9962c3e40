package resources

import (
	"math"
	"time"

	"github.com/grym-synth/grym-synth/services"
)

// HeldProbe tells what memory the process holds that the system cannot take back.
type HeldProbe interface {
	Held() (services.Bytes, error)
}

const (
	// unbookedEvery is the least time between two looks: each reads a file.
	unbookedEvery = 50 * time.Millisecond
	// unbookedMemory is how long what was seen counts, fading: while runs have not
	// reached their peak a look sees less.
	unbookedMemory = 30 * time.Second
	// leastMargin and its part of the limit stay for what no process owns: the
	// kernel's buffers, pages that are being written, the library's file.
	leastMargin  = 32 * services.MiB
	marginPart   = 16
	unbookedRuns = worthMeasuring
)

// unbooked is memory that the process holds beyond the books: Go's heap, the
// library, and what the engine's allocator lost between blocks of different
// sizes. The reserve is there for it; where it is more, the budget is less.
type unbooked struct {
	bytes services.Bytes
	at    time.Time
}

// see takes a look at a time. fresh forgets what was seen before, after a model
// was unloaded.
func (u *unbooked) see(beyond services.Bytes, now time.Time, fresh bool) {
	if !fresh && beyond < u.bytes {
		part := math.Exp(-float64(now.Sub(u.at)) / float64(unbookedMemory))
		beyond += services.Bytes(part * float64(u.bytes-beyond))
	}
	u.bytes, u.at = beyond, now
}

// lookAround compares what the process holds with the books. The caller holds mu.
func (m *Manager) lookAround(fresh bool) {
	probe, ok := m.probe.(HeldProbe)
	now := time.Now()
	if !ok || !m.cfg.Enabled || !fresh && now.Sub(m.unbooked.at) < unbookedEvery {
		return
	}
	held, err := probe.Held()
	if err != nil {
		return
	}
	for _, a := range m.list {
		held -= a.booked()
	}
	m.unbooked.see(max(held, 0), now, fresh)
}

// overdrawn is by how much unbooked memory is more than the reserve has room for.
// The caller holds mu.
func (m *Manager) overdrawn() services.Bytes {
	if m.budget.Limit == 0 {
		return 0
	}
	margin := max(m.budget.Limit/marginPart, leastMargin)
	return max(m.unbooked.bytes-max(m.budget.Limit-m.budget.Bytes-margin, 0), 0)
}
