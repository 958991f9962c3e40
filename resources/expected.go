package resources

import (
	"time"

	"github.com/grym-synth/grym-synth/services"
)

// average is the mean of all values at first, and later of about the latest of them.
type average struct {
	count int
	mean  time.Duration
}

// averageOver is how many values an average remembers, about.
const averageOver = 64

// add takes a value.
func (v *average) add(value time.Duration) {
	v.count = min(v.count+1, averageOver)
	v.mean += (value - v.mean) / time.Duration(v.count)
}

// expected is how long a waiter is expected to hold the slot that it waits for. The
// caller holds mu.
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

// note takes the work that a task of a priority has done into the parts.
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

// priorities lists them from low to high.
var priorities = [3]services.Priority{services.PriorityLow, services.PriorityNormal, services.PriorityHigh}

// overtaking is how much work of more urgent tasks that are still to come is done before one of
// a priority that waits so long. An ageing step for each step of priority is the most.
func (f *flow) overtaking(priority services.Priority, waits, ageing time.Duration) (work time.Duration) {
	for i, p := range priorities {
		if p > priority {
			work += time.Duration(f.used * f.parts[i] * float64(min(waits, time.Duration(p-priority)*ageing)))
		}
	}
	return work
}

// useMemory is how far back the use of slots looks.
const useMemory = 30 * time.Second
