package library

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"hash"
	"io"
	"time"

	"github.com/grym-synth/grym-synth/orchestrator/records"
	"github.com/grym-synth/grym-synth/services"
)

// roomStep is how many bytes of an upload are received between two checks of the disk.
const roomStep = 128 * services.KiB

// shortBytes is the length below which a recording is received in memory. If the library
// has it, nothing is written.
const shortBytes = 128 << 10

// Incoming is a recording that was received but is not yet in the library. It must be
// saved or discarded.
type Incoming struct {
	About
	// ID is the SHA-256 of the bytes, in hex.
	ID   string
	head []byte
	// staged are the bytes in the store; nil if they were not written because the library
	// has the recording as stored.
	staged records.Staged
	stored *Source
	// whole are the bytes of a short recording, nil for others. full is the error of a disk
	// that was full.
	whole []byte
	full  error
}

// Receive writes a recording to the store while it is read and hashed, so that it is
// written once; a short one that the library has is not written. It returns a fault of kind
// full if there is no room; an error of the reader is returned wrapped.
func (l *Library) Receive(ctx context.Context, r io.Reader, about About) (*Incoming, error) {
	reading := &reading{library: l, r: r, hash: sha256.New()}
	if full := l.store.Room(services.Bytes(about.Bytes) + records.LeastRoom); about.Bytes > 0 && services.KindOf(full) == services.KindFull {
		return l.recognize(ctx, reading, about, full)
	}
	first := make([]byte, shortBytes)
	n, err := io.ReadFull(reading, first)
	var rest io.Reader = reading
	var whole []byte
	switch {
	case reading.ended:
		whole = first[:n:n]
		if known, err := l.Describe(ctx, reading.id()); err == nil {
			return &Incoming{About: about, ID: known.ID, head: reading.head, whole: whole, stored: l.source(ctx, known)}, nil
		}
		rest = bytes.NewReader(nil)
	case err != nil:
		return nil, l.orFull(err, services.Bytes(reading.bytes))
	}
	staged, err := l.store.Stage(ctx, io.MultiReader(bytes.NewReader(first[:n]), rest))
	if err != nil {
		return nil, l.orFull(err, services.Bytes(reading.bytes))
	}
	return &Incoming{About: about, ID: reading.id(), head: reading.head, staged: staged, whole: whole}, nil
}

// recognize reads a recording for which the disk has no room: one that the library
// already has needs none. Nothing is written, because the space of discarded bytes is
// freed only later.
func (l *Library) recognize(ctx context.Context, r *reading, about About, full error) (*Incoming, error) {
	r.dry = true
	if _, err := io.Copy(io.Discard, bounded{ctx, r}); err != nil {
		return nil, err
	}
	in := &Incoming{About: about, ID: r.id(), head: r.head, full: full}
	known, err := l.Describe(ctx, in.ID)
	if err != nil {
		return nil, full
	}
	in.stored = l.source(ctx, known)
	return in, nil
}

// Size returns the number of bytes.
func (in *Incoming) Size() int64 {
	if in.staged == nil {
		return in.stored.Size()
	}
	return in.staged.Size()
}

// Head returns the first bytes, for detecting the format.
func (in *Incoming) Head() []byte { return in.head }

// Source returns the recording as the input of a task. ctx bounds the reading.
func (in *Incoming) Source(ctx context.Context) *Source {
	if in.whole != nil {
		return &Source{ctx: ctx, id: in.ID, size: in.Size(), whole: in.whole}
	}
	if in.staged == nil {
		return in.stored
	}
	return &Source{ctx: ctx, id: in.ID, size: in.Size(), open: func() (records.Object, error) { return in.staged.Open(ctx), nil }}
}

// Discard removes the recording unless it was saved.
func (in *Incoming) Discard(ctx context.Context) error {
	if in == nil || in.staged == nil {
		return nil
	}
	return in.staged.Discard(ctx)
}

// headBytes is the maximum length of Head.
const headBytes = 64

// reading is a reader that hashes, and fails if the quota or the disk has no room.
type reading struct {
	library *Library
	r       io.Reader
	hash    hash.Hash
	head    []byte
	bytes   int64
	checked services.Bytes
	// dry is true if nothing is written.
	dry bool
	// ended reports that the recording was read to its end. A broken upload is not: its
	// error may be the one that io.ReadFull returns for a short recording.
	ended bool
}

// id returns the SHA-256 of what was read, in hex.
func (r *reading) id() string { return hex.EncodeToString(r.hash.Sum(nil)) }

// Read implements io.Reader.
func (r *reading) Read(p []byte) (int, error) {
	l := r.library
	if next := services.Bytes(r.bytes + int64(len(p))); !r.dry && (r.bytes == 0 || next > r.checked) {
		if err := l.store.Room(roomStep + records.LeastRoom); services.KindOf(err) == services.KindFull {
			return 0, err
		}
		r.checked = services.Bytes(r.bytes) + roomStep
	}
	n, err := r.r.Read(p)
	r.hash.Write(p[:n])
	r.head = append(r.head, p[:min(n, headBytes-len(r.head))]...)
	if r.bytes += int64(n); services.Bytes(r.bytes) > l.cfg.Quota {
		return n, services.Faultf(services.KindFull,
			"the recording has more than %d bytes, which jobs.audio.quota allows for all recordings", int64(l.cfg.Quota))
	}
	r.ended = errors.Is(err, io.EOF)
	return n, err
}

// orFull is records.OrFull for a recording.
func (l *Library) orFull(err error, size services.Bytes) error {
	return records.OrFull(l.store, err, size)
}

