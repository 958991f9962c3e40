package resources

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/grym-synth/grym-synth/services"
)

// Lease is the right to run one task with a number of bytes. Its methods are for the
// task's own goroutine; Release may be called from any.
type Lease struct {
	manager  *Manager
	account  *account
	arena    *arena
	flow     *flow
	priority services.Priority
	// meter measures the task for its caller; nil if nobody asks.
	meter *services.Meter
	// task and plan are those of the claim, and runsLeased is what the plan's run was
	// predicted to use. gauge is nil if it is not measured.
	task       string
	plan       services.Plan
	runsLeased services.Bytes
	gauge      services.Gauge

	// Guarded by Manager.mu. bytes is zero until the lease is granted; moved is how
	// many of them were transferred to a model that the task loaded.
	bytes, moved services.Bytes
	// stranger is set if the lease was granted while the model was not loaded.
	stranger bool
	slot     bool
	since    time.Time
	released bool
	// runs is the part of bytes for the run, without a load. succeeded is set if the task
	// ran to its end.
	runs      services.Bytes
	succeeded bool
	// began is when the lease was granted, waited how long that took, and reserved
	// its bytes then.
	began    time.Time
	waited   time.Duration
	reserved services.Bytes
	// worked is how long it held a run slot; idle is set if it did not compute while it
	// held the present one.
	worked time.Duration
	idle   bool
	// tag is the number of the flow's rounds at its arrival and the work done since. At
	// due the rounds had come to reached, which is the tag where they have got so far.
	tag, reached time.Duration
	due          time.Time
	// waiter is the lease's place in the queue while it has yielded its slot.
	waiter *waiter
}

// Slot implements services.Lease.
func (l *Lease) Slot() (since time.Time, held bool) {
	l.manager.mu.Lock()
	defer l.manager.mu.Unlock()
	return l.since, l.slot
}

// Bytes returns the bytes still leased.
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
	now := time.Now()
	l.stopMeasuring(now)
	if l.waiter != nil {
		// Released by another goroutine while it waited for its slot.
		w := l.waiter
		m.remove(w, now)
		close(w.granted)
	}
	l.dropSlot(now)
	if !l.began.IsZero() {
		l.account.demand.worked(l.worked)
		l.account.pattern.add(past{at: now, bytes: l.reserved, waited: l.waited, held: now.Sub(l.began)})
	}
	l.giveBack()
	m.missed = m.evicting
	if a := l.account; a.running == 0 && len(a.backlog) == 0 {
		a.rest()
	}
	m.grant(now)
}

// giveBack ends the lease's claim on its arena. What it used stays with the
// model, if there is one; the half of the weights that a load needs on top does
// not. The caller holds mu.
func (l *Lease) giveBack() {
	if l.arena.weights > 0 {
		l.arena.high = max(l.arena.high, l.arena.used())
	}
	delete(l.arena.leases, l)
	l.arena.active -= l.bytes
	l.arena.loading -= l.moved / 2
	if l.stranger {
		l.arena.strangers--
		l.stranger = false
	}
	l.bytes = 0
	l.endBeside()
}

// move transfers bytes of the lease to a model that its task has loaded. The caller
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

// dropSlot returns the run slot and records how long it was held. The caller holds mu.
func (l *Lease) dropSlot(now time.Time) {
	if !l.slot {
		return
	}
	l.slot = false
	l.meter.End(now)
	a, f := l.account, l.flow
	f.advance(now)
	a.loaded(now)
	a.running--
	a.holders = slices.DeleteFunc(a.holders, func(other *Lease) bool { return other == l })
	a.worked = now
	f.running--
	work := now.Sub(l.since)
	l.tag += work
	l.settle(now)
	f.note(l.priority, work)
	held := max(work, time.Microsecond)
	if l.worked == 0 {
		l.learn(held)
	}
	l.worked += held
	if a.holds == 0 {
		a.holds, a.shortest = held, held
		return
	}
	a.holds += (held - a.holds) / 8
	a.shortest = min(a.shortest, held)
}

// learn records how long the task held its first slot. The caller holds mu.
func (l *Lease) learn(held time.Duration) {
	mine := l.flow.first[l.arena]
	if mine == nil {
		mine = new(average)
		l.flow.first[l.arena] = mine
	}
	mine.add(held)
	l.arena.first.add(held)
	l.account.first.add(held)
}

// Yield lets a waiting task of the service run first if it is that task's turn: one of
// another tenant that has had less work done, or one of the same tenant with an earlier
// turn. The yielding task keeps its place in the order and its bytes. Yield returns
// when the task has its slot again, or with ctx's error, after which the task must end.
func (l *Lease) Yield(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	m := l.manager
	m.mu.Lock()
	now := time.Now()
	// A task beyond its service's share of the cores gives way to other services.
	slots := m.slots(l.account, now)
	beyond := l.account.running > slots
	if l.account.running < slots {
		m.grant(now) // others have ended meanwhile
	}
	if l.released || !l.slot || len(l.account.backlog) == 0 && !beyond {
		m.mu.Unlock()
		return nil
	}
	if !beyond && !m.goesFirst(l, now) {
		m.mu.Unlock()
		return nil
	}
	w := &waiter{since: now, account: l.account, arena: l.arena, lease: l, yielded: true, granted: make(chan struct{})}
	l.dropSlot(now)
	m.insert(w, now)
	m.grant(now)
	m.mu.Unlock()
	return m.wait(ctx, w)
}

// goesFirst reports whether a task of the service that lacks only a slot would get the
// lease's slot if it were yielded. The caller holds mu.
func (m *Manager) goesFirst(l *Lease, now time.Time) bool {
	own := l.flow
	own.advance(now)
	turn := l.turnOf(now.Sub(l.since), now)
	for _, f := range l.account.backlog {
		f.turnsAt(now)
		order := 0
		if f != own {
			order = cmp.Or(cmp.Compare(f.tag, own.tag), cmp.Compare(f.running, own.running-1))
		}
		for _, list := range [][]*waiter{f.yielded, f.fresh} {
			if order > 0 || len(list) == 0 {
				continue
			}
			if w := list[0]; (order < 0 || w.turn.Before(turn)) && m.lacksOnlyASlot(w) {
				return true
			}
		}
	}
	return false
}

// lacksOnlyASlot reports whether the bytes that w needs are available. The caller holds
// mu.
func (m *Manager) lacksOnlyASlot(w *waiter) bool {
	more := w.arena.more(w.needs())
	return more == 0 || more <= m.free() && (!m.cfg.Enabled || w.account.booked()+more <= w.account.limit.MaxMemory)
}

var _ services.Lease = (*Lease)(nil)
