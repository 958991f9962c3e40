package resources

import (
	"cmp"
	"math"
	"slices"
	"time"
)

// rateMemory is how far back a rate looks: what happened so long ago counts
// about a third of what happens now.
const rateMemory = 5 * time.Minute

// rate is how often something happens, as a sum that fades with time.
type rate struct {
	weight float64
	last   time.Time
}

// tick notes that it happened.
func (r *rate) tick(now time.Time) {
	r.weight = r.faded(now) + 1
	r.last = now
}

func (r *rate) faded(now time.Time) float64 {
	if r.last.IsZero() {
		return 0
	}
	return r.weight * math.Exp(-float64(now.Sub(r.last))/float64(rateMemory))
}

// perMinute gives the rate as it is at a time.
func (r *rate) perMinute(now time.Time) float64 { return r.faded(now) / rateMemory.Minutes() }

// demand is what a service is asked for, and how wide it is for that. The
// manager's mu guards it.
type demand struct {
	// arrived counts the tasks that asked for a lease.
	arrived uint64
	// work is a moving average of how long a task holds a run slot in all.
	work time.Duration
	// width is how many may run at once; zero is as many as the limit says.
	width int
	// pressure counts samples in a row that asked to widen, below zero to narrow.
	pressure int
}

// worked takes the time that a task held a slot.
func (d *demand) worked(took time.Duration) {
	if d.work == 0 {
		d.work = took
		return
	}
	d.work += (took - d.work) / 8
}

// runs is how many tasks of the service may run at once now.
func (a *account) runs() int {
	if a.demand.width == 0 {
		return a.limit.Runs
	}
	return min(a.demand.width, a.maxRuns())
}

// maxRuns is what demand may widen the service to.
func (a *account) maxRuns() int { return max(a.limit.MaxRuns, a.limit.Runs) }

// adaptable tells whether the service's runs may follow demand.
func (a *account) adaptable() bool { return a.limit.MaxRuns > a.limit.Runs }

// uses is how often a minute a model is asked for. The caller holds mu.
func (r *resident) uses(now time.Time) float64 {
	if !r.isModel() {
		return 0
	}
	return r.account.arena(r.name).uses.perMinute(now)
}

// wanted tells whether the model will be asked for within a time, as often as it
// is now. The caller holds mu.
func (m *Manager) wanted(r *resident, within time.Duration) bool {
	return m.cfg.Dynamic == On && r.uses(time.Now())*within.Minutes() >= 1
}

// byWorth orders what could be unloaded, the least wanted first, and of equally
// wanted ones the longest unused. Without the dynamic switch only that counts. The
// caller holds mu.
func (m *Manager) byWorth(list []*resident) {
	now := time.Now()
	slices.SortStableFunc(list, func(a, b *resident) int {
		if m.cfg.Dynamic == On {
			if c := cmp.Compare(a.uses(now), b.uses(now)); c != 0 {
				return c
			}
		}
		return a.lastUsed.Compare(b.lastUsed)
	})
}
