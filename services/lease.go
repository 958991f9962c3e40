package services

import (
	"context"
	"time"
)

// Claim is what a task asks for before it runs.
type Claim struct {
	Service string
	// Model that the task runs on; empty for a service without models.
	Model string
	// Bytes that the task needs at its peak.
	Bytes    Bytes
	Priority Priority
	// Deadline after which the task is of no use; zero means none.
	Deadline time.Time
	// Tenant on whose behalf the task runs; empty is the anonymous one.
	Tenant string
}

// Lease is the right of one task to run: memory and a run slot of its service. The
// context that the task runs in carries it.
type Lease interface {
	// Yield gives the run slot to a waiting task that goes first, and takes it back
	// before it returns; the memory stays leased. It returns ctx's error when ctx ends
	// meanwhile, after which the task must end.
	Yield(ctx context.Context) error
	// Slot returns the time since when the task has its run slot, and whether it has
	// it now.
	Slot() (since time.Time, held bool)
	// Release ends the lease. Calling it twice does nothing.
	Release()
}

type leaseKey struct{}

// WithLease returns the context of a task that runs under the lease.
func WithLease(ctx context.Context, lease Lease) context.Context {
	return context.WithValue(ctx, leaseKey{}, lease)
}

// LeaseOf returns the lease that the context carries, nil where it carries none.
func LeaseOf(ctx context.Context) Lease {
	lease, _ := ctx.Value(leaseKey{}).(Lease)
	return lease
}

// Yield offers the run slot of the task that runs in the context to tasks that go
// first. Services call it between windows, steps and tokens. Without a lease it returns
// ctx's error.
func Yield(ctx context.Context) error {
	if lease := LeaseOf(ctx); lease != nil {
		return lease.Yield(ctx)
	}
	return ctx.Err()
}
