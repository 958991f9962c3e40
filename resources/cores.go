package resources

import (
	"math"
	"time"
)

// linger is how long a service counts as at work after its last task: longer than the
// pause between the requests of one caller.
const linger = 100 * time.Millisecond

// slots returns how many tasks of the service may run at once now: those of its share of
// the cores while other services have tasks, none while another goes first, and otherwise
// as many as it has run slots. The caller holds mu.
func (m *Manager) slots(a *account, now time.Time) int {
	runs, cores := a.runs(), a.limit.Cores
	if cores <= 0 {
		return runs
	}
	shared := false
	for _, other := range m.list {
		if other == a {
			continue
		}
		if wait := other.precedes(a, now); wait > 0 {
			m.wakeIn(wait)
			return 0
		}
		shared = shared || other.atWork(now)
	}
	if shared {
		return min(cores, runs)
	}
	return runs
}

// atWork reports whether the service has tasks that run or wait, or had one a moment ago.
// The caller holds mu.
func (a *account) atWork(now time.Time) bool {
	return a.running > 0 || len(a.backlog) > 0 || !a.worked.IsZero() && now.Sub(a.worked) < linger
}

// A service of which little ran of late goes first: while one of its tasks runs, the
// others end the step that they are at and wait. So a short task beside a saturated
// service has every core almost at once, instead of a half of them for twice the time. It
// goes first until its load has reached half of theirs, for about two seconds, and they
// wait for no task that has not begun, because that one may wait for their memory. This is
// a bounded form of the warp of Duda and Cheriton, "Borrowed-virtual-time (BVT)
// scheduling" (SOSP 1999).

// precedenceSpan is the time constant of the load.
const precedenceSpan = 5 * time.Second

// leastLoad is the load below which a service is not behind anyone: it has only begun.
const leastLoad = 0.05

// loaded brings the load of the service up to a time: the part of its share of the cores
// that its tasks used, a moving average. It is called before a task gets or gives up a run
// slot. The caller holds mu.
func (a *account) loaded(now time.Time) float64 {
	used := min(float64(a.running)/float64(max(a.limit.Cores, 1)), 1)
	a.load += (used - a.load) * (1 - math.Exp(-float64(now.Sub(a.loadedAt))/float64(precedenceSpan)))
	a.loadedAt = now
	return a.load
}

// precedes returns for how much longer the service goes before another, if its tasks run
// on and the other's do not. The caller holds mu.
func (a *account) precedes(other *account, now time.Time) time.Duration {
	if a.running == 0 {
		return 0
	}
	mine, theirs := a.loaded(now), other.loaded(now)
	if theirs < leastLoad || mine >= theirs/2 {
		return 0
	}
	// The load goes to 1, and the other's to 0.
	left := float64(precedenceSpan) * math.Log1p(theirs/2-mine)
	return max(time.Duration(left), time.Millisecond)
}

// wakeIn looks at the queue again after a time, unless it does so sooner. The caller holds
// mu.
func (m *Manager) wakeIn(wait time.Duration) {
	if m.waking != nil || m.closed {
		return
	}
	m.wakings.Add(1)
	m.waking = time.AfterFunc(wait, func() {
		defer m.wakings.Done()
		m.mu.Lock()
		defer m.mu.Unlock()
		m.waking = nil
		m.grant(time.Now())
	})
}

// stopWaking ends that. The caller holds mu.
func (m *Manager) stopWaking() {
	if m.waking != nil && m.waking.Stop() {
		m.wakings.Done()
	}
	m.waking = nil
}
