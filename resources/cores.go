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
			if m.computes(now) {
				m.wakeIn(min(wait, glance))
				return 0
			}
			other.stepBack()
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

// A short task of a service of which little ran of late goes first: while it runs, the
// other services end the step that they are at and wait. So a short task beside a
// saturated service has every core almost at once, instead of a half of them for twice the
// time. It goes first for its first second of work, and as long as the load of its service
// is below that of the others; and nobody waits for a task that has not begun, because
// that one may wait for their memory. This is a bounded form of the warp of Duda and
// Cheriton, "Borrowed-virtual-time (BVT) scheduling" (SOSP 1999).

const (
	// loadSpan is the time constant of the load.
	loadSpan = 10 * time.Second
	// lightLoad is the part of another service's load below which a service goes first.
	lightLoad = 0.8
	// leastLoad is the load below which no other goes before a service: it has only begun.
	leastLoad = 0.02
	// shortWork is the work of a task for which it goes first.
	shortWork = time.Second
)

// loaded brings the load of the service up to a time: the part of its share of the cores
// that its tasks used, a moving average. It is called before a task gets or gives up a run
// slot. The caller holds mu.
func (a *account) loaded(now time.Time) float64 {
	used := min(float64(a.running)/float64(max(a.limit.Cores, 1)), 1)
	a.load += (used - a.load) * (1 - math.Exp(-float64(now.Sub(a.loadedAt))/float64(loadSpan)))
	a.loadedAt = now
	return a.load
}

// precedes returns for how much longer tasks of the service go before another's, if they
// run on. The caller holds mu.
func (a *account) precedes(other *account, now time.Time) time.Duration {
	work := shortWork // of the task that has worked least
	for _, l := range a.holders {
		if !l.idle {
			work = min(work, l.worked+now.Sub(l.since))
		}
	}
	if work == shortWork {
		return 0
	}
	mine, theirs := a.loaded(now), other.loaded(now)
	if theirs < leastLoad || mine >= lightLoad*theirs {
		return 0
	}
	// The load goes to 1, and the other's to 0.
	left := float64(loadSpan) * math.Log1p(lightLoad*theirs-mine)
	return max(min(time.Duration(left), shortWork-work), time.Millisecond)
}

// A task that goes first may hang, or wait for something else than a core. The cores are
// idle then, as the other services wait for it, and it goes first no longer.
const (
	// glance is the least time over which the use of the cores is measured.
	glance = 10 * time.Millisecond
	// leastUse is the part of one core that a task in its work uses at least.
	leastUse = 0.25
)

// usage is the processor time of the process when it was measured last.
type usage struct {
	at  time.Time
	cpu time.Duration
}

// computes reports whether the process has used a core since the last look, which must have
// been a moment ago, or else is taken now. The caller holds mu.
func (m *Manager) computes(now time.Time) bool {
	elapsed := now.Sub(m.used.at)
	if m.cpu == nil || elapsed < glance {
		return true
	}
	cpu, err := m.cpu()
	used := cpu - m.used.cpu
	m.used = usage{at: now, cpu: cpu}
	return err != nil || elapsed > 5*glance || float64(used) >= leastUse*float64(elapsed)
}

// stepBack records that the running tasks of the service do not compute. The caller holds mu.
func (a *account) stepBack() {
	for _, l := range a.holders {
		l.idle = true
	}
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
