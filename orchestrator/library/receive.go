package library

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"hash"
	"io"

	"github.com/grym-synth/grym-synth/orchestrator/records"
	"github.com/grym-synth/grym-synth/services"
)

// roomStep is how many bytes of an upload are received between two checks of the disk.
const roomStep = 128 * services.KiB

// shortBytes is the length below which a recording is received in memory. If the owner has
// it, nothing is written.
const shortBytes = 128 << 10

// Incoming is a recording that was received but is not yet in the library. It must be
// saved or discarded.
type Incoming struct {
	About
	// ID is the SHA-256 of the bytes, in hex.
	ID   string
	head []byte
	// staged are the bytes in the store; nil if they were not written because the owner has
	// the recording as stored.
	staged records.Staged
	stored *Source
	// whole are the bytes of a short recording, nil for others. full is the error of a disk
	// that was full.
	whole []byte
	full  error
}

// Receive writes a recording to the store while it is read and hashed, so that it is
// written once; a short one that the owner has is not written. It returns a fault of kind
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
		if known, err := l.Describe(ctx, services.Caller{Key: about.Owner}, reading.id()); err == nil {
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

// recognize reads a recording for which the disk has no room: one that the owner already
// has needs none. Nothing is written, because the space of discarded bytes is
// freed only later.
func (l *Library) recognize(ctx context.Context, r *reading, about About, full error) (*Incoming, error) {
	r.dry = true
	if _, err := io.Copy(io.Discard, bounded{ctx, r}); err != nil {
		return nil, err
	}
	in := &Incoming{About: about, ID: r.id(), head: r.head, full: full}
	known, err := l.Describe(ctx, services.Caller{Key: about.Owner}, in.ID)
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
