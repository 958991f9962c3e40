package resources

import (
	"time"

	"github.com/grym-synth/grym-synth/services"
)

// average is the mean of all values at first, and later a moving average.
type average struct {
	count int
	mean  time.Duration
}

// averageOver is about how many values an average covers.
const averageOver = 64

// add adds a value.
func (v *average) add(value time.Duration) {
	v.count = min(v.count+1, averageOver)
	v.mean += (value - v.mean) / time.Duration(v.count)
}

// expected returns how long a waiter is expected to hold its slot. The caller holds mu.
func (w *waiter) expected() time.Duration {
	if w.yielded {
		return w.account.holds
	}
	if mine := w.lease.flow.first[w.arena]; mine != nil {
		return mine.mean
	}
	if w.arena.first.count > 0 {
		return w.arena.first.mean
	}
	return w.account.first.mean
}

// note adds work done by a task of the priority to the parts.
func (f *flow) note(priority services.Priority, work time.Duration) {
	weight := float64(work) / float64(work+useMemory)
	for i, p := range priorities {
		part := 0.0
		if p == priority {
			part = 1
		}
		f.parts[i] += weight * (part - f.parts[i])
	}
}

// priorities lists the priorities from low to high.
var priorities = [3]services.Priority{services.PriorityLow, services.PriorityNormal, services.PriorityHigh}

// overtaking returns how much work of more urgent tasks yet to arrive is done before a
// task of the given priority and wait. It is at most one ageing step per priority
// level.
func (f *flow) overtaking(priority services.Priority, waits, ageing time.Duration) (work time.Duration) {
	for i, p := range priorities {
		if p > priority {
			work += time.Duration(f.used * f.parts[i] * float64(min(waits, time.Duration(p-priority)*ageing)))
		}
	}
	return work
}

// useMemory is the time constant of the average use of slots.
const useMemory = 30 * time.Second
