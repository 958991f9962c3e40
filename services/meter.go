package services

import (
	"context"
	"sync"
	"time"
)

// Meter measures how long a task, or the tasks of one job, hold run slots, the time of each
// counted. Safe for concurrent use.
type Meter struct {
	mu    sync.Mutex
	total time.Duration
	// held slots now, and when the count or total was last brought up to date.
	held  int
	since time.Time
}

// advance brings the total up to a time. The caller holds mu.
func (m *Meter) advance(now time.Time) {
	m.total += time.Duration(m.held) * max(now.Sub(m.since), 0)
	m.since = now
}

// Begin is called when the task gets a run slot.
func (m *Meter) Begin(now time.Time) {
	if m == nil {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.advance(now)
	m.held++
}

// End is called when the task returns its run slot.
func (m *Meter) End(now time.Time) {
	if m == nil {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.held > 0 {
		m.advance(now)
		m.held--
	}
}

// Worked returns how long the task has held run slots up to a time.
func (m *Meter) Worked(now time.Time) time.Duration {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.total + time.Duration(m.held)*max(now.Sub(m.since), 0)
}

type meterKey struct{}

// WithMeter returns a context whose task is measured by m.
func WithMeter(ctx context.Context, m *Meter) context.Context {
	return context.WithValue(ctx, meterKey{}, m)
}

// MeterOf returns the meter of the context's task, or nil, on which Begin and End do
// nothing.
func MeterOf(ctx context.Context) *Meter {
	m, _ := ctx.Value(meterKey{}).(*Meter)
	return m
}
