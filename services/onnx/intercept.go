package onnx

import (
	"context"
	"errors"
	"math"

	ort "github.com/yalue/onnxruntime_go"
)

// ErrPoisoned is what an Interceptor returns after a run to put NaN into its
// outputs.
var ErrPoisoned = errors.New("poisoned")

// Interceptor stands in front of the engine: it is called in place of every run
// of every session, and calls run itself, or fails, waits or panics instead.
// ctx is that of the run; the graph's name is as in Graph.
type Interceptor func(ctx context.Context, graph string, run func() error) error

// Intercept injects faults into the engine, which is how the server is shown to
// survive them. Nil ends it.
func (r *Runtime) Intercept(i Interceptor) {
	if i == nil {
		r.interceptor.Store(nil)
		return
	}
	r.interceptor.Store(&i)
}

func (r *Runtime) intercepted(ctx context.Context, graph string, run func() error) error {
	if i := r.interceptor.Load(); i != nil {
		return (*i)(ctx, graph, run)
	}
	return run()
}

// poison puts a NaN into every float output.
func poison(out []ort.Value) {
	for _, value := range out {
		if tensor, ok := value.(*ort.Tensor[float32]); ok && len(tensor.GetData()) > 0 {
			tensor.GetData()[0] = float32(math.NaN())
		}
	}
}
