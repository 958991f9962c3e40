package jobs

import (
	"cmp"
	"slices"
	"time"

	"github.com/grym-synth/grym-synth/services"
)

// The places of a service are shared between the tenants, which are the owners of jobs, by
// start-time fair queueing (Goyal, Guo and Vin, OSDI 1996): a free place goes to the tenant
// with the least work done for its weight. Work is the time that its jobs held run slots,
// and of a job that has just begun what it is expected to take. A tenant that returns after a
// pause starts level with the others. Run slots are shared in the same way by the memory
// manager, also with synchronous tasks, once a job has a place.
//
// Each tenant has places of its own, so that a job of another waits for none of a tenant that
// has many; only the sum is shared. Priorities order the jobs of a tenant alone.

const (
	// crowd is how many tenants can use all of their places of a service at once.
	crowd = 4
	// guests is how many further tenants, that have no place, get one beyond that.
	guests = 64
)

// line is the queue of one service and the use of its places. The index guards it.
type line struct {
	tenants map[string]*tenant
	// places are taken; virtual is the work of the tenant that was served last, or the least
	// of the active ones if that is more.
	places  int
	virtual time.Duration
}

// tenant is an owner's part of a line.
type tenant struct {
	owner  string
	weight float64
	// queue has the waiting jobs by turn.
	queue []*entry
	// tag is the work of ended jobs by weight, raised to the line's virtual time when the
	// tenant comes back; active is set while it has a job that runs or could.
	tag    time.Duration
	active bool
	// charges are those of the jobs that have a place, longs of them with long ones.
	charges map[string]*charge
	longs   int
}

// charge is the work of a job that has a place.
type charge struct {
	expected time.Duration
	long     bool
	meter    services.Meter
}

// room is the number of places of a service.
type room struct {
	// own places of each tenant, and how many of them long jobs may take.
	own, long int
	// held reports whether a job must wait; nil for none.
	held func(Job) bool
}

// work returns the tenant's work, by its weight, up to now.
func (t *tenant) work(now time.Time) time.Duration {
	var running time.Duration
	for _, c := range t.charges {
		running += max(c.expected, c.meter.Worked(now))
	}
	return t.tag + t.weighed(running)
}

// weighed returns work divided by the tenant's weight.
func (t *tenant) weighed(work time.Duration) time.Duration {
	return time.Duration(float64(work) / t.weight)
}

// idle reports whether the tenant has nothing to do.
func (t *tenant) idle() bool { return len(t.queue) == 0 && len(t.charges) == 0 }

// next returns the tenant's first job that could start, by turn.
func (t *tenant) next(now time.Time, startable func(*entry) bool) *entry {
	for _, e := range t.queue {
		if !e.job.NotBefore.After(now) && startable(e) {
			return e
		}
	}
	return nil
}

// tenant returns an owner's part of the line, creating it if needed.
func (l *line) tenant(owner string, weight float64) *tenant {
	t := l.tenants[owner]
	if t == nil {
		t = &tenant{owner: owner, weight: weight, charges: make(map[string]*charge)}
		l.tenants[owner] = t
	}
	return t
}

// forget removes a tenant that has nothing to do and no debt. When nobody has anything to
// do, all debts end.
func (l *line) forget(t *tenant) {
	if !t.idle() {
		return
	}
	t.active = false
	if t.tag <= l.virtual {
		delete(l.tenants, t.owner)
	}
	for _, other := range l.tenants {
		if !other.idle() {
			return
		}
	}
	clear(l.tenants)
	l.virtual = 0
}

// fits reports whether the tenant may use one more place, and whether a long job may.
func (l *line) fits(t *tenant, r room) (short, long bool) {
	taken := len(t.charges)
	switch {
	case taken == 0:
		short = l.places < crowd*r.own+guests
		return short, short
	case taken < r.own && l.places < crowd*r.own:
		return true, t.longs < r.long
	}
	return false, false
}

// advance brings the virtual time up to now, and forgets the tenants that have nothing to do
// and are not ahead of it.
func (l *line) advance(now time.Time) {
	var least time.Duration
	active := false
	for _, t := range l.tenants {
		if work := t.work(now); t.active && (!active || work < least) {
			active, least = true, work
		}
	}
	if active {
		l.virtual = max(l.virtual, least)
	}
	for _, t := range l.tenants {
		l.forget(t)
	}
}

// pick returns the job that gets the next place, or nil.
func (l *line) pick(now time.Time, r room, taken map[string]bool, expect func(Job) time.Duration) (*tenant, *entry) {
	var best *tenant
	var first *entry
	var least time.Duration
	l.advance(now)
	for _, t := range l.tenants {
		if len(t.queue) == 0 {
			continue
		}
		short, long := l.fits(t, r)
		if !short {
			continue
		}
		e := t.next(now, func(e *entry) bool {
			return !taken[e.job.ID] && (long || expect(e.job) < longRun) && (r.held == nil || !r.held(e.job))
		})
		if e == nil {
			t.active = t.active && len(t.charges) > 0
			continue
		}
		if !t.active {
			t.active, t.tag = true, max(t.tag, l.virtual)
		}
		work := t.work(now)
		if best == nil || cmp.Or(cmp.Compare(work, least), cmp.Compare(len(t.charges), len(best.charges)), byTurn(e, first)) < 0 {
			best, first, least = t, e, work
		}
	}
	return best, first
}

// take gives a job its place.
func (l *line) take(t *tenant, e *entry, expected time.Duration, now time.Time) *charge {
	l.virtual = max(l.virtual, t.work(now))
	c := &charge{expected: expected, long: expected >= longRun}
	t.charges[e.job.ID] = c
	l.places++
	if c.long {
		t.longs++
	}
	return c
}

// leave returns a job's place and charges what it has used.
func (l *line) leave(t *tenant, id string, now time.Time) {
	c := t.charges[id]
	delete(t.charges, id)
	t.tag += t.weighed(c.meter.Worked(now))
	l.places--
	if c.long {
		t.longs--
	}
	l.forget(t)
}

// insert adds a waiting job.
func (t *tenant) insert(e *entry) {
	at, _ := slices.BinarySearchFunc(t.queue, e, byTurn)
	t.queue = slices.Insert(t.queue, at, e)
}

// remove takes a waiting job out.
func (t *tenant) remove(e *entry) {
	if at, found := slices.BinarySearchFunc(t.queue, e, byTurn); found {
		t.queue = slices.Delete(t.queue, at, at+1)
	}
}
