package resources

import (
	"slices"
	"time"

	"github.com/grym-synth/grym-synth/services"
)

// waiter is a task that waits for its lease, or one that yielded its run slot and waits
// for another.
type waiter struct {
	// turn orders the tasks of a tenant, the earliest first: the time of arrival, later
	// by the work already done and earlier by one ageing step per priority level. So a
	// task overtakes less urgent ones unless they have waited long enough. number is
	// the order in which waiters came.
	turn   time.Time
	number uint64
	since  time.Time
	// bytes were asked for when the model held so many weights, none where it was
	// not loaded.
	bytes, weights services.Bytes
	account        *account
	arena          *arena
	lease          *Lease
	// yielded is set if the lease has its bytes and lacks only a slot.
	yielded bool
	// granted is closed once the lease is the waiter's, or refused is set.
	granted chan struct{}
	refused error
}

// needs returns what the task needs now. Meanwhile its model may have been loaded by
// another task, or unloaded to make room.
func (w *waiter) needs() services.Bytes {
	var change services.Bytes
	switch {
	case w.yielded:
		return 0
	case w.weights == 0 && w.arena.weights > 0:
		change = -loadBytes(w.arena.weights)
	case w.weights > 0 && w.arena.weights == 0:
		change = loadBytes(w.weights)
	}
	return max(w.bytes+change, 0)
}

// insert adds w to the queue and returns how many of its tenant's tasks in the service
// are ahead. The caller holds mu.
func (m *Manager) insert(w *waiter, now time.Time) (ahead int) {
	f, a := w.lease.flow, w.account
	if !w.yielded && len(f.fresh) == 0 {
		f.tag = max(f.tag, a.clock(now))
	}
	f.advance(now)
	if f.waiting() == 0 {
		a.backlog = append(a.backlog, f)
	}
	m.waiting++
	if f.tenant.waiting++; f.tenant.waiting == 1 {
		m.present++
	}
	m.numbered++
	w.number = m.numbered
	if w.yielded {
		f.yielded = append(f.yielded, w)
		w.lease.waiter = w
		return 0
	}
	w.lease.tag, w.lease.reached = f.rounds, f.rounds
	at, _ := slices.BinarySearchFunc(f.fresh, w, compareTurns)
	f.fresh = slices.Insert(f.fresh, at, w)
	for _, other := range f.yielded {
		if compareTurns(other, w) < 0 {
			ahead++
		}
	}
	return ahead + at
}

// remove takes w out of the queue and reports whether it was there. The caller holds mu.
func (m *Manager) remove(w *waiter, now time.Time) bool {
	f := w.lease.flow
	list := &f.fresh
	if w.yielded {
		list = &f.yielded
	}
	at := slices.Index(*list, w)
	if at < 0 {
		return false
	}
	f.advance(now)
	*list = slices.Delete(*list, at, at+1)
	if f.waiting() == 0 {
		f.account.backlog = slices.DeleteFunc(f.account.backlog, func(other *flow) bool { return other == f })
	}
	m.waiting--
	if f.tenant.waiting--; f.tenant.waiting == 0 {
		m.present--
	}
	w.lease.waiter = nil
	return true
}

// grant grants leases in order. A task that lacks a run slot is skipped, since only its
// own service can free one. One that lacks bytes holds back those behind it that need
// bytes from the same share, because small tasks could starve it otherwise; idle models
// are evicted for it. The caller holds mu.
func (m *Manager) grant(now time.Time) {
	if m.waiting == 0 {
		return
	}
	m.catchUp()
	m.lookAround(false)
	if m.doubtful {
		m.refuseHopeless(now)
	}
	for _, a := range m.list {
		a.short = false
		for _, f := range a.backlog {
			f.turnsAt(now)
			f.seenFresh, f.seenYielded = 0, 0
		}
	}
	shortOfAll := false
	for w := m.next(now); w != nil; w = m.next(now) {
		a, f := w.account, w.lease.flow
		more := w.arena.more(w.needs())
		switch {
		case more == 0:
			m.give(w, now)
			continue
		case shortOfAll || a.short:
		case m.cfg.Enabled && a.booked()+more > a.limit.MaxMemory:
			a.short = true
			m.evictFor(a, w)
		case more > m.free():
			shortOfAll = true
			if !m.evictFor(nil, w) && !m.working() {
				// Only unbooked memory can make room, and it is unknown when.
				m.turnAway(w, now, &services.Fault{Kind: services.KindBusy, Message: "memory is short for the moment", RetryAfter: unbookedMemory})
				continue
			}
		default:
			m.give(w, now)
			continue
		}
		f.pass(w)
	}
}

// next returns the waiter that a pass over the queue examines next: of those whose turn
// it is in a service with a free slot, the one whose turn came first. The caller holds
// mu.
func (m *Manager) next(now time.Time) (first *waiter) {
	var came time.Time
	for _, a := range m.list {
		if len(a.backlog) == 0 || a.running >= m.slots(a, now) {
			continue
		}
		w := a.next()
		if w == nil {
			continue
		}
		at := w.turn
		if served := w.lease.flow.served; m.present > 1 && served.After(at) {
			// When tenants compete for the same memory in several services, a tenant's
			// next task counts as having arrived no earlier than its last one there was
			// served.
			at = served
		}
		if first == nil || at.Before(came) || at.Equal(came) && w.number < first.number {
			first, came = w, at
		}
	}
	return first
}

// refuseHopeless refuses tasks that could never run: the budget shrank, or their models
// have to be loaded again. The caller holds mu.
func (m *Manager) refuseHopeless(now time.Time) {
	m.doubtful = false
	if !m.cfg.Enabled {
		return
	}
	var hopeless []*waiter
	for w := range m.waiters() {
		if !w.yielded && w.needs()+w.arena.weights > min(m.budget.Bytes, w.account.limit.MaxMemory) {
			hopeless = append(hopeless, w)
		}
	}
	for _, w := range hopeless {
		m.refuse(w.account, RefusedTooLarge)
		m.turnAway(w, now, m.tooLarge(w.account, w.needs()+w.arena.weights))
	}
}

// turnAway refuses a waiting task. The caller holds mu.
func (m *Manager) turnAway(w *waiter, now time.Time, why error) {
	m.remove(w, now)
	w.refused = why
	close(w.granted)
}

// give grants the waiting w its lease. The caller holds mu.
func (m *Manager) give(w *waiter, now time.Time) {
	l, f := w.lease, w.lease.flow
	m.remove(w, now)
	need := w.needs()
	w.account.loaded(now)
	w.account.running++
	w.account.holders = append(w.account.holders, l)
	w.account.worked = now
	f.running++
	f.served = now
	w.account.virtual = max(w.account.virtual, f.tag)
	w.arena.active += need
	l.bytes += need
	l.slot, l.idle = true, false
	l.since = now
	l.meter.Begin(now)
	if !w.yielded {
		f.start(w, now)
		w.arena.uses.tick(now)
		l.began, l.waited, l.reserved = now, now.Sub(w.since), need
		if l.stranger = w.arena.weights == 0; l.stranger {
			w.arena.strangers++
		}
		l.startMeasuring()
	}
	if leased := w.account.leased(); leased > w.account.pattern.peak {
		w.account.pattern.peak = leased
	}
	close(w.granted)
}
