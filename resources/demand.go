package resources

import (
	"cmp"
	"math"
	"slices"
	"time"
)

// rateMemory is the time constant of a rate: an event that long ago counts about a
// third of one now.
const rateMemory = 5 * time.Minute

// rate is an exponentially decaying event rate.
type rate struct {
	weight float64
	last   time.Time
}

// tick records an event.
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

// perMinute returns the rate at now.
func (r *rate) perMinute(now time.Time) float64 { return r.faded(now) / rateMemory.Minutes() }

// demand is the load of a service and its current concurrency. The manager's mu guards
// it.
type demand struct {
	// arrived counts the tasks that asked for a lease.
	arrived uint64
	// work is how long a task holds a run slot in all.
	work average
	// width is the current concurrency; zero means the configured one.
	width int
	trend trend
}

// worked records how long a task held a slot.
func (d *demand) worked(took time.Duration) { d.work.add(took) }

// runs returns how many tasks of the service may run at once now.
func (a *account) runs() int {
	if a.demand.width == 0 {
		return a.limit.Runs
	}
	return min(a.demand.width, a.maxRuns())
}

// Runs returns how many tasks of a service may run at once now.
func (m *Manager) Runs(service string) int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.account(service).runs()
}

// maxRuns returns the upper bound of the service's concurrency.
func (a *account) maxRuns() int { return max(a.limit.MaxRuns, a.limit.Runs) }

// adaptable reports whether the service's concurrency may follow demand.
func (a *account) adaptable() bool { return a.limit.MaxRuns > a.limit.Runs }

// uses returns how often per minute a model is requested. The caller holds mu.
func (r *resident) uses(now time.Time) float64 {
	if !r.isModel() {
		return 0
	}
	return r.account.arena(r.name).uses.perMinute(now)
}

// wanted reports whether the model is expected to be requested within the given time at
// its current rate. The caller holds mu.
func (m *Manager) wanted(r *resident, within time.Duration) bool {
	return m.cfg.Dynamic == On && r.uses(time.Now())*within.Minutes() >= 1
}

// byWorth sorts the candidates for unloading: the least requested first, ties by the
// longest unused. With the dynamic switch off it sorts by last use only. The caller
// holds mu.
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
