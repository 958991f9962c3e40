package services

import (
	"context"
	"time"
)

// Transition is one step in the life of a service.
type Transition struct {
	Service string
	// Model is empty where the step is the service's own, with its default model.
	Model    string
	From, To State
	// Cause says why, for a person.
	Cause string
	At    time.Time
}

// Run is one task at work, as a watchdog sees it.
type Run struct {
	// Task is the id, Name and Model what is done with what.
	Task, Name, Model string
	Started           time.Time
	// Progressed is the latest sign of life: the start, a progress report, a
	// partial answer, or the return of a run slot.
	Progressed time.Time
	// Stage and Fraction are the latest progress report.
	Stage    string
	Fraction float64
	// Waiting tells that the run has given its slot away until the wait ends.
	Waiting bool
	// Stopped tells that it was told to end, and has not yet.
	Stopped bool
}

// Canary is what a service implements that can be proved by a task of its own.
// The task takes the same road as every other one: estimate, lease, guard.
type Canary interface {
	// CanaryTask is the smallest task that uses the default model.
	CanaryTask() Task
}

// ModelCanary is implemented by services with canaries whose smallest task depends on
// the model.
type ModelCanary interface {
	// CanaryTaskFor is the smallest task that uses the model.
	CanaryTaskFor(model string) Task
}

// ModelHost is what a service implements whose models can be listed, and loaded
// and unloaded by name.
type ModelHost interface {
	// Models lists every model that the service can use, or could if its files were
	// right. It looks for new and changed ones, so it is not for probes.
	Models() []ModelStatus
	// LoadModel loads the model unless it is loaded.
	LoadModel(ctx context.Context, name string) error
	// UnloadModel unloads the model once nobody uses it; ErrInUse where that is
	// not before ctx ends, nothing where it is not loaded.
	UnloadModel(ctx context.Context, name string) error
}

// ModelFinder is implemented by services that look for one model faster than by listing
// all of them.
type ModelFinder interface {
	// HasModel reports whether the service has a model of that name. The error is why
	// that cannot be known: there is such a model, and its files cannot be read.
	HasModel(name string) (bool, error)
}

// canaryKey marks a context.
type canaryKey struct{}

// WithCanary marks the context of a canary task, which does not count as use: a
// model that only canaries touch is idle.
func WithCanary(ctx context.Context) context.Context {
	return context.WithValue(ctx, canaryKey{}, true)
}

// IsCanary tells whether WithCanary marked the context.
func IsCanary(ctx context.Context) bool {
	marked, _ := ctx.Value(canaryKey{}).(bool)
	return marked
}

// ModelChooser is implemented by services whose default model depends on the task.
type ModelChooser interface {
	// ModelFor names the model for a task that names none.
	ModelFor(task Task) string
}
