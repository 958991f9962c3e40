package library

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/grym-synth/grym-synth/orchestrator/records"
	"github.com/grym-synth/grym-synth/services"
)

// Source is a stored recording as the input of a task: it is read from the store on
// demand, without a copy. Safe for concurrent use; what Open returns is not.
type Source struct {
	ctx  context.Context //nolint:containedctx // Open cannot be given one
	id   string
	size int64
	open func() (records.Object, error)

	mu    sync.Mutex
	fault error
	// whole is a short recording that was read already, so that those who read it again,
	// as each preparation of a task does, ask the store for nothing; nil for others.
	whole []byte
}

// Open implements services.AudioSource.
func (s *Source) Open() (io.ReadSeekCloser, error) {
	if whole := s.inMemory(); whole != nil {
		return memory{bytes.NewReader(whole)}, nil
	}
	object, err := s.open()
	switch {
	case errors.Is(err, records.ErrMissing):
		err = services.Internal(err, "the bytes of recording %s are lost", s.id)
	case err != nil && s.ctx.Err() != nil:
		return nil, context.Cause(s.ctx)
	case err == nil && object.Size() != s.size:
		err = services.Internal(fmt.Errorf("it has %d bytes instead of %d", object.Size(), s.size), "recording %s cannot be read", s.id)
	}
	if err != nil {
		return nil, s.failed(err)
	}
	return &content{object, s}, nil
}

// memory is a recording in memory.
type memory struct{ *bytes.Reader }

// Close implements io.Closer.
func (memory) Close() error { return nil }

// inMemory returns the recording if it is in memory, else nil.
func (s *Source) inMemory() []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.whole
}

// ID returns the id of the recording.
func (s *Source) ID() string { return s.id }

// Size implements services.AudioSource.
func (s *Source) Size() int64 { return s.size }

// Err returns the store's fault that a read encountered, or nil. A decoder may have
// mistaken it for a damaged file.
func (s *Source) Err() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.fault
}

// failed records a fault of the store.
func (s *Source) failed(err error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fault == nil {
		s.fault = err
	}
	return err
}

// check reads a short recording, and a byte of a longer one, to detect a store that does
// not answer.
func (s *Source) check() error {
	file, err := s.Open()
	if err != nil {
		return err
	}
	if s.size >= shortBytes {
		_, err = io.ReadFull(file, make([]byte, 1))
		return errors.Join(err, file.Close())
	}
	whole, err := io.ReadAll(file) // to its end, where the digest is compared
	if err == nil {
		s.mu.Lock()
		s.whole = whole
		s.mu.Unlock()
	}
	return errors.Join(err, file.Close())
}

// content reads a recording and records faults of the store.
type content struct {
	records.Object
	source *Source
}

// Read implements io.Reader.
func (c *content) Read(p []byte) (int, error) {
	n, err := c.Object.Read(p)
	if err == nil || errors.Is(err, io.EOF) {
		return n, err
	}
	if c.source.ctx.Err() != nil {
		return n, context.Cause(c.source.ctx)
	}
	return n, c.source.failed(err)
}

// source returns a recording as a task's input.
func (l *Library) source(ctx context.Context, recording Recording) *Source {
	return &Source{
		ctx: ctx, id: recording.ID, size: recording.Bytes,
		open: func() (records.Object, error) { return l.store.Object(ctx, recording.object()) },
	}
}

// Source returns a stored recording as the input of a task, whoever has it. ctx bounds the
// reading. The fault is of kind not found, or the store's.
func (l *Library) Source(ctx context.Context, id string) (*Source, error) {
	_, source, err := l.SourceFor(ctx, services.Caller{All: true}, id)
	return source, err
}

// SourceFor returns a recording that the caller may see, as the input of a task.
func (l *Library) SourceFor(ctx context.Context, caller services.Caller, id string) (Recording, *Source, error) {
	recording, err := l.Describe(ctx, caller, id)
	if err != nil {
		return Recording{}, nil, err
	}
	source := l.source(ctx, recording)
	return recording, source, source.check()
}

// Open opens a recording that the caller may see. The fault is of kind not found. The caller
// must close it.
func (l *Library) Open(ctx context.Context, caller services.Caller, id string) (io.ReadSeekCloser, Recording, error) {
	recording, err := l.Describe(ctx, caller, id)
	if err != nil {
		return nil, Recording{}, err
	}
	file, err := l.source(ctx, recording).Open()
	if err != nil {
		return nil, Recording{}, err
	}
	l.note(ctx, caller.Key, id)
	return file, recording, nil
}

// StoredAudio implements services.ContextStore: it returns a recording that the caller may
// see as the input of a task. The recording is not deleted until release is called.
func (l *Library) StoredAudio(ctx context.Context, caller services.Caller, id string) (_ services.AudioSource, release func(), _ error) {
	release = sync.OnceFunc(l.Hold(caller.Key, id))
	_, source, err := l.SourceFor(ctx, caller, id)
	if services.KindOf(err) == services.KindNotFound {
		err = &services.Fault{
			Kind:   services.KindNotFound,
			Fields: []services.FieldError{{Field: "audio_id", Problem: fmt.Sprintf("names no stored recording, got %q", id)}},
		}
	}
	if err != nil {
		release()
		return nil, nil, err
	}
	l.note(ctx, caller.Key, id)
	return source, release, nil
}

var _ services.AudioSource = (*Source)(nil)
