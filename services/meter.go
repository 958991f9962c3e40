package services

import (
	"context"
	"sync"
	"time"
)

// Meter measures how long a task holds run slots. Safe for concurrent use.
type Meter struct {
	mu    sync.Mutex
	total time.Duration
	since time.Time // zero while no slot is held
}

// Begin is called when the task gets a run slot.
func (m *Meter) Begin(now time.Time) {
	if m == nil {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.since = now
}

// End is called when the task returns its run slot.
func (m *Meter) End(now time.Time) {
	if m == nil {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.since.IsZero() {
		m.total += now.Sub(m.since)
		m.since = time.Time{}
	}
}

// Worked returns how long the task has held run slots up to a time.
func (m *Meter) Worked(now time.Time) time.Duration {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.since.IsZero() {
		return m.total
	}
	return m.total + max(now.Sub(m.since), 0)
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
