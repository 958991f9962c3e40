package services

import "context"

// Executor runs a task of any service as the server does for a client: with the checks,
// the lease and the guard of the task's own service. It is called by a Coordinator.
type Executor func(ctx context.Context, task Task, sink Sink) (TaskResult, error)

// Coordinator is Work that itself only runs other tasks, through an Executor. It runs
// without a lease and without a run slot: if it held either while it waits for those of
// its tasks, a few such tasks could wait for one another for ever. Its tasks have guards of
// their own, so it has no attempts and no limit of time.
type Coordinator interface {
	Work
	// Coordinates marks the work. It is not called.
	Coordinates()
}

// partKey is the context key of WithPart.
type partKey struct{}

// WithPart marks ctx as belonging to one of many small tasks that a Coordinator runs for its
// own. The end of one that succeeds is of no interest by itself.
func WithPart(ctx context.Context) context.Context { return context.WithValue(ctx, partKey{}, true) }

// IsPart reports whether ctx was marked by WithPart.
func IsPart(ctx context.Context) bool {
	marked, _ := ctx.Value(partKey{}).(bool)
	return marked
}
