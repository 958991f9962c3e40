package services

import (
	"context"
	"time"
)

// Claim is a task's request for a Lease.
type Claim struct {
	Service string
	// Model that the task runs on; empty for a service without models.
	Model string
	// Task is the name of the task.
	Task string
	// Bytes that the task needs at its peak.
	Bytes Bytes
	// Beside reports whether the task loads another version of the model beside the one
	// that is loaded, so that it can use none of the memory that runs of the model share.
	Beside bool
	// Plan is what is known of the memory of its run; the zero value if nothing is.
	Plan     Plan
	Priority Priority
	// Deadline after which the result is of no use; zero means none.
	Deadline time.Time
	// Tenant on whose behalf the task runs; empty for the anonymous tenant.
	Tenant string
}

// Lease is a task's permission to run: memory and a run slot of its service. It is
// carried by the task's context.
type Lease interface {
	// Yield lends the run slot to a waiting task of higher precedence and returns once
	// the slot has been regained. The memory stays leased. If ctx ends first, Yield
	// returns its error and the task must end.
	Yield(ctx context.Context) error
	// Slot returns the time at which the task obtained its run slot, and reports
	// whether it holds the slot now.
	Slot() (since time.Time, held bool)
	// Release ends the lease. Calling it twice does nothing.
	Release()
}

type leaseKey struct{}

// WithLease returns a context that carries the lease.
func WithLease(ctx context.Context, lease Lease) context.Context {
	return context.WithValue(ctx, leaseKey{}, lease)
}

// LeaseOf returns the lease carried by the context, or nil.
func LeaseOf(ctx context.Context) Lease {
	lease, _ := ctx.Value(leaseKey{}).(Lease)
	return lease
}

// Yield calls the Yield method of the context's lease. Services call it between
// windows, steps and tokens. Without a lease it returns ctx.Err.
func Yield(ctx context.Context) error {
	if lease := LeaseOf(ctx); lease != nil {
		return lease.Yield(ctx)
	}
	return ctx.Err()
}
