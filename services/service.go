package services

import (
	"context"
	"encoding/json"
	"time"
)

// ModelService is a service as the orchestrator uses it. Implementations are safe for
// concurrent use: the orchestrator bounds the number of concurrent tasks, but health
// checks and listings may be called at any time.
type ModelService interface {
	// Describe returns the name of the service and the tasks that it accepts. The
	// result never changes.
	Describe() Description

	// Initialize makes the service ready for tasks and verifies it with an inference.
	// It does nothing if the service is already initialized.
	Initialize(ctx context.Context) error
	// Initialized reports whether Initialize has succeeded and Shutdown has not been
	// called since.
	Initialized() bool
	// Shutdown waits for running tasks, unloads every model and releases the memory. It
	// does nothing if the service is not initialized.
	Shutdown(ctx context.Context) error

	// Status returns the service's own view of itself. Probes call it frequently, so it
	// reads memory only: it opens no files and never waits for an inference.
	Status() ServiceStatus
	// Metrics returns counts since the service was built.
	Metrics() ServiceMetrics

	// Prepare validates a task and returns it ready to run. It rejects invalid
	// parameters and unreadable input before the task waits for anything. It reads
	// headers, never whole inputs, and opens no file of a known, unchanged model. The
	// service need not be initialized.
	Prepare(ctx context.Context, task Task) (Work, error)
}

// Description describes a service.
type Description struct {
	// Name is the key in the registry and the label in metrics, such as "wav2vec2".
	Name string
	// Summary is a one-sentence description.
	Summary string
	// DefaultModel is the model of tasks that name none; empty if the service has no
	// choice of models.
	DefaultModel string
	// Tasks are the kinds of task that the service accepts, the default first.
	Tasks []TaskKind
}

// TaskKind is one kind of task.
type TaskKind struct {
	// Name as in Task.Name.
	Name string
	// ParamsSchema is the JSON Schema (2020-12) of Task.Params, which they are checked
	// against before Prepare; nil where Prepare checks all.
	ParamsSchema json.RawMessage
}

// State of a service or of a model.
type State string

// The states of a service, in their usual order. A model is either ready (loaded) or
// registered (known, loaded on demand).
const (
	StateRegistered   State = "registered"
	StateInitializing State = "initializing"
	StateReady        State = "ready"
	StateDegraded     State = "degraded"
	StateRecovering   State = "recovering"
	StateUnavailable  State = "unavailable"
	StateStopped      State = "stopped"
)

// ServiceStatus is a service's view of itself.
type ServiceStatus struct {
	State State
	// Since is when the state was entered.
	Since time.Time
	// LastError is the latest service fault; empty if there was none.
	LastError string
	// LastSuccess is the end of the latest successful inference, in the status of a unit
	// that of the latest successful task; zero if there was none.
	LastSuccess time.Time
	// ModelsLoaded is the number of loaded models.
	ModelsLoaded int
}

// ModelStatus describes one model that a service can use.
type ModelStatus struct {
	Name  string
	State State
	// Origin is "embedded" or "folder".
	Origin string
	// Bytes is the memory that the model occupies; zero if it is not loaded.
	Bytes Bytes
	// Size is the size of the model's files.
	Size Bytes
	// License and Languages are those that the metadata of the model's card states.
	License   string
	Languages []string
	// Created is the time of the last change to the model's files; zero for embedded
	// models.
	Created time.Time
	// Problem describes why the model cannot be used; empty if it can.
	Problem string
	// Changed reports whether the model's files differ from those that it was loaded from,
	// and ReloadProblem why the latest version of them was not taken; empty if none failed.
	Changed       bool
	ReloadProblem string
	// Breaker is the state of the model's circuit breaker, and Health that of its tasks;
	// both are empty if the model has not been used.
	Breaker string
	Health  HealthStatus
}

// ServiceMetrics counts a service's work.
type ServiceMetrics struct {
	// Tasks by outcome since the service was built.
	Tasks map[Outcome]uint64
	// Latency percentiles of the latest tasks, zero before the first.
	LatencyP50, LatencyP95, LatencyP99 time.Duration
	// BytesLoaded is the memory of loaded models now, BytesPeak its maximum so far.
	BytesLoaded, BytesPeak Bytes
}

// Residency is where a service reserves memory that outlives a task, such as the
// weights of a loaded model. The memory budget implements it.
type Residency interface {
	// Hold reserves the bytes of one object that a service keeps, named after the model
	// or as kind/id, such as "conversation/ctx_1". If ctx carries the lease of the task
	// that caused the load, the bytes are deducted from the lease so that they are not
	// counted twice. When another task needs the memory, evict is called from another
	// goroutine with no lock held; it returns ErrInUse if the memory cannot be released
	// now.
	Hold(ctx context.Context, service, name string, bytes Bytes, evict func(context.Context) error) Resident
}

// Resident is one reservation made by Residency.Hold.
type Resident interface {
	// Touch marks the memory as just used, which makes it the last candidate for
	// eviction.
	Touch()
	// Release ends the reservation. Calling it twice does nothing.
	Release()
}
