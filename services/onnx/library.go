package onnx

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	ort "github.com/yalue/onnxruntime_go"

	"github.com/grym-synth/grym-synth/internal/regular"
)

// LibraryVersion is the embedded release of ONNX Runtime.
const LibraryVersion = "1.30.0"

// minimumAPI is the version of the C API that the binding requires, available since
// release 1.24.
const minimumAPI = "24 (release 1.24 or newer)"

// ErrNoLibrary is wrapped by every failure to find or load the ONNX Runtime library.
var ErrNoLibrary = errors.New("no usable ONNX Runtime library")

// ErrSessionsOpen is returned by Runtime.Close while sessions are open.
var ErrSessionsOpen = errors.New("sessions are still open")

// opened guards the single environment that the library supports per process.
var opened sync.Mutex

// Config has the settings of the ONNX Runtime library.
type Config struct {
	// LibraryPath is the path of the ONNX Runtime shared library. Empty selects the
	// library embedded in the binary. Cannot change live. Defaults to empty.
	LibraryPath string `koanf:"libraryPath"`
	// Spin is how long idle threads of a run keep their core busy, in wait for the next
	// operator, if a service runs one task at a time. It shortens runs of small models,
	// and slows everything else down. Cannot change live. Defaults to 50us.
	Spin time.Duration `koanf:"spin"`
}

// DefaultConfig returns the documented defaults.
func DefaultConfig() Config { return Config{Spin: 50 * time.Microsecond} }

// maxSpin is the maximum of Config.Spin.
const maxSpin = 10 * time.Millisecond

// Validate returns an error for every invalid value, with its key relative to this
// section.
func (c Config) Validate() []error {
	if c.Spin < 0 || c.Spin > maxSpin {
		return []error{fmt.Errorf("spin: must be 0 to %s, got %s", maxSpin, c.Spin)}
	}
	return nil
}

// Runtime is the loaded library and its environment. A process has at most one at a
// time. Safe for concurrent use.
type Runtime struct {
	version  string
	origin   string
	sessions sessions
	// pooled reports whether sessions allocate from pools.
	pooled bool
	// interceptor is nil except during fault injection.
	interceptor atomic.Pointer[Interceptor]
	release     func() error
	once        sync.Once
	closeErr    error
}

// Open loads the library and creates its environment. The error is one sentence that
// names the library and the reason, and wraps ErrNoLibrary.
func Open(cfg Config) (*Runtime, error) {
	if !opened.TryLock() {
		return nil, errors.New("ONNX Runtime is already loaded in this process")
	}
	rt, err := load(cfg)
	if err != nil {
		opened.Unlock()
		return nil, err
	}
	return rt, nil
}

func load(cfg Config) (*Runtime, error) {
	path, origin, release, err := locate(cfg)
	if err != nil {
		return nil, err
	}
	tameAllocator()
	ort.SetSharedLibraryPath(path)
	err = ort.InitializeEnvironment(ort.WithLogLevelError())
	// A library that takes no allocators of others works with arenas of its own; then
	// the memory of single tasks is not measured.
	pooled := err == nil && registerPools(path) == nil
	// The loader has mapped the file, so its descriptor or copy can be released.
	if releaseErr := release(); err == nil && releaseErr != nil {
		err = errors.Join(releaseErr, ort.DestroyEnvironment())
	}
	if err != nil {
		return nil, explain(origin, err)
	}
	return &Runtime{version: ort.GetVersion(), origin: origin, pooled: pooled, release: ort.DestroyEnvironment}, nil
}

// locate returns the path to load, a display name for it, and a function to call once
// it has been loaded.
func locate(cfg Config) (path, origin string, release func() error, err error) {
	if cfg.LibraryPath == "" {
		path, release, err = unpackEmbedded()
		return path, "the embedded library", release, err
	}
	path, err = filepath.Abs(cfg.LibraryPath)
	if err != nil {
		return "", "", nil, fmt.Errorf("%w: %s: %w", ErrNoLibrary, cfg.LibraryPath, err)
	}
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return "", "", nil, fmt.Errorf("%w: %s does not exist", ErrNoLibrary, path)
	case err != nil:
		return "", "", nil, fmt.Errorf("%w: %s: %w", ErrNoLibrary, path, err)
	case info.IsDir():
		return "", "", nil, fmt.Errorf("%w: %s is a folder; name the library file in it", ErrNoLibrary, path)
	}
	if err := regular.Check(info); err != nil {
		return "", "", nil, fmt.Errorf("%w: %s: %w", ErrNoLibrary, path, err)
	}
	return path, path, func() error { return nil }, nil
}

// explain converts the binding's error to one sentence.
func explain(origin string, err error) error {
	if strings.Contains(err.Error(), "ORT API base") {
		return fmt.Errorf("%w: %s is too old; this server needs its API version %s", ErrNoLibrary, origin, minimumAPI)
	}
	if strings.Contains(err.Error(), "OrtGetApiBase") {
		return fmt.Errorf("%w: %s is a library, but not ONNX Runtime", ErrNoLibrary, origin)
	}
	// The binding repeats the path twice before the message of the loader.
	if _, loader, ok := strings.Cut(err.Error(), `": `); ok {
		return fmt.Errorf("%w: %s", ErrNoLibrary, loader)
	}
	return fmt.Errorf("%w: %s: %w", ErrNoLibrary, origin, err)
}

// Version returns the version of the loaded library, such as "1.30.0".
func (r *Runtime) Version() string { return r.version }

// Origin returns a human-readable description of where the library was loaded from.
func (r *Runtime) Origin() string { return r.origin }

// Close unloads the library. It returns ErrSessionsOpen while sessions are open.
// Further calls return the result of the first one.
func (r *Runtime) Close(context.Context) error {
	if n := len(r.Sessions()); n > 0 {
		return fmt.Errorf("close ONNX Runtime: %d %w", n, ErrSessionsOpen)
	}
	r.once.Do(func() {
		r.closeErr = r.release()
		TrimMemory()
		opened.Unlock()
	})
	return r.closeErr
}
