package services

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"time"
)

// Bytes is an amount of memory.
type Bytes int64

// Units of memory as powers of 1024.
const (
	KiB Bytes = 1 << 10
	MiB Bytes = 1 << 20
	GiB Bytes = 1 << 30
)

// String returns the amount in the largest binary unit in which it is at least one,
// such as "4.5 MiB".
func (b Bytes) String() string {
	switch {
	case b >= GiB || b <= -GiB:
		return fmt.Sprintf("%.2f GiB", float64(b)/float64(GiB))
	case b >= MiB || b <= -MiB:
		return fmt.Sprintf("%.1f MiB", float64(b)/float64(MiB))
	case b >= KiB || b <= -KiB:
		return fmt.Sprintf("%.1f KiB", float64(b)/float64(KiB))
	default:
		return fmt.Sprintf("%d B", int64(b))
	}
}

// Plus returns the sum of amounts that must not be negative. A sum that overflows is
// the largest Bytes value.
func (b Bytes) Plus(more ...Bytes) Bytes {
	for _, one := range more {
		if one > math.MaxInt64-b {
			return math.MaxInt64
		}
		b += one
	}
	return b
}

// Priority orders waiting tasks.
type Priority int

// The priorities; a larger value is more urgent.
const (
	PriorityLow    Priority = -1
	PriorityNormal Priority = 0
	PriorityHigh   Priority = 1
)

// String returns the name used in requests: high, normal or low.
func (p Priority) String() string {
	switch {
	case p > PriorityNormal:
		return "high"
	case p < PriorityNormal:
		return "low"
	default:
		return "normal"
	}
}

// ParsePriority parses a name returned by String. The empty string is PriorityNormal.
func ParsePriority(name string) (Priority, error) {
	switch name {
	case "high":
		return PriorityHigh, nil
	case "", "normal":
		return PriorityNormal, nil
	case "low":
		return PriorityLow, nil
	}
	return PriorityNormal, Invalidf("priority", "must be high, normal or low, got %q", name)
}

// Task is one unit of work for one service.
type Task struct {
	// ID identifies the task in logs and errors: the id of its request, which a client may
	// choose, or of its job.
	ID string
	// Job is the id of the job whose task this is; empty for a request's own.
	Job string
	// Service and Name select the service and the kind of task, such as "wav2vec2" and
	// "transcribe". If Service is empty, it is the one that has the model.
	Service string
	Name    string
	// Model to use; empty for a default.
	Model string
	// DefaultModel replaces the service's default model if Model is empty and nothing
	// else in the task determines the model. Empty means the service's own default.
	DefaultModel string
	// Params are checked against TaskKind.ParamsSchema before the service sees them.
	Params json.RawMessage
	// Audio is the input; nil if the task takes none.
	Audio AudioSource
	// Caller is on whose behalf the task runs. The task sees only the caller's records.
	Caller Caller
	// Priority relative to other waiting tasks.
	Priority Priority
	// Deadline after which the result is of no use; zero means none.
	Deadline time.Time
	// Key is chosen by the client of a task that makes a record: a task with the same key
	// returns what the first one made. Empty means none.
	Key string
}

// AudioSource is input audio that can be opened repeatedly, because retries and
// redeliveries start from the beginning.
type AudioSource interface {
	// Open returns a reader at the first byte. The caller closes it.
	Open() (io.ReadSeekCloser, error)
	// Size returns the size in bytes.
	Size() int64
}

// TaskResult is the result of a task.
type TaskResult struct {
	// Model that the task ran on; never empty for a service with models.
	Model string
	// Value is encoded as JSON for the client. Its type depends on the task; see
	// package tasks.
	Value any
	// Repeated is set if an earlier task with the same key has made what Value describes.
	Repeated bool
	// Audio is the sound that the task made; nil if there is none. The caller of
	// Execute removes it.
	Audio *Artifact
	// Stages is the compute time by stage.
	Stages []StageTime
	// Warnings report deviations from the request.
	Warnings []Warning
}

// StageTime is the time spent in one stage of a task.
type StageTime struct {
	Stage    Stage
	Duration time.Duration
}

// Stage is a stage of a task's compute.
type Stage string

// The stages of every model task, named as by inference servers.
const (
	StageInput  Stage = "input"  // decoding and preparing the tensors
	StageInfer  Stage = "infer"  // the network
	StageOutput Stage = "output" // turning tensors into a result
)

// Stages returns every Stage in order of execution.
func Stages() []Stage { return []Stage{StageInput, StageInfer, StageOutput} }

// Sink receives the progress of a running task. A Sink is used by one task at a time.
type Sink interface {
	// Progress reports the completed fraction, 0 to 1, and the current stage. Each call
	// shows that the task is making progress.
	Progress(fraction float64, stage string)
	// Partial delivers a piece of the answer. After the first one the task is not
	// retried, because the client has seen it.
	Partial(value any)
}

// DiscardSink is a Sink that discards everything.
type DiscardSink struct{}

// Progress implements Sink.
func (DiscardSink) Progress(float64, string) {}

// Partial implements Sink.
func (DiscardSink) Partial(any) {}

var _ Sink = DiscardSink{}

// TaskEvent describes the end of a task to an observer.
type TaskEvent struct {
	TaskID  string
	Service string
	// Model that the task ran on; empty if it ended before the model was known.
	Model string
	// Err is the task's error; nil if it succeeded.
	Err error
	// Started reports whether the task obtained its lease, and Queued is the time it
	// waited.
	Started bool
	Queued  time.Duration
	// Ran is the time from the lease until the end.
	Ran    time.Duration
	Stages []StageTime
	// Executions is the number of engine runs for the task, and Inputs the number of
	// inputs computed in them.
	Executions, Inputs int64
	// TraceID of the trace that recorded the task; empty if none did.
	TraceID string
}
