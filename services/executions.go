package services

import (
	"context"
	"sync/atomic"
)

// Executions counts the runs of the inference engine for one task. Safe for concurrent
// use.
type Executions struct{ runs, inputs atomic.Int64 }

// Counts returns the number of runs, and the number of inputs computed in them. Each
// input of a batch is counted.
func (e *Executions) Counts() (runs, inputs int64) { return e.runs.Load(), e.inputs.Load() }

type executionsKey struct{}

// WithExecutions returns a context in which CountExecution counts into e.
func WithExecutions(ctx context.Context, e *Executions) context.Context {
	return context.WithValue(ctx, executionsKey{}, e)
}

// CountExecution counts one run of the engine on a batch of the given size. It does
// nothing if the context has no Executions.
func CountExecution(ctx context.Context, batch int64) {
	if e, ok := ctx.Value(executionsKey{}).(*Executions); ok {
		e.runs.Add(1)
		e.inputs.Add(batch)
	}
}
