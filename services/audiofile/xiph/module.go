package xiph

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"math"
	"sync"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/experimental"
)

// ErrNoDecoder means that the binary was built without the decoders.
var ErrNoDecoder = errors.New("built without the decoders of Opus and Vorbis; build with `make build`")

// `make lib` writes the modules to the folder.
//
//go:embed lib
var files embed.FS

// imported is a function that a module imports.
type imported struct {
	name            string
	params, results []api.ValueType
	run             api.GoFunc
}

// program is a module that is compiled at its first use and shared by all instances.
type program struct {
	runtime wazero.Runtime
	module  wazero.CompiledModule
}

// load returns a function that compiles a module once.
func load(name string, imports []imported) func() (*program, error) {
	return sync.OnceValues(func() (*program, error) {
		raw, err := files.ReadFile("lib/" + name)
		if err != nil {
			return nil, ErrNoDecoder
		}
		ctx := context.Background()
		runtime := wazero.NewRuntimeWithConfig(ctx, wazero.NewRuntimeConfig())
		host := runtime.NewHostModuleBuilder("a")
		for _, f := range imports {
			host.NewFunctionBuilder().WithGoFunction(f.run, f.params, f.results).Export(f.name)
		}
		if _, err := host.Instantiate(ctx); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		module, err := runtime.CompileModule(ctx, raw)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		return &program{runtime, module}, nil
	})
}

// The functions that Emscripten's runtime imports.
var (
	aborts = api.GoFunc(func(context.Context, []uint64) { panic("the decoder has aborted") })
	ignore = api.GoFunc(func(context.Context, []uint64) {})
	zero   = api.GoFunc(func(_ context.Context, stack []uint64) { stack[0] = 0 })
)

const (
	i32 = api.ValueTypeI32
	f64 = api.ValueTypeF64
)

// function returns an import of one argument and one result, both numbers.
func function(name string, f func(float64) float64) imported {
	return imported{name, []api.ValueType{f64}, []api.ValueType{f64}, func(_ context.Context, stack []uint64) {
		stack[0] = api.EncodeF64(f(api.DecodeF64(stack[0])))
	}}
}

// errClosed is the error of a decoder that is closed.
var errClosed = errors.New("the decoder is closed")

// instance is a program with its own memory. A use of its memory after it is closed would
// end this process, so mu is held by every use.
type instance struct {
	mu        sync.Mutex
	closed    bool
	module    api.Module
	functions map[string]api.Function
	stack     [16]uint64
}

// start returns a new instance. prepare is its function that initialises the memory.
func (p *program) start(prepare string) (*instance, error) {
	ctx := experimental.WithMemoryAllocator(context.Background(), experimental.MemoryAllocatorFunc(allocate))
	module, err := p.runtime.InstantiateModule(ctx, p.module, wazero.NewModuleConfig().WithName("").WithStartFunctions())
	if err != nil {
		return nil, err
	}
	i := &instance{module: module, functions: make(map[string]api.Function)}
	if _, err := i.call(prepare); err != nil {
		return nil, errors.Join(err, i.close())
	}
	return i, nil
}

// call runs a function of the module and returns its result, 0 if it has none.
func (i *instance) call(name string, arguments ...uint64) (uint64, error) {
	f := i.functions[name]
	if f == nil {
		f = i.module.ExportedFunction(name)
		i.functions[name] = f
	}
	i.stack[0] = 0
	copy(i.stack[:], arguments)
	if err := f.CallWithStack(context.Background(), i.stack[:max(1, len(arguments))]); err != nil {
		return 0, err
	}
	return i.stack[0], nil
}

// allocate returns the address of new memory.
func (i *instance) allocate(malloc string, size int) (uint32, error) {
	at, err := i.call(malloc, uint64(size))
	if err == nil && at == 0 {
		err = errors.New("the memory of the decoder is full")
	}
	return uint32(at), err
}

// begin begins a use and returns the function that ends it.
func (i *instance) begin() (end func(), err error) {
	i.mu.Lock()
	if i.closed {
		i.mu.Unlock()
		return nil, errClosed
	}
	return i.mu.Unlock, nil
}

// close releases the memory. Closing twice does nothing.
func (i *instance) close() error {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.closed {
		return nil
	}
	i.closed = true
	return i.module.Close(context.Background())
}

// power is an import of two arguments.
var power = api.GoFunc(func(_ context.Context, stack []uint64) {
	stack[0] = api.EncodeF64(math.Pow(api.DecodeF64(stack[0]), api.DecodeF64(stack[1])))
})

// Available reports whether the binary has the decoders.
func Available() bool {
	for _, name := range []string{"opus.wasm", "vorbis.wasm"} {
		if file, err := files.Open("lib/" + name); err != nil || file.Close() != nil {
			return false
		}
	}
	return true
}
