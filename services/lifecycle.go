package services

import (
	"context"
	"time"
)

// Transition is one change of a service's state.
type Transition struct {
	Service string
	// Model is empty for the service itself, which includes its default model.
	Model    string
	From, To State
	// Cause is a human-readable reason.
	Cause string
	At    time.Time
}

// Run is one running task as seen by a watchdog.
type Run struct {
	// ID is made by the server and unique, also if two clients choose the same id.
	ID string
	// Task is the task's id, Name its kind and Model its model.
	Task, Name, Model string
	Started           time.Time
	// Progressed is the time of the latest activity: the start, a progress report, a
	// partial answer, or the return of the run slot.
	Progressed time.Time
	// Stage and Fraction are the latest progress report.
	Stage    string
	Fraction float64
	// Waiting reports whether the run has lent its slot and is waiting to regain it.
	Waiting bool
	// Stopped reports whether the run has been cancelled and has not returned yet.
	Stopped bool
}

// Canary is implemented by services that can be checked by a small task of their own.
// It runs like any other task: prepare, lease, guard.
type Canary interface {
	// CanaryTask returns the smallest task that uses the default model.
	CanaryTask() Task
}

// ModelCanary is implemented by canaries whose smallest task depends on the model.
type ModelCanary interface {
	// CanaryTaskFor returns the smallest task that uses the model.
	CanaryTaskFor(model string) Task
}

// ModelHost is implemented by services whose models can be listed, loaded and unloaded
// by name.
type ModelHost interface {
	// Models returns every model of the service, including those whose files are
	// invalid. It scans for new and changed models and must not be called by probes.
	Models() []ModelStatus
	// LoadModel loads the model unless it is loaded.
	LoadModel(ctx context.Context, name string) error
	// UnloadModel waits until the model is unused and unloads it. It returns ErrInUse
	// if ctx ends first, and does nothing if the model is not loaded.
	UnloadModel(ctx context.Context, name string) error
}

// ModelReplacer is implemented by services that can load another version of a model beside
// the one that is loaded, and exchange them while tasks run.
type ModelReplacer interface {
	// StageModel makes another version of a model available to tasks, under a name that no
	// request can have. dir is its folder, or empty for the model's own folder as it is now.
	// With a gap the loaded version is unloaded first, once it is unused; otherwise it stays
	// loaded until it is replaced. The staged version must be closed.
	StageModel(ctx context.Context, model, dir string, gap bool) (StagedModel, error)
	// Outdated returns the loaded models whose folder has been pulled anew, and which have
	// not been tried since.
	Outdated() []string
}

// StagedModel is a version of a model that is tried. It is not safe for concurrent use.
type StagedModel interface {
	// Name is that of the version for tasks.
	Name() string
	// Loaded reports whether the old version was loaded when this one was staged.
	Loaded() bool
	// Replace calls commit, which moves the version's folder to the model's place, and has
	// later tasks run on the version. Tasks at work end on the old version, which is unloaded
	// after the last of them; Replace waits for that until ctx ends. If commit fails, the old
	// version stays.
	Replace(ctx context.Context, commit func() error) error
	// Close removes the version if it has not replaced the old one, and records why if
	// failed is not nil.
	Close(failed error) error
}

// ModelFinder is implemented by services that can look up one model faster than by
// listing all of them.
type ModelFinder interface {
	// HasModel reports whether the service has a model of that name. It returns an
	// error if the model exists but its files cannot be read.
	HasModel(name string) (bool, error)
}

// ModelSummarizer is implemented by services that can describe a model.
type ModelSummarizer interface {
	// ModelSummary returns a sentence about what the model knows, from its card; empty if
	// there is none.
	ModelSummary(name string) string
}

// ModelPresence is implemented by services that know of a single model whether it is
// loaded.
type ModelPresence interface {
	// ModelLoaded reports whether the model is loaded. Probes may call it: it reads
	// memory only.
	ModelLoaded(name string) bool
}

// TaskChooser is implemented by services whose models cannot all do every task.
type TaskChooser interface {
	// CanDo reports whether the model's files say that it can do the task.
	CanDo(model, task string) bool
}

// TaskJudge is implemented by services that have a task in common with another service,
// some of whose parameters only the other one serves.
type TaskJudge interface {
	// Suits reports whether the service serves the parameters of a task. It is asked about
	// tasks without a model only, and Prepare still reports invalid ones.
	Suits(task Task) bool
}

// canaryKey is the context key of WithCanary.
type canaryKey struct{}

// WithCanary marks ctx as belonging to a canary task. Canary tasks do not count as use,
// so a model used only by canaries is idle.
func WithCanary(ctx context.Context) context.Context {
	return context.WithValue(ctx, canaryKey{}, true)
}

// IsCanary reports whether ctx was marked by WithCanary.
func IsCanary(ctx context.Context) bool {
	marked, _ := ctx.Value(canaryKey{}).(bool)
	return marked
}

// ModelChooser is implemented by services whose default model depends on the task.
type ModelChooser interface {
	// ModelFor returns the model that a task without a model would run on, as far as
	// that is known before the task is prepared. It returns no error; Prepare reports
	// invalid tasks.
	ModelFor(task Task) string
}
