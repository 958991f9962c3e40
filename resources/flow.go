package resources

import (
	"cmp"
	"iter"
	"math"
	"slices"
	"time"
)

// Run slots are shared by start-time fair queueing in two levels, as in Goyal, Guo and
// Vin, "A Hierarchical CPU Scheduler for Multimedia Operating Systems" (OSDI 1996): the
// slots of a service among its tenants, and what a tenant has of them among its tasks.
// Work is counted as it is done, so no estimate of a task is needed.
//
// Tenants are ordered by their start tags alone, which are the work that they had done;
// one that comes back starts at the virtual time of the service, so that a pause
// earns nothing. Several slots are one server of that depth, as in Jin, Chase and
// Kaur, "Interposed Proportional Sharing for a Storage Service Utility" (SIGMETRICS 2004).
//
// The tasks of a tenant also have priorities that age with real time. A virtual time that
// stands still while new tasks come would starve those which have worked, so it is
// the number of rounds of Demers, Keshav and Shenker, "Analysis and Simulation of a Fair
// Queueing Algorithm" (SIGCOMM 1989): the work that each task would have had done if all
// had shared the slots evenly. A task's tag is translated to the time at which the rounds
// reached it, which is its arrival where it has not worked yet, and ordered by that.

// tenant is the API key on whose behalf tasks run. The manager's mu guards it.
type tenant struct {
	name string
	// waiting tasks of all services, and the flows that it has there.
	waiting, flows int
}

// flow is the tasks of one tenant in one service. The manager's mu guards it.
type flow struct {
	tenant  *tenant
	account *account
	// weight is the tenant's part of the slots, against that of others.
	weight float64
	// tag is the work of the tenant's tasks by its weight, raised to the service's virtual time
	// when the tenant comes back.
	tag time.Duration
	// rounds is the work that each task would have had done with even shares.
	rounds time.Duration
	// at is the time up to which tag and rounds are counted.
	at time.Time
	// running tasks hold a slot.
	running int
	// fresh tasks wait for their lease in the order of their turn; yielded ones have it
	// and wait for a slot. These turns move, and are in order once turnsAt was called.
	fresh, yielded []*waiter
	// served is when a task of the flow last got a slot.
	served time.Time
	// frontier is the latest turn that was granted.
	frontier time.Time
	// first is how long tasks held their first slot, by model.
	first map[*arena]*average
	// used is how many slots the flow had on average of late, up to usedAt; spent is the
	// work since. parts are those of the priorities in it, from low to high.
	used   float64
	spent  time.Duration
	usedAt time.Time
	parts  [3]float64
	// seen is how many waiters of each list a pass over the queue has looked at.
	seenFresh, seenYielded int
}

// flow returns a tenant's flow in a service, creating it if needed. The caller holds
// mu.
func (m *Manager) flow(a *account, name string, now time.Time) *flow {
	f := a.tenants[name]
	if f != nil {
		return f
	}
	if len(a.flows) >= mostIdleFlows {
		m.sweep(a, now)
	}
	t := m.tenants[name]
	if t == nil {
		t = &tenant{name: name}
		m.tenants[name] = t
	}
	t.flows++
	f = &flow{tenant: t, account: a, at: now, usedAt: now, first: make(map[*arena]*average), weight: 1}
	if weight, ok := m.weights[name]; ok {
		f.weight = weight
	}
	a.tenants[name] = f
	a.flows = append(a.flows, f)
	return f
}

// mostIdleFlows is how many tenants a service remembers before it forgets those that
// have no task there and no more than their share.
const mostIdleFlows = 64

// sweep forgets tenants without tasks in a service. The caller holds mu.
func (m *Manager) sweep(a *account, now time.Time) {
	clock := a.clock(now)
	a.flows = slices.DeleteFunc(a.flows, func(f *flow) bool {
		idle := f.active() == 0 && f.tag <= clock
		if idle {
			delete(a.tenants, f.tenant.name)
			if f.tenant.flows--; f.tenant.flows == 0 {
				delete(m.tenants, f.tenant.name)
			}
		}
		return idle
	})
}

// waiting returns how many tasks of the flow wait for a slot.
func (f *flow) waiting() int { return len(f.fresh) + len(f.yielded) }

// active returns how many tasks of the flow wait or run.
func (f *flow) active() int { return f.running + f.waiting() }

// advance counts the work up to a time. It is called before a task of the flow starts,
// stops, comes or goes. The caller holds mu.
func (f *flow) advance(now time.Time) {
	if f.running > 0 {
		work := now.Sub(f.at) * time.Duration(f.running)
		f.tag += f.weighed(work)
		f.spent += work
		f.rounds += work / time.Duration(f.active())
	}
	f.at = now
	if span := now.Sub(f.usedAt); span >= time.Second {
		f.used += (1 - math.Exp(-float64(span)/float64(useMemory))) * (float64(f.spent)/float64(span) - f.used)
		f.spent, f.usedAt = 0, now
	}
}

// weighed returns work by the weight of the tenant.
func (f *flow) weighed(work time.Duration) time.Duration {
	return time.Duration(float64(work) / f.weight)
}

