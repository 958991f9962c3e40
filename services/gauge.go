package services

import "context"

// Gauge measures the memory that one task uses, whatever runs beside it. Safe for
// concurrent use.
type Gauge interface {
	// Add counts bytes that the task has allocated; negative ones are freed.
	Add(bytes Bytes)
	// Peak returns the most that was counted at once.
	Peak() Bytes
}

// MeasuredLease is a Lease that learns from the memory of its task.
type MeasuredLease interface {
	Lease
	// Gauge returns the gauge of the lease's task; nil if it is not measured.
	Gauge() Gauge
	// Succeeded reports that the task has run to its end, so that its memory says what
	// such a task needs.
	Succeeded()
}

// GaugeOf returns the gauge of the context's lease, or nil.
func GaugeOf(ctx context.Context) Gauge {
	if lease, ok := LeaseOf(ctx).(MeasuredLease); ok {
		return lease.Gauge()
	}
	return nil
}

// Occupy counts memory outside the engine that a task uses, such as its decoded audio,
// until done is called.
func Occupy(ctx context.Context, bytes Bytes) (done func()) {
	gauge := GaugeOf(ctx)
	if gauge == nil || bytes <= 0 {
		return func() {}
	}
	gauge.Add(bytes)
	return func() { gauge.Add(-bytes) }
}
