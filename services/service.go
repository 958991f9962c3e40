package services

import (
	"context"
	"encoding/json"
	"time"
)

// ModelService is what the orchestrator asks of a service. Implementations are
// safe for concurrent use: the orchestrator bounds how many tasks run at once,
// but health checks and listings arrive at any time.
type ModelService interface {
	// Describe names the service and the tasks it takes. The answer never changes.
	Describe() Description

	// Initialize brings the service to where it can take tasks and proves it by
	// an inference of its own. Calling it on an initialised service does nothing.
	Initialize(ctx context.Context) error
	// Initialized tells whether Initialize has succeeded and Shutdown has not
	// been called since.
	Initialized() bool
	// Shutdown waits for running tasks, unloads every model and returns the
	// memory. Calling it twice, or before Initialize, does nothing.
	Shutdown(ctx context.Context) error

	// Status is the service's own view of itself. Probes ask for it at any rate, so
	// it reads memory only: it opens no file and never blocks on an inference.
	Status() ServiceStatus
	// Metrics counts what the service has done since it was built.
	Metrics() ServiceMetrics

	// Prepare checks a task and returns it ready to run. It refuses bad parameters and
	// unreadable input before anything waits. It reads headers, never whole inputs, and
	// opens no file of a model that it knows and that has not changed. The service need
	// not be initialized.
	Prepare(ctx context.Context, task Task) (Work, error)
}

// Description says what a service is.
type Description struct {
	// Name is the registry's key and the label in metrics, as "wav2vec2".
	Name string
	// Summary is one sentence for a person.
	Summary string
	// DefaultModel serves tasks that name none; empty where there is no choice.
	DefaultModel string
	// Tasks the service takes, the default first.
	Tasks []TaskKind
}

// TaskKind is one kind of task a service takes.
type TaskKind struct {
	// Name as in Task.Name.
	Name string
	// ParamsSchema is the JSON Schema (2020-12) of Task.Params, which they are checked
	// against before Prepare; nil where Prepare checks all.
	ParamsSchema json.RawMessage
}

// State of a service or of a model.
type State string

// The states of a service, in the order of a normal life. A model is either
// ready (loaded) or registered (known, loads on demand).
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
	// LastError is the latest service fault, empty where there was none.
	LastError string
	// LastSuccess is the end of the latest successful inference; zero where
	// there was none.
	LastSuccess time.Time
	// ModelsLoaded is how many models are loaded.
	ModelsLoaded int
}

// ModelStatus describes one model that a service can use.
type ModelStatus struct {
	Name  string
	State State
	// Origin says where it comes from: "embedded" or "folder".
	Origin string
	// Bytes the model holds while loaded; zero when it is not.
	Bytes Bytes
	// Created is when the model's files were last changed; zero for embedded ones.
	Created time.Time
	// Problem says why the model cannot be used; empty when it can.
	Problem string
	// Breaker is the state of the model's circuit breaker; empty where nobody has
	// used the model.
	Breaker string
}

// ServiceMetrics counts a service's work.
type ServiceMetrics struct {
	// Tasks by outcome since the service was built.
	Tasks map[Outcome]uint64
	// Latency percentiles of the latest tasks, zero before the first.
	LatencyP50, LatencyP95, LatencyP99 time.Duration
	// BytesLoaded is held by loaded models now, BytesPeak the most it ever was.
	BytesLoaded, BytesPeak Bytes
}

// Residency is where a service declares memory that outlives a task: the
// weights of a loaded model. The memory budget implements it.
type Residency interface {
	// Hold books the bytes of one thing that a service keeps: a model by its name,
	// anything else by kind/id, as "conversation/ctx_1". Where
	// ctx carries the lease of the task that caused the load, the bytes move from
	// that lease, so that they are not counted twice. evict is called, from another goroutine and with
	// no lock held, when a task needs the room; it returns ErrInUse when the
	// memory cannot be given back now.
	Hold(ctx context.Context, service, name string, bytes Bytes, evict func(context.Context) error) Resident
}

// Resident is one booking at a Residency.
type Resident interface {
	// Touch marks the memory as just used, which puts it last in line for eviction.
	Touch()
	// Release ends the booking. Calling it twice does nothing.
	Release()
}