// clock returns the service's virtual time: the start tag of the flow served last, or
// the smallest tag of the flows that have tasks if that is later. The caller holds mu.
func (a *account) clock(now time.Time) time.Duration {
	var least *flow
	for _, f := range a.flows {
		if f.active() == 0 {
			continue
		}
		f.advance(now)
		if least == nil || f.tag < least.tag {
			least = f
		}
	}
	if least != nil {
		a.virtual = max(a.virtual, least.tag)
	}
	return a.virtual
}

// rest ends a busy period and resets the tags. The caller holds mu.
func (a *account) rest() {
	for _, f := range a.flows {
		a.virtual = max(a.virtual, f.tag)
	}
}

// turnOf returns the lease's turn after the given additional work. The caller holds mu
// and has advanced the flow.
func (l *Lease) turnOf(more time.Duration, now time.Time) time.Time {
	return l.dueAfter(more, now).Add(-time.Duration(l.priority) * l.manager.cfg.Ageing)
}

// dueAfter returns the time at which the rounds reach the lease's tag plus the given
// work, extrapolated at their present pace if that is in the future.
func (l *Lease) dueAfter(more time.Duration, now time.Time) time.Time {
	f := l.flow
	tag := l.tag + more
	switch {
	case tag <= l.reached:
		return l.due
	case tag <= f.rounds:
		part := float64(tag-l.reached) / float64(f.rounds-l.reached)
		return l.due.Add(time.Duration(part * float64(now.Sub(l.due))))
	}
	ahead := float64(tag-f.rounds) * float64(f.active()) / float64(max(f.running, 1))
	return now.Add(time.Duration(min(ahead, float64(farAhead))))
}

// farAhead bounds extrapolated times.
const farAhead = 1000 * time.Hour

// settle brings due and reached up to a time. The caller holds mu and has advanced
// the flow.
func (l *Lease) settle(now time.Time) {
	if rounds := l.flow.rounds; l.tag > rounds {
		l.due, l.reached = now, rounds
		return
	}
	l.due, l.reached = l.dueAfter(0, now), l.tag
}

// start notes that a task of the flow starts in its turn. One that starts after later
// turns were granted has waited for memory that those did not lack. Its tag is moved to
// theirs; otherwise its wait would let it keep them off the slot. The caller holds mu
// and has advanced the flow.
func (f *flow) start(w *waiter, now time.Time) {
	l := w.lease
	if !f.frontier.After(w.turn) {
		f.frontier = w.turn
		return
	}
	late := min(f.frontier.Sub(w.turn), now.Sub(l.due))
	if late > 0 {
		part := float64(late) / float64(now.Sub(l.due))
		l.tag += time.Duration(part * float64(f.rounds-l.tag))
		l.due, l.reached = l.due.Add(late), l.tag
	}
}

// turnsAt brings the turns of the flow's yielded tasks up to a time and in order. The
// caller holds mu.
func (f *flow) turnsAt(now time.Time) {
	f.advance(now)
	for _, w := range f.yielded {
		w.lease.settle(now)
		w.turn = w.lease.turnOf(0, now)
	}
	slices.SortStableFunc(f.yielded, compareTurns)
}

// compareTurns orders waiters of one tenant. Equal turns keep their order of arrival.
func compareTurns(a, b *waiter) int {
	return cmp.Or(a.turn.Compare(b.turn), cmp.Compare(a.number, b.number))
}

// head returns the flow's first waiter that the pass has not seen, or nil. The caller
// holds mu.
func (f *flow) head() *waiter {
	var w *waiter
	if f.seenFresh < len(f.fresh) {
		w = f.fresh[f.seenFresh]
	}
	if f.seenYielded < len(f.yielded) {
		if y := f.yielded[f.seenYielded]; w == nil || compareTurns(y, w) < 0 {
			return y
		}
	}
	return w
}

// pass records that the pass has seen the flow's head, which stays in the queue.
func (f *flow) pass(w *waiter) {
	if w.yielded {
		f.seenYielded++
	} else {
		f.seenFresh++
	}
}

// before reports whether the flow gets a slot before another of the same service, given
// their heads. The caller holds mu and has advanced both.
func (f *flow) before(other *flow, head, otherHead *waiter) bool {
	return cmp.Or(cmp.Compare(f.tag, other.tag), cmp.Compare(f.running, other.running), compareTurns(head, otherHead)) < 0
}

// next returns the service's next waiter that the pass has not seen. The caller holds
// mu.
func (a *account) next() *waiter {
	var best *flow
	var head *waiter
	for _, f := range a.backlog {
		if w := f.head(); w != nil && (best == nil || f.before(best, w, head)) {
			best, head = f, w
		}
	}
	return head
}

// waiters yields every waiting task in no particular order. The caller holds mu.
func (m *Manager) waiters() iter.Seq[*waiter] {
	return func(yield func(*waiter) bool) {
		for _, a := range m.list {
			for _, f := range a.backlog {
				for w := range f.waiters() {
					if !yield(w) {
						return
					}
				}
			}
		}
	}
}

// waiters yields those of the flow. The caller holds mu.
func (f *flow) waiters() iter.Seq[*waiter] {
	return func(yield func(*waiter) bool) {
		for _, list := range [][]*waiter{f.yielded, f.fresh} {
			for _, w := range list {
				if !yield(w) {
					return
				}
			}
		}
	}
}

// waiting returns how many tasks of the service wait. The caller holds mu.
func (a *account) waiting() (n int) {
	for _, f := range a.backlog {
		n += f.waiting()
	}
	return n
}
