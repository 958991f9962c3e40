package resources

import "github.com/grym-synth/grym-synth/services"

// PeakProbe measures the memory of the process.
type PeakProbe interface {
	// Resident returns the current resident set.
	Resident() (services.Bytes, error)
	// Peak returns the largest resident set since ResetPeak.
	Peak() (services.Bytes, error)
	// ResetPeak restarts the measurement of Peak.
	ResetPeak() error
}

const (
	// worthMeasuring is the smallest prediction that is checked: a measurement costs
	// tens of microseconds, and small runs are lost in the noise.
	worthMeasuring = 32 * services.MiB
	// worthLearning is the smallest growth that is learnt from: below it the run reused
	// memory that the process already had.
	worthLearning = 8 * services.MiB
)

// measurement is the measurement of one run's memory.
type measurement struct {
	on bool
	// granted is the manager's count at the start: if it has moved by the end, the
	// run was not alone.
	granted       uint64
	start, before services.Bytes
}

// startMeasuring begins a measurement, if the run is alone and large enough.
// The caller holds mu.
func (m *Manager) startMeasuring(l *Lease) {
	if m.probe == nil || l.predicted < worthMeasuring {
		return
	}
	for _, a := range m.list {
		if a.running > 1 || a.running == 1 && a != l.account {
			return
		}
	}
	start, err := m.probe.Resident()
	if err != nil || m.probe.ResetPeak() != nil {
		return
	}
	l.measure = measurement{on: true, granted: m.granted, start: start, before: l.arena.high}
}

// stopMeasuring ends a measurement and learns from it. The caller holds mu.
func (l *Lease) stopMeasuring() {
	m := l.manager
	if !l.measure.on || m.granted != l.measure.granted {
		return
	}
	peak, err := m.probe.Peak()
	if err != nil || peak-l.measure.start < worthLearning {
		return
	}
	// The run also used memory retained from its model's earlier runs.
	observed := peak - l.measure.start + l.measure.before
	l.arena.learn(l.predicted, observed)
	p := &l.account.pattern
	p.measured++
	p.reserved += l.reserved
	p.used += observed
	m.metrics.measured(l.account.service, l.predicted, observed)
}
