package resources

import (
	"time"

	"github.com/grym-synth/grym-synth/services"
)

// full returns the fault for a tenant's next task where the queue has no place for it.
// The limit is that of all tenants together, but each has a place for one task, and
// those with less than an equal part of the limit have places until twice as many wait.
// So a crowd of one tenant refuses nobody else. The caller holds mu.
func (m *Manager) full(tenant string) *services.Fault {
	mine, tenants := m.places[tenant], len(m.places)
	if mine == 0 || m.waiting < m.cfg.QueueLimit {
		return nil
	}
	if mine < m.cfg.QueueLimit/tenants && m.waiting < 2*m.cfg.QueueLimit {
		return nil
	}
	return services.Faultf(services.KindBusy, "%d tasks are waiting, which is the limit, %d of them of this caller", m.waiting, mine)
}

// leastPause is the shortest time after which a refused caller is asked to come again.
const leastPause = 100 * time.Millisecond

// turnIn guesses when a newcomer would start: the work that is queued before it, as long
// as tasks of that tenant and model hold their first slot, done in as many slots as
// the service has in use. The caller holds mu.
func (m *Manager) turnIn(f *flow, priority services.Priority, now time.Time) time.Duration {
	a := f.account
	f.turnsAt(now)
	turn := now.Add(-time.Duration(priority) * m.cfg.Ageing)
	work := time.Duration(a.running) * a.first.mean / 2
	start := a.clock(now)
	if f.waiting() > 0 {
		start = f.tag
	}
	for _, list := range [][]*waiter{f.fresh, f.yielded} {
		for _, w := range list {
			if !w.turn.After(turn) {
				work += w.expected()
				start += w.expected()
			}
		}
	}
	for _, other := range a.backlog {
		if other != f {
			work += other.workBefore(start, now)
		}
	}
	slots := a.runs()
	if a.running > 0 && len(a.backlog) > 0 {
		slots = a.running
	}
	return max(work/time.Duration(slots), leastPause)
}

// workBefore is the work of those waiters of the flow that start before another flow whose
// start tag is given. The caller holds mu.
func (f *flow) workBefore(start time.Duration, now time.Time) (work time.Duration) {
	f.advance(now)
	for _, list := range [][]*waiter{f.yielded, f.fresh} {
		for _, w := range list {
			if f.tag+work >= start {
				return work
			}
			work += w.expected()
		}
	}
	return work
}
