package resources

import (
	"fmt"
	"time"

	"github.com/grym-synth/grym-synth/services"
)

// full returns the fault for a tenant's next task if the queue has no place for it, and
// nil otherwise. The limit is that of all tenants together, but each has a place for
// one task, and those with less than an equal part of the limit have places until twice
// as many wait. So one tenant cannot fill the queue for the others. The caller holds
// mu.
func (m *Manager) full(t *tenant) *services.Fault {
	mine, tenants := t.waiting, m.present
	if mine == 0 || m.waiting < m.cfg.QueueLimit {
		return nil
	}
	if mine < m.cfg.QueueLimit/tenants && m.waiting < 2*m.cfg.QueueLimit {
		return nil
	}
	whose := "of your own tasks"
	if mine*tenants < m.waiting {
		whose = fmt.Sprintf("of the tasks of %d callers", tenants)
	}
	return services.Faultf(services.KindBusy, "the queue is full %s: %d tasks are waiting, which is the limit, and %d of them are yours",
		whose, m.waiting, mine)
}

// leastPause is the minimum Retry-After.
const leastPause = 100 * time.Millisecond

// turnIn estimates when a new task would start: the work queued ahead of it, by how
// long tasks of that tenant and model hold their first slot, plus what more urgent
// tasks and other tenants will use until then, divided by the slots in use. The caller
// holds mu.
func (m *Manager) turnIn(f *flow, priority services.Priority, now time.Time) time.Duration {
	a := f.account
	start := a.clock(now)
	if f.waiting() > 0 {
		start = f.tag
	}
	f.turnsAt(now)
	turn := now.Add(-time.Duration(priority) * m.cfg.Ageing)
	var ahead time.Duration
	for w := range f.waiters() {
		if !w.turn.After(turn) {
			ahead += w.expected()
		}
	}
	slots := a.runs()
	if a.running > 0 && len(a.backlog) > 0 {
		slots = a.running
	}
	atWork := time.Duration(a.running) * a.first.mean / 2
	pause := (atWork + ahead) / time.Duration(slots)
	others := make([]rival, 0, len(a.flows))
	for _, other := range a.flows {
		if other != f {
			others = append(others, other.rivalTo(start+f.weighed(ahead), now))
		}
	}
	for range 16 { // a longer wait lets the others use more
		work := atWork + ahead + f.overtaking(priority, pause, m.cfg.Ageing)
		for _, other := range others {
			work += other.work(pause)
		}
		pause = work / time.Duration(slots)
	}
	return max(pause, leastPause)
}

// rival is the work of another tenant ahead of a new task.
type rival struct {
	// queued work is before it now, and most is the tenant's share until then, of which it
	// uses so many slots of late.
	queued, most time.Duration
	used         float64
}

// work returns the tenant's work within a time.
func (r rival) work(within time.Duration) time.Duration {
	return max(r.queued, min(time.Duration(r.used*float64(within)), r.most))
}

// rivalTo returns the flow's work ahead of another flow's tag. The caller holds mu.
func (f *flow) rivalTo(tag time.Duration, now time.Time) rival {
	f.advance(now)
	r := rival{most: time.Duration(float64(max(tag-f.tag, 0)) * f.weight), used: f.used}
	for w := range f.waiters() {
		if r.queued >= r.most {
			break
		}
		r.queued += w.expected()
	}
	return r
}
