package resources

import (
	"time"

	"github.com/grym-synth/grym-synth/services"
)

// Measurement is the memory of one run, as its gauge counted it.
type Measurement struct {
	At          time.Time
	Model, Task string
	Sizes       []services.Size
	// Estimated is what the service expected at the most, Reserved what was leased for
	// the run, and Used its peak. None has the load of a model.
	Estimated, Reserved, Used services.Bytes
}

// Gauge implements services.MeasuredLease.
func (l *Lease) Gauge() services.Gauge { return l.gauge }

// Succeeded implements services.MeasuredLease.
func (l *Lease) Succeeded() {
	l.manager.mu.Lock()
	defer l.manager.mu.Unlock()
	l.succeeded = true
}

// startMeasuring begins to measure the run. The caller holds mu.
func (l *Lease) startMeasuring() {
	if l.manager.gauge == nil || l.plan.Runs <= 0 {
		return
	}
	if l.gauge = l.manager.gauge(); l.gauge != nil {
		l.arena.leases[l] = struct{}{}
	}
}

// catchUp books what a measured run uses beyond its lease. The caller holds mu.
func (l *Lease) catchUp() {
	if more := l.gauge.Peak() - l.runs; more > 0 {
		l.runs += more
		l.bytes += more
		l.arena.active += more
	}
}

// catchUp books what runs use beyond their leases. The caller holds mu.
func (m *Manager) catchUp() {
	for _, a := range m.list {
		for _, ar := range a.arenas {
			for l := range ar.leases {
				l.catchUp()
			}
		}
	}
}

// stopMeasuring ends the measurement of a run, and learns from it if it succeeded. The
// caller holds mu.
func (l *Lease) stopMeasuring(now time.Time) {
	if l.gauge == nil {
		return
	}
	l.catchUp()
	used := l.gauge.Peak()
	if !l.succeeded || used <= 0 {
		return
	}
	ar, a := l.arena, l.account
	ar.predictor(l.task).learn(l.plan.Runs, l.plan.Sizes, used)
	ar.predicted, ar.reserved, ar.observed = l.plan.Runs, l.runsLeased, used
	a.pattern.measure(Measurement{
		At: now, Model: ar.model, Task: l.task, Sizes: l.plan.Sizes, Estimated: l.plan.Runs, Reserved: l.runsLeased, Used: used,
	})
	l.manager.metrics.measured(a.service, l.runsLeased, used)
}

// Measurements returns the latest measured runs of each service, the oldest first.
func (m *Manager) Measurements() map[string][]Measurement {
	m.mu.Lock()
	defer m.mu.Unlock()
	lists := make(map[string][]Measurement, len(m.accounts))
	for name, a := range m.accounts {
		for one := range a.pattern.measurements.All() {
			lists[name] = append(lists[name], one)
		}
	}
	return lists
}

var _ services.MeasuredLease = (*Lease)(nil)
