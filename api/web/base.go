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

// Services lists what can run; the orchestrator's registry implements it.
type Services interface {
	List() []*orchestrator.Registration
	Lookup(name string) (*orchestrator.Registration, error)
}

// Sounds stores recordings; library.Library implements it.
type Sounds interface {
	// Receive stores a recording while it is read; it is saved or discarded then.
	Receive(ctx context.Context, r io.Reader, about library.About) (*library.Incoming, error)
	// Describe returns a recording's description; the fault is not found.
	Describe(ctx context.Context, id string) (library.Recording, error)
	// Open returns the bytes of a recording; the caller closes them.
	Open(ctx context.Context, owner, id string) (io.ReadSeekCloser, library.Recording, error)
}

// Limits bound the body of a request.
type Limits struct {
	// MaxUpload bounds every body.
	MaxUpload services.Bytes
	// HeaderTimeout and UploadTimeout bound the time that a body may take, and
	// MinUploadRate its bytes a second.
	HeaderTimeout, UploadTimeout time.Duration
	MinUploadRate                services.Bytes
}

// Base is what every handler needs to read a request and run its task.
type Base struct {
	Executor Executor
	Models   Models
	// Sounds stores the recordings of requests and of jobs.
	Sounds Sounds
	// StoredAudio finds stored recordings; nil if the server stores none.
	StoredAudio StoredAudio
	// SpoolDir takes uploads while they are worked on.
	SpoolDir string
	Limits   Limits
	Log      *slog.Logger
}
