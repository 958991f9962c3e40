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

// ErrClosed is wrapped by a run on a session that has been closed.
var ErrClosed = errors.New("session is closed")

// ErrEngine is wrapped when ONNX Runtime refuses a graph whose header fits.
var ErrEngine = errors.New("ONNX Runtime cannot load the graph")

// Graph is where a session's model comes from: a file, or bytes that are
// already in memory (an embedded model). Path wins, so that large weights are
// never read into the Go heap.
type Graph struct {
	// Name for errors, as "wav2vec2-tiny/model.onnx".
	Name string
	Path string
	Data []byte
}

// SessionConfig sizes a session.
type SessionConfig struct {
	// Threads that work on one operator, at least 1.
	Threads int
	// NoPlan keeps the engine from planning its memory by shape. With a plan, the
	// second run of a shape takes one block for all it needs, beside what the first
	// one used and keeps: twice as much in all.
	NoPlan bool
	// Concurrent tells that other runs share the cores, so that idle threads
	// must sleep rather than spin.
	Concurrent bool

	// withoutFusion names an optimiser to leave out.
	withoutFusion string
}

// Session is one loaded graph. Safe for concurrent use: runs go on side by
// side, and Close waits for them.
type Session struct {
	name      string
	signature Signature
	inputs    []string
	outputs   []string
	runtime   *Runtime

	created time.Time
	// used is when the latest run began or ended, in nanoseconds since 1970; runs are
	// those at work, and done those that ended.
	used, runs, done atomic.Int64

	// mu is held for reading by runs and for writing by Close.
	mu      sync.RWMutex
	session *ort.DynamicAdvancedSession
}

// OpenSession reads the graph's inputs and outputs, checks them against the
// contract, and only then loads the weights. A graph that does not fit fails
// with ErrContract.
func (r *Runtime) OpenSession(graph Graph, contract Contract, cfg SessionConfig) (*Session, error) {
	signature, source, err := graph.open()
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", graph.Name, err)
	}
	defer source.Close()
	if len(signature.External) == 0 && source != nil {
		// What was checked is what is loaded, even if the file is replaced meanwhile.
		graph.Path = samePath(source)
	}
	inputs, outputs, err := contract.check(signature)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", graph.Name, err)
	}
	session, err := graph.load(inputs, outputs, cfg)
	if err != nil && strings.Contains(err.Error(), brokenFusion) {
		cfg.withoutFusion = brokenFusion
		session, err = graph.load(inputs, outputs, cfg)
	}
	if err != nil {
		// A failed load has allocated and freed much of the model.
		TrimMemory()
		return nil, fmt.Errorf("open %s: %w: %w", graph.Name, ErrEngine, err)
	}
	s := &Session{
		name: graph.Name, signature: signature, inputs: inputs, outputs: outputs,
		runtime: r, session: session, created: time.Now(),
	}
	s.used.Store(s.created.UnixNano())
	r.enter(s)
	return s, nil
}

// brokenFusion is an optimiser of ONNX Runtime 1.24 that fails on the layer norms
// of some half precision graphs, whose constants another one has renamed.
const brokenFusion = "SimplifiedLayerNormFusion"

// load hands the graph to ONNX Runtime.
func (g Graph) load(inputs, outputs []string, cfg SessionConfig) (*ort.DynamicAdvancedSession, error) {
	options, err := cfg.options()
	if err != nil {
		return nil, err
	}
	// ONNX Runtime copies the options into the session.
	defer func() { _ = options.Destroy() }()
	if g.Path != "" {
		return ort.NewDynamicAdvancedSession(g.Path, inputs, outputs, options)
	}
	return ort.NewDynamicAdvancedSessionWithONNXData(g.Data, inputs, outputs, options)
}

// Signature reads what the graph takes and gives, without its weights.
func (g Graph) Signature() (Signature, error) {
	signature, source, err := g.open()
	_ = source.Close() // it was only read
	return signature, err
}

