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
