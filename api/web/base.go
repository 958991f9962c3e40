package web

import (
	"context"
	"io"
	"log/slog"
	"time"

	"github.com/grym-synth/grym-synth/orchestrator"
	"github.com/grym-synth/grym-synth/orchestrator/library"
	"github.com/grym-synth/grym-synth/services"
)

// Executor runs tasks; the orchestrator implements it.
type Executor interface {
	Execute(ctx context.Context, task services.Task, sink services.Sink) (services.TaskResult, error)
}

// Services lists the registered services; the orchestrator's registry implements it.
type Services interface {
	List() []*orchestrator.Registration
	Lookup(name string) (*orchestrator.Registration, error)
}

// Sounds stores recordings; library.Library implements it.
type Sounds interface {
	// Receive stores a recording as it is read; the caller saves or discards it.
	Receive(ctx context.Context, r io.Reader, about library.About) (*library.Incoming, error)
	// Describe returns the description of a recording that the caller may see, or a fault
	// of KindNotFound.
	Describe(ctx context.Context, caller services.Caller, id string) (library.Recording, error)
	// Open returns the bytes of a recording that the caller may see; they must be closed.
	Open(ctx context.Context, caller services.Caller, id string) (io.ReadSeekCloser, library.Recording, error)
}

// Renditions stores what was computed from stored recordings, such as pictures, for each
// owner; renditions.Cache implements it.
type Renditions interface {
	// Get returns what was put for a recording of an owner under a key.
	Get(owner, audio, key string) (content []byte, found bool)
	// Put stores content. It may be dropped at any time.
	Put(owner, audio, key string, content []byte)
}

// Limits are the limits of a request's body.
type Limits struct {
	// MaxUpload limits the size of every body.
	MaxUpload services.Bytes
	// HeaderTimeout and UploadTimeout limit the time for a body, and MinUploadRate is the
	// least number of bytes per second.
	HeaderTimeout, UploadTimeout time.Duration
	MinUploadRate                services.Bytes
}

// Base has what every handler needs to read a request and run its task.
type Base struct {
	Executor Executor
	Models   Models
	// Sounds stores the recordings of requests and of jobs.
	Sounds Sounds
	// StoredAudio finds stored recordings; nil if the server stores none.
	StoredAudio StoredAudio
	// Renditions stores what was computed from stored recordings; nil stores nothing.
	Renditions Renditions
	// Remote fetches recordings by their addresses; nil if no host is allowed.
	Remote *Remote
	// SpoolDir stores uploads while they are processed.
	SpoolDir string
	Limits   Limits
	Log      *slog.Logger
}