// open reads the signature, and checks the graph and the files that it names for
// its weights, which must be regular ones. The file is nil for a graph in memory.
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

// samePath is a path that leads to an open file whatever has taken its name, where
// the system has one; else the name.
func samePath(file *os.File) string {
	path := fmt.Sprintf("/proc/self/fd/%d", file.Fd())
	if _, err := os.Stat(path); err != nil {
		return file.Name()
	}
	return path
}

func (c SessionConfig) options() (*ort.SessionOptions, error) {
	options, err := ort.NewSessionOptions()
	if err != nil {
		return nil, err
	}
	spin := "1"
	if c.Concurrent {
		spin = "0"
	}
	err = errors.Join(
		options.SetIntraOpNumThreads(max(1, c.Threads)),
		options.SetInterOpNumThreads(1),
		options.SetExecutionMode(ort.ExecutionModeSequential),
		options.SetGraphOptimizationLevel(ort.GraphOptimizationLevelEnableAll),
		options.SetMemPattern(!c.NoPlan),
		options.AddSessionConfigEntry("session.intra_op.allow_spinning", spin),
		// Products of unsigned and signed bytes saturate on x86 processors without
		// VNNI; there the weights are taken as unsigned. Others ignore this.
		options.AddSessionConfigEntry("session.x64quantprecision", "1"),
	)
	if c.withoutFusion != "" {
		err = errors.Join(err, options.AddSessionConfigEntry("optimization.disable_specified_optimizers", c.withoutFusion))
	}
	if err != nil {
		return nil, errors.Join(err, options.Destroy())
	}
	return options, nil
}

// Signature of the graph.
func (s *Session) Signature() Signature { return s.signature }

// HasInput tells whether the graph takes an optional input of the contract.
func (s *Session) HasInput(name string) bool {
	for _, input := range s.inputs {
		if input == name {
			return true
		}
	}
	return false
}

// Run feeds the inputs by name and gives the outputs by name; an input of the
// contract that the graph lacks may be left out. The caller closes the outputs.
//
// When ctx ends, ONNX Runtime is told to stop and Run returns ctx's error once
// it has: it looks between operators, so that takes as long as the slowest one.
// Native work never outlives Run. A float output that holds NaN or an infinity
// fails with ErrNonFinite.
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
	// The tensors lend Go memory to native code.
	runtime.KeepAlive(inputs)
	return s.collect(out)
}

// feed puts the inputs in the graph's order. The caller holds mu.
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

// RunInto is Run with outputs made beforehand, which the engine writes in place:
// nothing is copied. Their shapes must be those that the run gives. An output that
// is left out is allocated and put into outputs, where it is the caller's to close.
// Only the outputs named in checked are searched for what is not finite. After an
// error the contents of outputs are undefined.
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
		return services.Internal(fmt.Errorf("run %s: %w", s.name, failed), "the model gave an unusable answer")
	}
	return nil
}

// run calls ONNX Runtime and stops it when ctx ends.
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
	err = s.runtime.intercepted(ctx, s.name, func() error { return s.session.RunWithOptions(in, out, options) })
	if errors.Is(err, ErrPoisoned) {
		poison(out)
		err = nil
	}
	if !stop() {
		// Terminate may be writing to the options that are about to go.
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

// outOfMemory guesses from the text, because the binding drops the error code.
// Only this failure may pass: on the CPU every other one repeats itself.
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
		return nil, services.Internal(fmt.Errorf("run %s: %w", s.name, failed), "the model gave an unusable answer")
	}
	return tensors, nil
}

// Close waits for running work, destroys the session and returns its memory to
// the system. Calling it twice does nothing.
func (s *Session) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.session == nil {
		return nil
	}
	err := s.session.Destroy()
	s.session = nil
	s.runtime.leave(s)
	TrimMemory()
	if err != nil {
		return fmt.Errorf("close %s: %w", s.name, err)
	}
	return nil
}
