package onnx

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	ort "github.com/yalue/onnxruntime_go"

	"github.com/grym-synth/grym-synth/internal/regular"
	"github.com/grym-synth/grym-synth/services"
)

// ErrClosed is wrapped by errors of runs on a closed session.
var ErrClosed = errors.New("session is closed")

// ErrEngine is wrapped if ONNX Runtime rejects a graph that satisfies its contract.
var ErrEngine = errors.New("ONNX Runtime cannot load the graph")

// Graph is the source of a session's model: a file, or bytes in memory for an embedded
// model. Path takes precedence, so that large weights are never read into the Go heap.
type Graph struct {
	// Name for errors, such as "wav2vec2-tiny/model.onnx".
	Name string
	Path string
	Data []byte
}

// SessionConfig has the resources of a session.
type SessionConfig struct {
	// Threads per operator, at least 1.
	Threads int
	// NoPlan disables the engine's memory planning by shape. With planning, the second
	// run of a shape allocates one block for everything while the memory of the first
	// run is retained, which doubles the total.
	NoPlan bool
	// Concurrent reports whether other runs share the cores, in which case idle threads
	// must sleep rather than spin.
	Concurrent bool
	// Background has the threads of a run, beside the one that calls it, run at a lower
	// priority, so that they use the cores that nothing else needs.
	Background bool
	// Spin is that of Config, unless Concurrent is set.
	Spin time.Duration
	// Pool is the memory that the session works in, shared with the other sessions of
	// its model; nil for one of its own.
	Pool *Pool

	// withoutFusion is the name of an optimiser to disable.
	withoutFusion string
	// pooled has the session allocate from Pool instead of an arena of the engine's.
	pooled bool
}

// Session is one loaded graph. Safe for concurrent use: runs are concurrent, and Close
// waits for them.
type Session struct {
	name      string
	signature Signature
	inputs    []string
	outputs   []string
	runtime   *Runtime

	created time.Time
	// used is the time at which the latest run began or ended, in nanoseconds since
	// 1970. runs counts running calls, and done finished ones.
	used, runs, done atomic.Int64

	// mu is read-locked by runs and locked by Close.
	mu      sync.RWMutex
	session *ort.DynamicAdvancedSession
	pool    *Pool
}

// OpenSession reads the graph's inputs and outputs and checks them against the contract
// before it loads the weights. A mismatch is an error that wraps ErrContract.
func (r *Runtime) OpenSession(graph Graph, contract Contract, cfg SessionConfig) (*Session, error) {
	signature, source, err := graph.open()
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", graph.Name, err)
	}
	defer source.Close()
	if len(signature.External) == 0 && source != nil {
		// Load the file that was checked, even if it has been replaced in the meantime.
		graph.Path = samePath(source)
	}
	inputs, outputs, err := contract.check(signature)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", graph.Name, err)
	}
	cfg.pooled = r.pooled
	if cfg.Pool == nil {
		cfg.Pool = NewPool()
	} else {
		cfg.Pool.join()
	}
	session, err := graph.load(inputs, outputs, cfg)
	if err != nil && strings.Contains(err.Error(), brokenFusion) {
		cfg.withoutFusion = brokenFusion
		session, err = graph.load(inputs, outputs, cfg)
	}
	if err != nil {
		cfg.Pool.Close()
		// A failed load has allocated and freed much of the model's memory.
		TrimMemory()
		return nil, fmt.Errorf("open %s: %w: %w", graph.Name, ErrEngine, err)
	}
	s := &Session{
		name: graph.Name, signature: signature, inputs: inputs, outputs: outputs,
		runtime: r, session: session, pool: cfg.Pool, created: time.Now(),
	}
	s.used.Store(s.created.UnixNano())
	r.enter(s)
	return s, nil
}

// brokenFusion is an optimiser of ONNX Runtime 1.24 that fails on the layer norms of
// some half-precision graphs, whose constants were renamed by another optimiser.
const brokenFusion = "SimplifiedLayerNormFusion"

// load loads the graph into ONNX Runtime.
func (g Graph) load(inputs, outputs []string, cfg SessionConfig) (session *ort.DynamicAdvancedSession, err error) {
	options, err := cfg.options()
	if err != nil {
		return nil, err
	}
	// ONNX Runtime copies the options into the session.
	defer func() { _ = options.Destroy() }()
	err = cfg.Pool.apart(cfg.Background, func() error {
		if g.Path != "" {
			session, err = ort.NewDynamicAdvancedSession(g.Path, inputs, outputs, options)
		} else {
			session, err = ort.NewDynamicAdvancedSessionWithONNXData(g.Data, inputs, outputs, options)
		}
		return err
	})
	return session, err
}

// Signature returns the inputs and outputs of the graph without loading its weights.
func (g Graph) Signature() (Signature, error) {
	signature, source, err := g.open()
	_ = source.Close() // it was only read
	return signature, err
}

// open reads the signature and checks the graph and its external files, which must be
// regular. The file is nil for a graph in memory.
func (g Graph) open() (signature Signature, source *os.File, err error) {
	if g.Path == "" {
		signature, err = ReadSignature(bytes.NewReader(g.Data), int64(len(g.Data)))
	} else if source, err = regular.Open(g.Path); err == nil {
		var info os.FileInfo
		if info, err = source.Stat(); err == nil {
			signature, err = ReadSignature(source, info.Size())
		}
	}
	if err == nil {
		err = signature.openable(g.Path)
	}
	if err != nil {
		_ = source.Close() // it was only read
		return Signature{}, nil, err
	}
	return signature, source, nil
}

