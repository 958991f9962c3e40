package services

import "context"

// Work is a validated task that is ready to run. It is used by one goroutine.
type Work interface {
	// Model returns the name of the model that the task runs on. It is empty for a
	// service without models.
	Model() string
	// Bytes predicts the task's peak memory under current conditions, including weights
	// that are not loaded yet. It is called before the task waits for that memory. A
	// service may unload a model that would otherwise prevent the task from fitting.
	Bytes(ctx context.Context) (Bytes, error)
	// Run executes the task. It returns soon after ctx ends and leaves no native work
	// running. It may be called again after a failure.
	Run(ctx context.Context, sink Sink) (TaskResult, error)
}

// Planned is Work whose memory can be learnt from earlier runs.
type Planned interface {
	// Plan returns what the memory of the run depends on.
	Plan() Plan
}

// Plan describes the memory of a run.
type Plan struct {
	// Runs is the part of Work.Bytes that the run itself uses, without a load of its
	// model. It is an upper bound, which the memory of earlier runs corrects.
	Runs Bytes
	// Sizes are what Runs depends on, at most eight, in an order that never changes.
	Sizes []Size
}

// Size is one size of a task, such as the samples of a window.
type Size struct {
	Name  string
	Value float64
}

// PlanOf returns the plan of work that has one.
func PlanOf(work Work) Plan {
	if planned, ok := work.(Planned); ok {
		return planned.Plan()
	}
	return Plan{}
}

// ExecuteTask prepares a task and runs it immediately, without a lease.
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
