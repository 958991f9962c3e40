package records

import (
	"context"
	"errors"
	"io"
	"time"

	"github.com/grym-synth/grym-synth/services"
)

// Sentinels of a Store.
var (
	// ErrMissing is returned for a record or an object that does not exist.
	ErrMissing = errors.New("does not exist")
	// ErrExists is returned by Create for a key that is taken.
	ErrExists = errors.New("exists already")
	// ErrConflict is returned for a record that is not at the expected revision.
	ErrConflict = errors.New("was changed concurrently")
)

// Revision orders the states of a record: a later one is larger. Zero is the
// revision of a record that is not stored yet.
type Revision uint64

// LeastRoom is what a record and its changes are sure to need on the disk.
const LeastRoom = 64 * services.KiB

// OrFull returns the fault of a full disk if that may be why the store is unavailable:
// after a failed write it is reopened. Any other error is returned unchanged.
func OrFull(store Store, err error, need services.Bytes) error {
	if services.KindOf(err) != services.KindUnavailable {
		return err
	}
	if room := store.Room(need + LeastRoom); services.KindOf(room) == services.KindFull {
		return room
	}
	return err
}

// Store is the port to a store of records and objects. A write that returned is
// durable. Errors other than the sentinels are faults: unavailable, or full.
// Safe for concurrent use.
type Store interface {
	// Create writes a new record. It returns ErrExists for a key that Read finds.
	Create(ctx context.Context, key string, value []byte) (Revision, error)
	// Read returns the latest revision of a record, or ErrMissing.
	Read(ctx context.Context, key string) ([]byte, Revision, error)
	// Replace replaces a record at a revision. It returns ErrConflict if the record is
	// at another one or deleted.
	Replace(ctx context.Context, key string, value []byte, at Revision) (Revision, error)
	// Delete deletes a record at a revision. It returns ErrConflict if the record is at
	// another one.
	Delete(ctx context.Context, key string, at Revision) error
	// Watch calls changed for every record, then once with CaughtUp, then for every
	// change, in order, until ctx ends or the store is lost.
	Watch(ctx context.Context, changed func(Change)) error

	// Stage writes the reader's bytes as an object that has no name yet. The caller
	// commits or discards it.
	Stage(ctx context.Context, r io.Reader) (Staged, error)
	// Object opens an object, or returns ErrMissing. The caller closes it. ctx
	// bounds the reading.
	Object(ctx context.Context, name string) (Object, error)
	// DeleteObject deletes an object. It returns nil for a missing one.
	DeleteObject(ctx context.Context, name string) error
	// Objects returns the names of all objects.
	Objects(ctx context.Context) ([]string, error)

	// Room returns a fault if the store has no room for need bytes.
	Room(need services.Bytes) error
	// Tidy removes leftovers of deletions and crashes.
	Tidy(ctx context.Context) error
	// Exclusive reports whether no other process uses the store.
	Exclusive() bool
}

// Surveyor is a Store that can find objects which it lost in part.
type Surveyor interface {
	// Survey returns the names of all objects, and whether each is complete.
	Survey(ctx context.Context) (map[string]bool, error)
}

// Rebuilder is a Store that can be left unable to write records which it lost.
type Rebuilder interface {
	// Rebuild makes every record writable again. It retains the records with the keys,
	// as far as they can be read, and ends a Watch.
	Rebuild(ctx context.Context, keys []string) error
}

// Lagging is a Store whose reads may miss what it acknowledged, such as a cluster's just after
// it has elected a leader.
type Lagging interface {
	// Lag returns for how long a read may miss a write, at most.
	Lag() time.Duration
}

// Object is the content of an object. Reads fetch from the store on demand; Seek
// fetches nothing. Not safe for concurrent use.
type Object interface {
	io.ReadSeekCloser
	// Size returns the number of bytes.
	Size() int64
}

// Staged is a written object without a name.
type Staged interface {
	// Size returns the number of bytes.
	Size() int64
	// Open opens the content. ctx bounds the reading.
	Open(ctx context.Context) Object
	// Commit names the object, in place of an earlier object of that name.
	Commit(ctx context.Context, name string) error
	// Discard removes the object unless it was committed.
	Discard(ctx context.Context) error
}

// Change is one step of a record.
type Change struct {
	Key string
	// Value is nil if the record was deleted.
	Value    []byte
	Revision Revision
	// CaughtUp is true for the single marker sent after the initial replay; it
	// carries no record.
	CaughtUp bool
}

// PutObject stages the reader's bytes and commits them under a name.
func PutObject(ctx context.Context, store Store, name string, r io.Reader) error {
	staged, err := store.Stage(ctx, r)
	if err != nil {
		return err
	}
	if err := staged.Commit(ctx, name); err != nil {
		return errors.Join(err, staged.Discard(context.WithoutCancel(ctx)))
	}
	return nil
}