// samePath returns a path that refers to the open file even if its name has been
// reused, on systems that have one, and the name otherwise.
func samePath(file *os.File) string {
	path := fmt.Sprintf("/proc/self/fd/%d", file.Fd())
	if _, err := os.Stat(path); err != nil {
		return file.Name()
	}
	return path
}

// Signature returns the inputs and outputs of the graph.
func (s *Session) Signature() Signature { return s.signature }

// HasInput reports whether the graph has an optional input of the contract.
func (s *Session) HasInput(name string) bool {
	for _, input := range s.inputs {
		if input == name {
			return true
		}
	}
	return false
}

// Run executes the graph with inputs by name and returns its outputs by name. An input
// of the contract that the graph lacks may be omitted. The caller closes the outputs.
//
// When ctx ends, Run asks ONNX Runtime to stop, waits until it has, and returns ctx's
// error. The engine checks between operators, so this takes at most as long as the
// slowest operator. Native work never outlives Run. A float output that contains NaN or
// an infinity is an error that wraps ErrNonFinite.
func (s *Session) Run(ctx context.Context, inputs map[string]*Tensor) (map[string]*Tensor, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	in, err := s.feed(inputs)
	if err != nil {
		return nil, err
	}
	out := make([]ort.Value, len(s.outputs))
	if err := s.run(ctx, in, out); err != nil {
		return nil, err
	}
	// The tensors share Go memory with native code.
	runtime.KeepAlive(inputs)
	return s.collect(out)
}

// feed returns the inputs in the graph's order. The caller holds mu.
func (s *Session) feed(inputs map[string]*Tensor) ([]ort.Value, error) {
	if s.session == nil {
		return nil, fmt.Errorf("run %s: %w", s.name, ErrClosed)
	}
	in := make([]ort.Value, len(s.inputs))
	for i, name := range s.inputs {
		tensor := inputs[name]
		if tensor == nil || tensor.value == nil {
			return nil, fmt.Errorf("run %s: input %s is missing", s.name, name)
		}
		in[i] = tensor.value
	}
	return in, nil
}

// RunInto is Run with preallocated outputs, which the engine writes in place without
// copying. Their shapes must match those of the run. An omitted output is allocated and
// added to outputs, and the caller closes it. Only the outputs named in checked are
// searched for non-finite values. After an error the contents of outputs are undefined.
func (s *Session) RunInto(ctx context.Context, inputs, outputs map[string]*Tensor, checked ...string) error {
	s.mu.RLock()
	defer s.mu.RUnlock()
	in, err := s.feed(inputs)
	if err != nil {
		return err
	}
	out := make([]ort.Value, len(s.outputs))
	for i, name := range s.outputs {
		if tensor := outputs[name]; tensor != nil {
			out[i] = tensor.value
		}
	}
	if err := s.run(ctx, in, out); err != nil {
		return err
	}
	runtime.KeepAlive(inputs)
	runtime.KeepAlive(outputs)
	var failed error
	for i, name := range s.outputs {
		if outputs[name] == nil {
			tensor, err := fromValue(out[i])
			if err != nil {
				failed = errors.Join(failed, err)
				continue
			}
			outputs[name] = tensor
		}
		if slices.Contains(checked, name) {
			failed = errors.Join(failed, outputs[name].checkFinite(name))
		}
	}
	if failed != nil {
		return services.Internal(fmt.Errorf("run %s: %w", s.name, failed), "the model returned an unusable result")
	}
	return nil
}

// run executes the graph and stops it when ctx ends.
func (s *Session) run(ctx context.Context, in, out []ort.Value) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("run %s: %w", s.name, err)
	}
	options, err := ort.NewRunOptions()
	if err != nil {
		return services.Internal(err, "the inference engine failed")
	}
	defer s.counted(ctx, in)()
	terminated := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(terminated)
		_ = options.Terminate()
	})
	err = s.runtime.intercepted(ctx, s.name, func() error {
		return s.pool.within(services.GaugeOf(ctx), func() error { return s.session.RunWithOptions(in, out, options) })
	})
	if errors.Is(err, ErrPoisoned) {
		poison(out)
		err = nil
	}
	if !stop() {
		// Wait for Terminate, which may be using the options that are about to be
		// destroyed.
		<-terminated
	}
	_ = options.Destroy()
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return fmt.Errorf("run %s: %w", s.name, ctx.Err())
	default:
		fault := services.Internal(fmt.Errorf("run %s: %w", s.name, err), "the inference engine failed")
		fault.Transient = outOfMemory(err)
		return fault
	}
}

// outOfMemory reports whether an error is a failed allocation, judged by its text
// because the binding drops the error code. It is the only transient failure: on the
// CPU all others are deterministic.
func outOfMemory(err error) bool {
	text := err.Error()
	return strings.Contains(text, "allocate") || strings.Contains(text, "bad_alloc")
}

func (s *Session) collect(out []ort.Value) (map[string]*Tensor, error) {
	tensors := make(map[string]*Tensor, len(out))
	var failed error
	for i, value := range out {
		tensor, err := fromValue(value)
		if err == nil {
			tensors[s.outputs[i]] = tensor
			err = tensor.checkFinite(s.outputs[i])
		}
		failed = errors.Join(failed, err)
	}
	if failed != nil {
		for _, tensor := range tensors {
			tensor.Close()
		}
		return nil, services.Internal(fmt.Errorf("run %s: %w", s.name, failed), "the model returned an unusable result")
	}
	return tensors, nil
}

// Close waits for running calls, destroys the session and returns its memory to the
// system. Calling it twice does nothing.
func (s *Session) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.session == nil {
		return nil
	}
	err := s.session.Destroy()
	s.session = nil
	s.pool.Close()
	s.runtime.leave(s)
	TrimMemory()
	if err != nil {
		return fmt.Errorf("close %s: %w", s.name, err)
	}
	return nil
}
