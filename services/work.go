package services

import "context"

// Work is a task that its service has checked and is ready to run. One goroutine
// uses it.
type Work interface {
	// Model returns the name of the model that the task runs on; it is empty for a
	// service without models.
	Model() string
	// Bytes predicts the memory that the task needs at its peak as things are now,
	// weights still to be loaded included. It is called before the task waits for that
	// memory, and a service may unload a model that would be in the task's own way.
	Bytes(ctx context.Context) (Bytes, error)
	// Run does the work. It stops soon after ctx ends, and leaves no native work
	// running behind its return. It may be called again after it failed.
	Run(ctx context.Context, sink Sink) (TaskResult, error)
}

// ExecuteTask prepares a task and runs it at once, without a lease.
func ExecuteTask(ctx context.Context, service ModelService, task Task, sink Sink) (TaskResult, error) {
	work, err := service.Prepare(ctx, task)
	if err != nil {
		return TaskResult{}, err
	}
	return work.Run(ctx, sink)
}

// Prepared is what Prepare returns for work of a service's own type: it has no typed nil
// in the interface where there is an error.
func Prepared[W Work](work W, err error) (Work, error) {
	if err != nil {
		return nil, err
	}
	return work, nil
}
