package resources

import (
	"slices"
	"time"

	"github.com/grym-synth/grym-synth/services"
)

// waiter is a task that waits for its lease, or one that gave up its run slot
// and waits for another.
type waiter struct {
	// turn orders the queue, the earliest first: the time of arrival, moved by
	// one ageing step for each step of priority. So a task overtakes less urgent
	// ones, but none that has waited long enough.
	turn  time.Time
	since time.Time
	// bytes were asked for when the model held so many weights, none where it was
	// not loaded; factor is the correction that they include.
	bytes, weights services.Bytes
	factor         float64
	account        *account
	arena          *arena
	lease          *Lease
	// yielded tells that the lease has its bytes and lacks only a slot.
	yielded bool
	// granted is closed once the lease is the waiter's, or refused is set.
	granted chan struct{}
	refused error
}

// needs is what the task needs as things are now. Meanwhile its model may have been
// loaded by another task, or unloaded to make room.
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
	return max(w.bytes+services.Bytes(w.factor*float64(change)), 0)
}

// insert lines w up and tells how many of its service are ahead. The caller holds mu.
func (m *Manager) insert(w *waiter) (ahead int) {
	at, _ := slices.BinarySearchFunc(m.queue, w, func(have, want *waiter) int {
		if have.turn.After(want.turn) {
			return 1
		}
		return -1 // equal turns keep their order of arrival
	})
	for _, other := range m.queue[:at] {
		if other.account == w.account {
			ahead++
		}
	}
	m.queue = slices.Insert(m.queue, at, w)
	return ahead
}

// remove takes w out of the queue and tells whether it was there. The caller holds mu.
func (m *Manager) remove(w *waiter) bool {
	at := slices.Index(m.queue, w)
	if at < 0 {
		return false
	}
	m.queue = slices.Delete(m.queue, at, at+1)
	return true
}

// grant gives leases to whoever's turn it is. A task that lacks a run slot is
// passed over, since only its own service can help it. One that lacks bytes
// holds back everybody behind it who wants bytes from the same pot, or small
// tasks would starve it for ever; meanwhile idle models are evicted for it.
// The caller holds mu.
func (m *Manager) grant() {
	if len(m.queue) > 0 {
		m.lookAround(false)
	}
	short := make(map[*account]bool)
	shortOfAll := false
	left := m.queue[:0:0]
	for _, w := range m.queue {
		a := w.account
		need := w.needs()
		more := w.arena.more(need)
		switch {
		case w.lease.released:
			// Ended by another goroutine while it waited for its slot.
			close(w.granted)
			continue
		case !w.yielded && m.cfg.Enabled && need+w.arena.weights > min(m.budget.Bytes, a.limit.MaxMemory):
			// It would wait for ever: the budget shrank, or its model has to be loaded anew.
			m.refuse(a, RefusedTooLarge)
			w.refused = m.tooLarge(a, need+w.arena.weights)
			close(w.granted)
			continue
		case a.running >= a.runs():
		case more == 0:
			m.give(w)
			continue
		case shortOfAll || short[a]:
		case m.cfg.Enabled && a.booked()+more > a.limit.MaxMemory:
			short[a] = true
			m.evictFor(a, w)
		case more > m.free():
			shortOfAll = true
			if !m.evictFor(nil, w) && !m.working() {
				// Nothing will make room but what is not booked, and when is not known.
				w.refused = &services.Fault{Kind: services.KindBusy, Message: "memory is short for the moment", RetryAfter: unbookedMemory}
				close(w.granted)
				continue
			}
		default:
			m.give(w)
			continue
		}
		left = append(left, w)
	}
	m.queue = left
}

// give makes w the holder of its lease. The caller holds mu.
func (m *Manager) give(w *waiter) {
	l := w.lease
	w.account.running++
	need := w.needs()
	w.arena.active += need
	l.bytes += need
	l.slot = true
	l.since = time.Now()
	m.granted++
	if !w.yielded {
		w.arena.uses.tick(l.since)
		l.began, l.waited, l.reserved = l.since, l.since.Sub(w.since), need
		if need != w.bytes {
			l.predicted = services.Bytes(float64(need) / w.factor)
		}
		if l.stranger = w.arena.weights == 0; l.stranger {
			w.arena.strangers++
		}
		m.startMeasuring(l)
	}
	if leased := w.account.leased(); leased > w.account.pattern.peak {
		w.account.pattern.peak = leased
	}
	close(w.granted)
}
