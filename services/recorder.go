package services

import (
	"slices"
	"sync"
	"time"
)

// recorderWindow is the number of latest latencies used for percentiles: enough for a
// stable p99, and few enough to follow changes.
const recorderWindow = 512

// Recorder collects the counts behind ServiceMetrics and ServiceStatus. The zero value
// is ready to use. Safe for concurrent use.
type Recorder struct {
	mu          sync.Mutex
	tasks       map[Outcome]uint64
	latencies   Recent[time.Duration]
	lastError   string
	lastSuccess time.Time
}

// Record records the end of a task.
func (r *Recorder) Record(err error, took time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.tasks == nil {
		r.tasks, r.latencies = make(map[Outcome]uint64), NewRecent[time.Duration](recorderWindow)
	}
	r.tasks[OutcomeOf(err)]++
	switch {
	case err == nil:
		r.lastSuccess = time.Now()
	case IsServiceFault(err):
		r.lastError = err.Error()
	}
	r.latencies.Add(took)
}

// Last returns the latest service fault and the end of the latest success.
func (r *Recorder) Last() (lastError string, lastSuccess time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.lastError, r.lastSuccess
}

// Metrics returns the counts and percentiles. The caller sets the byte fields.
func (r *Recorder) Metrics() ServiceMetrics {
	r.mu.Lock()
	defer r.mu.Unlock()
	m := ServiceMetrics{Tasks: make(map[Outcome]uint64, len(r.tasks))}
	for outcome, n := range r.tasks {
		m.Tasks[outcome] = n
	}
	if p := Percentiles(slices.Collect(r.latencies.All()), 50, 95, 99); p != nil {
		m.LatencyP50, m.LatencyP95, m.LatencyP99 = p[0], p[1], p[2]
	}
	return m
}
