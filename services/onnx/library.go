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

	ort "github.com/yalue/onnxruntime_go"

	"github.com/grym-synth/grym-synth/internal/regular"
)

// LibraryVersion is the ONNX Runtime release that the build embeds.
const LibraryVersion = "1.30.0"

// minimumAPI is the version of the C interface that the binding asks for; the
// first release that has it is 1.24.
const minimumAPI = "24 (release 1.24 or newer)"

// ErrNoLibrary is wrapped by every failure to find or load the ONNX Runtime library.
var ErrNoLibrary = errors.New("no usable ONNX Runtime library")

// ErrSessionsOpen is returned by Runtime.Close while sessions are open.
var ErrSessionsOpen = errors.New("sessions are still open")

// opened guards the one environment that the library allows in a process.
var opened sync.Mutex

// Config says which library to load.
type Config struct {
	// LibraryPath of the ONNX Runtime shared library. Empty takes the library
	// inside the binary. Cannot change live. Defaults to empty.
	LibraryPath string `koanf:"libraryPath"`
}

// Runtime is the loaded library with its environment. There is one in a
// process at a time. Safe for concurrent use.
type Runtime struct {
	version  string
	origin   string
	sessions sessions
	// interceptor is nil but under fault injection.
	interceptor atomic.Pointer[Interceptor]
	release     func() error
	once        sync.Once
	closeErr    error
}

// Open loads the library and creates its environment. The error is one sentence
// that names the library and what is wrong with it, and wraps ErrNoLibrary.
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
	// The loader has mapped the file by now; its descriptor or copy can go.
	if releaseErr := release(); err == nil && releaseErr != nil {
		err = errors.Join(releaseErr, ort.DestroyEnvironment())
	}
	if err != nil {
		return nil, explain(origin, err)
	}
	return &Runtime{version: ort.GetVersion(), origin: origin, release: ort.DestroyEnvironment}, nil
}

// locate gives the path to load, how to name it to a person, and what to do
// once it is loaded.
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

// explain turns the binding's error into one sentence.
func explain(origin string, err error) error {
	if strings.Contains(err.Error(), "ORT API base") {
		return fmt.Errorf("%w: %s is too old; this server needs its API version %s", ErrNoLibrary, origin, minimumAPI)
	}
	if strings.Contains(err.Error(), "OrtGetApiBase") {
		return fmt.Errorf("%w: %s is a library, but not ONNX Runtime", ErrNoLibrary, origin)
	}
	// The binding's text repeats the path twice before the loader's own words.
	if _, loader, ok := strings.Cut(err.Error(), `": `); ok {
		return fmt.Errorf("%w: %s", ErrNoLibrary, loader)
	}
	return fmt.Errorf("%w: %s: %w", ErrNoLibrary, origin, err)
}

// Version of the loaded library, as "1.30.0".
func (r *Runtime) Version() string { return r.version }

// Origin says where the library came from, for a person.
func (r *Runtime) Origin() string { return r.origin }

// Close unloads the library. It fails with ErrSessionsOpen while sessions are
// open; calling it twice gives the first answer again.
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
