package resources

import "time"

// linger is how long a service counts as at work after its last task: longer than the
// pause between the requests of one caller.
const linger = 100 * time.Millisecond

// slots returns how many tasks of the service may run at once now: those of its share of
// the cores while other services have tasks, and otherwise as many as it has run slots.
// The caller holds mu.
func (m *Manager) slots(a *account, now time.Time) int {
	runs, cores := a.runs(), a.limit.Cores
	if cores <= 0 || cores >= runs {
		return runs
	}
	for _, other := range m.list {
		if other != a && other.atWork(now) {
			return cores
		}
	}
	return runs
}

// atWork reports whether the service has tasks that run or wait, or had one a moment ago.
// The caller holds mu.
func (a *account) atWork(now time.Time) bool {
	return a.running > 0 || len(a.backlog) > 0 || !a.worked.IsZero() && now.Sub(a.worked) < linger
}
