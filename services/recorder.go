package services

import (
	"slices"
	"sync"
	"time"
)

// recorderWindow is how many of the latest latencies the quantiles are taken
// over: enough for a steady p99, little enough to follow a change.
const recorderWindow = 512

// Recorder keeps the counts behind ServiceMetrics and ServiceStatus. The zero
// value is ready. Safe for concurrent use.
type Recorder struct {
	mu          sync.Mutex
	tasks       map[Outcome]uint64
	latencies   []time.Duration
	next        int
	lastError   string
	lastSuccess time.Time
}

// Record notes the end of a task.
func (r *Recorder) Record(err error, took time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.tasks == nil {
		r.tasks = make(map[Outcome]uint64)
	}
	r.tasks[OutcomeOf(err)]++
	switch {
	case err == nil:
		r.lastSuccess = time.Now()
	case IsServiceFault(err):
		r.lastError = err.Error()
	}
	if len(r.latencies) < recorderWindow {
		r.latencies = append(r.latencies, took)
		return
	}
	r.latencies[r.next] = took
	r.next = (r.next + 1) % recorderWindow
}

// Last gives the latest service fault and the end of the latest success.
func (r *Recorder) Last() (lastError string, lastSuccess time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.lastError, r.lastSuccess
}

// Metrics gives the counts and quantiles; the byte fields are the caller's.
func (r *Recorder) Metrics() ServiceMetrics {
	r.mu.Lock()
	defer r.mu.Unlock()
	m := ServiceMetrics{Tasks: make(map[Outcome]uint64, len(r.tasks))}
	for outcome, n := range r.tasks {
		m.Tasks[outcome] = n
	}
	if len(r.latencies) > 0 {
		sorted := slices.Sorted(slices.Values(r.latencies))
		at := func(q float64) time.Duration { return sorted[int(q*float64(len(sorted)-1))] }
		m.LatencyP50, m.LatencyP95, m.LatencyP99 = at(0.50), at(0.95), at(0.99)
	}
	return m
}
