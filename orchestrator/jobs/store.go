package jobs

import (
	"context"
	"errors"
	"io"

	"github.com/grym-synth/grym-synth/services"
)

// Sentinels of a Store.
var (
	// ErrMissing: there is no such record or object.
	ErrMissing = errors.New("does not exist")
	// ErrExists: a record is there already.
	ErrExists = errors.New("exists already")
	// ErrConflict: the record is not at the expected revision.
	ErrConflict = errors.New("was changed by somebody else")
)

// Store is the port to what keeps jobs: small records that are replaced by
// compare-and-set, and objects of any size. A write that returned is durable.
// Errors other than the sentinels are faults: unavailable, or full. Safe for
// concurrent use.
type Store interface {
	// Create writes a record that must not exist; ErrExists, where Read finds it.
	Create(ctx context.Context, key string, value []byte) (Revision, error)
	// Read gives a record as last written by anybody; ErrMissing.
	Read(ctx context.Context, key string) ([]byte, Revision, error)
	// Replace writes a record that must be at a revision; ErrConflict, also where
	// it is gone.
	Replace(ctx context.Context, key string, value []byte, at Revision) (Revision, error)
	// Delete removes a record that must be at a revision; ErrConflict.
	Delete(ctx context.Context, key string, at Revision) error
	// Watch tells every record, then that it has caught up, then every change, in
	// order, until ctx ends or the store is lost.
	Watch(ctx context.Context, told func(Change)) error

	// PutObject stores the reader's bytes under a name, instead of what was there.
	PutObject(ctx context.Context, name string, r io.Reader) error
	// Object reads an object; ErrMissing. The caller closes it.
	Object(ctx context.Context, name string) (io.ReadCloser, error)
	// DeleteObject removes an object; a missing one is no error.
	DeleteObject(ctx context.Context, name string) error
	// Objects lists the names of all.
	Objects(ctx context.Context) ([]string, error)

	// Room refuses, with a fault, what is larger than the store can still take.
	Room(need services.Bytes) error
	// Tidy removes what deletions and crashes leave behind.
	Tidy(ctx context.Context) error
	// Exclusive tells that no other process uses the store.
	Exclusive() bool
}

// Change is one step of a record.
type Change struct {
	Key string
	// Value is nil where the record was deleted.
	Value    []byte
	Revision Revision
	// CaughtUp marks the one change that is none: every record has been told.
	CaughtUp bool
}
