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

// String gives the amount in the largest binary unit that keeps it above one,
// as "4.5 MiB".
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

// Plus adds amounts that are not negative, and returns the largest amount there is
// where the sum is larger.
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

// The priorities, the most urgent the largest.
const (
	PriorityLow    Priority = -1
	PriorityNormal Priority = 0
	PriorityHigh   Priority = 1
)

// String gives the name used in requests: high, normal or low.
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

// ParsePriority reads the names that String gives; the empty string is normal.
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

// Task is one piece of work for one service.
type Task struct {
	// ID names the task in logs and errors; unique within the process.
	ID string
	// Service and Name say who does what: "wav2vec2", "transcribe". Without a service
	// the one that has the model does it.
	Service string
	Name    string
	// Model is empty for a default.
	Model string
	// DefaultModel takes the place of the service's default model where Model is empty
	// and nothing else in the task says which model it needs; empty for the service's.
	DefaultModel string
	// Params are checked against TaskKind.ParamsSchema before the service sees them.
	Params json.RawMessage
	// Audio is the input, nil where the task takes none.
	Audio AudioSource
	// Caller is on whose behalf the task runs; it sees only what is the caller's.
	Caller Caller
	// Priority orders the task among those that wait.
	Priority Priority
	// Deadline by which the result is of use; zero means none.
	Deadline time.Time
}

// AudioSource is input audio that can be opened as often as needed: a retry
// and a redelivery start from the beginning.
type AudioSource interface {
	// Open starts reading at the first byte. The caller closes it.
	Open() (io.ReadSeekCloser, error)
	// Size in bytes.
	Size() int64
}

// TaskResult is what a task came to.
type TaskResult struct {
	// Model that did the work, never empty for a model service.
	Model string
	// Value is encoded as JSON for the client: *Transcription for transcribe.
	Value any
	// Audio is the sound that the task made, nil where it makes none. The caller
	// of Execute removes it.
	Audio *Artifact
	// Stages says where the compute time went.
	Stages []StageTime
	// Warnings report what was done differently from what was asked for.
	Warnings []Warning
}

// StageTime is the time spent in one stage of a task.
type StageTime struct {
	Stage    Stage
	Duration time.Duration
}

// Stage of a task's compute.
type Stage string

// The stages of every model task, as inference servers name them.
const (
	StageInput  Stage = "input"  // decoding and preparing the tensors
	StageInfer  Stage = "infer"  // the network
	StageOutput Stage = "output" // turning tensors into an answer
)

// Stages lists every Stage, in the order of the work.
func Stages() []Stage { return []Stage{StageInput, StageInfer, StageOutput} }

// Sink listens to a running task. Implementations are safe for use by one task at a
// time.
type Sink interface {
	// Progress reports the fraction done, 0 to 1, and what is being done. Each call is a
	// sign of life of the task.
	Progress(fraction float64, stage string)
	// Partial passes on a piece of the answer as it comes. After the first one
	// the task is not retried, because the client has seen it.
	Partial(value any)
}

// DiscardSink ignores what a task reports.
type DiscardSink struct{}

// Progress implements Sink.
func (DiscardSink) Progress(float64, string) {}

// Partial implements Sink.
func (DiscardSink) Partial(any) {}

var _ Sink = DiscardSink{}

// TaskEvent tells an observer how a task ended.
type TaskEvent struct {
	TaskID  string
	Service string
	// Model that the task ran on, empty where it never got so far.
	Model string
	// Err is nil for a success.
	Err error
	// Started tells whether the task got its lease, and Queued how long that took.
	Started bool
	Queued  time.Duration
	// Ran is the time from the lease to the end.
	Ran    time.Duration
	Stages []StageTime
	// Executions of the engine for the task, and Inputs that they computed.
	Executions, Inputs int64
	// TraceID of the trace that recorded the task, empty where none did.
	TraceID string
}
