package services

import (
	"context"
	"sync/atomic"
)

// Executions counts what a task asked of the inference engine. Safe for
// concurrent use.
type Executions struct{ runs, inputs atomic.Int64 }

// Counts gives the runs of the engine, and the inputs that they computed: each
// of a batch counts.
func (e *Executions) Counts() (runs, inputs int64) { return e.runs.Load(), e.inputs.Load() }

type executionsKey struct{}

// WithExecutions makes CountExecution count.
func WithExecutions(ctx context.Context, e *Executions) context.Context {
	return context.WithValue(ctx, executionsKey{}, e)
}

// CountExecution counts one run of the engine on a batch of so many inputs. A
// context without a counter counts nothing.
func CountExecution(ctx context.Context, batch int64) {
	if e, ok := ctx.Value(executionsKey{}).(*Executions); ok {
		e.runs.Add(1)
		e.inputs.Add(batch)
	}
}
