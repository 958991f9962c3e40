package onnx

import (
	"context"
	"errors"
	"math"

	ort "github.com/yalue/onnxruntime_go"
)

// ErrPoisoned is returned by an Interceptor after a run to replace its outputs with
// NaN.
var ErrPoisoned = errors.New("poisoned")

// Interceptor is called in place of every run of every session. It calls run, or fails,
// blocks or panics instead. ctx is the context of the run, and the graph is named as in
// Graph.
type Interceptor func(ctx context.Context, graph string, run func() error) error

// Intercept installs an Interceptor, which injects faults into the engine for tests.
// Nil removes it.
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