// Save adds an incoming recording to the library, for an owner. created reports whether
// its content is new; other content is discarded.
func (l *Library) Save(ctx context.Context, in *Incoming, owner string) (recording Recording, created bool, err error) {
	recording, created, err = l.save(ctx, in, false)
	if err == nil {
		l.refer(ctx, owner, recording.ID, in.About)
	}
	return recording, created, l.orFull(err, services.Bytes(in.Size()))
}

// Import stores a recording from a source, for an owner. A recording that the library
// has is not written again.
func (l *Library) Import(ctx context.Context, source services.AudioSource, about About, owner string) (Recording, error) {
	recording, err := l.add(ctx, source, about, false)
	if err == nil {
		l.refer(ctx, owner, recording.ID, about)
	}
	return recording, l.orFull(err, services.Bytes(source.Size()))
}

// KeepAudio implements services.ContextStore: it stores the recording of a new
// conversation and returns its id.
func (l *Library) KeepAudio(ctx context.Context, source services.AudioSource) (string, error) {
	recording, err := l.add(ctx, source, About{}, true)
	return recording.ID, l.orFull(err, services.Bytes(source.Size()))
}

// add stores a recording unless the library has it.
func (l *Library) add(ctx context.Context, source services.AudioSource, about About, conversational bool) (Recording, error) {
	id, err := identify(ctx, source)
	if err != nil {
		return Recording{}, err
	}
	if known, err := l.Describe(ctx, id); err == nil {
		if known, err = l.adopt(ctx, known, conversational); services.KindOf(err) != services.KindBusy {
			return known, err
		}
		// It was changed, or is being deleted.
	} else if services.KindOf(err) != services.KindNotFound {
		return Recording{}, err
	}
	file, err := source.Open()
	if err != nil {
		return Recording{}, services.Internal(err, "the recording cannot be read")
	}
	defer file.Close()
	in, err := l.Receive(ctx, file, about)
	if err != nil {
		return Recording{}, err
	}
	recording, _, err := l.save(ctx, in, conversational)
	return recording, err
}

// identify returns the SHA-256 of a recording, in hex.
func identify(ctx context.Context, source services.AudioSource) (string, error) {
	if stored, ok := source.(*Source); ok {
		return stored.id, nil
	}
	file, err := source.Open()
	if err != nil {
		return "", services.Internal(err, "the recording cannot be read")
	}
	defer file.Close()
	sum := sha256.New()
	if _, err := io.Copy(sum, bounded{ctx, file}); err != nil {
		return "", services.Internal(err, "the recording cannot be read")
	}
	return hex.EncodeToString(sum.Sum(nil)), nil
}

// bounded is a reader that fails when its context ends.
type bounded struct {
	ctx context.Context //nolint:containedctx // io.Reader cannot be given one
	r   io.Reader
}

// Read implements io.Reader.
func (b bounded) Read(p []byte) (int, error) {
	if err := b.ctx.Err(); err != nil {
		return 0, err
	}
	return b.r.Read(p)
}

// save commits the object and then writes its record.
func (l *Library) save(ctx context.Context, in *Incoming, conversational bool) (_ Recording, created bool, err error) {
	defer func() {
		if discardErr := in.Discard(ctx); discardErr != nil {
			l.log.Warn("a recording that was given up could not be removed", "audio", in.ID, "error", discardErr)
		}
	}()
	if l.Bytes()+services.Bytes(in.Size()) > l.cfg.Quota {
		l.expire(ctx) // before taking the lock, which deletions also take
	}
	lock := l.lock(in.ID)
	lock.Lock()
	defer lock.Unlock()
	known, err := l.Describe(ctx, in.ID)
	if err == nil {
		known, err = l.adopt(ctx, known, conversational)
		return known, false, err
	}
	if services.KindOf(err) != services.KindNotFound {
		return Recording{}, false, err
	}
	if in.staged == nil {
		// It has been deleted meanwhile.
		if in.whole == nil {
			return Recording{}, false, in.full
		}
		if in.staged, err = l.store.Stage(ctx, bytes.NewReader(in.whole)); err != nil {
			return Recording{}, false, err
		}
	}
	if err := l.room(in); err != nil {
		return Recording{}, false, err
	}
	if err := in.staged.Commit(ctx, object(in.ID)); err != nil {
		return Recording{}, false, err
	}
	now := time.Now().UTC()
	recording, err := l.audio.Create(ctx, Recording{
		ID: in.ID, Bytes: in.Size(), ContentType: in.ContentType, Conversational: conversational, Created: now, Used: now,
	})
	if errors.Is(err, records.ErrExists) {
		// Another process was first.
		known, err := l.Describe(ctx, in.ID)
		if services.KindOf(err) == services.KindNotFound {
			err = busy(in.ID, err)
		}
		if err == nil {
			known, err = l.adopt(ctx, known, conversational)
		}
		return known, false, err
	}
	return recording, err == nil, err
}

// adopt records that an existing recording was stored again.
func (l *Library) adopt(ctx context.Context, known Recording, conversational bool) (Recording, error) {
	switch {
	case conversational && known.Conversational:
		// It may be about to be deleted with its last conversation.
	case known.Conversational:
		known.Conversational = false
	case time.Since(known.Used) < l.cfg.TTL/20:
		return known, nil
	}
	return l.refresh(ctx, known)
}

// room returns a fault if the quota or the disk has no room for the recording.
func (l *Library) room(in *Incoming) error {
	size := services.Bytes(in.Size())
	if stored := l.Bytes(); stored+size > l.cfg.Quota {
		return services.Faultf(services.KindFull,
			"the recording has %d bytes, and stored recordings use %d of the %d that jobs.audio.quota allows; "+
				"delete some, or wait until they expire", int64(size), int64(stored), int64(l.cfg.Quota))
	}
	return l.store.Room(records.LeastRoom)
}
