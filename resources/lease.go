package resources

import (
	"context"
	"time"

	"github.com/grym-synth/grym-synth/services"
)

// Lease is the right to run one task with so many bytes. Its methods are for
// the task's own goroutine; Release may be called from any.
type Lease struct {
	manager  *Manager
	account  *account
	arena    *arena
	priority services.Priority
	// predicted is the estimate before its correction.
	predicted services.Bytes

	// Guarded by Manager.mu. bytes is zero until the lease is granted; moved of
	// them went to a model that the task loaded.
	bytes, moved services.Bytes
	// stranger tells that it was granted while the model was not loaded, by others.
	stranger bool
	slot     bool
	measure  measurement
	since    time.Time
	released bool
	// began is when the lease was granted, waited how long that took, and reserved
	// its bytes then.
	began    time.Time
	waited   time.Duration
	reserved services.Bytes
	// worked is how long it held a run slot.
	worked time.Duration
}

// Slot implements services.Lease.
func (l *Lease) Slot() (since time.Time, held bool) {
	l.manager.mu.Lock()
	defer l.manager.mu.Unlock()
	return l.since, l.slot
}

// Bytes still leased.
func (l *Lease) Bytes() services.Bytes {
	l.manager.mu.Lock()
	defer l.manager.mu.Unlock()
	return l.bytes
}

// Release implements services.Lease: it ends the claim on bytes and slot.
func (l *Lease) Release() {
	m := l.manager
	m.mu.Lock()
	defer m.mu.Unlock()
	if l.released {
		return
	}
	l.released = true
	if l.reserved >= unbookedRuns {
		m.lookAround(false) // the run has reached its peak, and is still booked
	}
	l.stopMeasuring()
	l.dropSlot()
	if now := time.Now(); !l.began.IsZero() {
		l.account.demand.worked(l.worked)
		l.account.pattern.add(past{at: now, bytes: l.reserved, waited: l.waited, held: now.Sub(l.began)})
	}
	l.giveBack()
	m.missed = m.evicting
	m.grant()
}

// giveBack ends the lease's claim on its arena. What it used stays with the
// model, if there is one; the half of the weights that a load needs on top does
// not. The caller holds mu.
func (l *Lease) giveBack() {
	if l.arena.weights > 0 {
		l.arena.high = max(l.arena.high, l.arena.used())
	}
	l.arena.active -= l.bytes
	l.arena.loading -= l.moved / 2
	if l.stranger {
		l.arena.strangers--
		l.stranger = false
	}
	l.bytes = 0
}

// move gives bytes of the lease to a model that its task has loaded. The caller
// holds mu.
func (l *Lease) move(bytes services.Bytes) {
	l.bytes -= bytes
	l.arena.active -= bytes
	l.arena.loading += (l.moved+bytes)/2 - l.moved/2
	l.moved += bytes
	if l.stranger {
		l.arena.strangers--
		l.stranger = false
	}
}

// dropSlot gives the run slot back and learns how long it was held. The caller
// holds mu.
func (l *Lease) dropSlot() {
	if !l.slot {
		return
	}
	l.slot = false
	a := l.account
	a.running--
	held := max(time.Since(l.since), time.Microsecond)
	l.worked += held
	if a.holds == 0 {
		a.holds, a.shortest = held, held
		return
	}
	a.holds += (held - a.holds) / 8
	a.shortest = min(a.shortest, held)
}

// Yield lets a waiting task of the same service run first, where its turn is
// before this one's would be if it came now; the bytes stay leased. It returns
// once the slot is back, or with ctx's error, after which the task must end.
func (l *Lease) Yield(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	m := l.manager
	m.mu.Lock()
	turn := time.Now().Add(-time.Duration(l.priority) * m.cfg.Ageing)
	if l.released || !l.slot || !m.goesFirst(l.account, turn) {
		m.mu.Unlock()
		return nil
	}
	w := &waiter{turn: turn, since: time.Now(), account: l.account, arena: l.arena, lease: l, yielded: true, granted: make(chan struct{})}
	l.dropSlot()
	m.insert(w)
	m.grant()
	m.mu.Unlock()
	return m.wait(ctx, w)
}

// goesFirst tells whether a task of the service that lacks only a slot waits
// with a turn before the given one. The caller holds mu.
func (m *Manager) goesFirst(a *account, turn time.Time) bool {
	for _, w := range m.queue {
		if w.account == a && w.turn.Before(turn) {
			more := w.arena.more(w.needs())
			return more <= m.free() && (!m.cfg.Enabled || a.booked()+more <= a.limit.MaxMemory)
		}
	}
	return false
}

var _ services.Lease = (*Lease)(nil)
