package records

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/grym-synth/grym-synth/orchestrator/records/ledger"
)

// Entry is a record in the index in memory.
type Entry[T any] struct {
	Value T
	// Bytes of the record as stored.
	Bytes int
	// Seen is when this revision was added to the index.
	Seen time.Time
	meta Meta
	// legacy is true for a record in the format of version 0.1.0.
	legacy bool
}

// Event is a change of a record. Before is nil for a new record, Now for a deleted one.
type Event[T any] struct {
	ID          string
	Before, Now *Entry[T]
}

// Collection holds the records of one kind, with an index in memory that is updated by
// the process's own writes and by the database's watch, so that lists need no read of
// the store. Each revision of a record is reported once. Safe for concurrent use.
type Collection[T any] struct {
	db    *Database
	store Store
	kind  Kind[T]
	// changed is called with mu held, in the order of the changes of a record.
	changed func(Event[T])

	mu sync.Mutex
	// all by id, and in the order of creation.
	all     map[string]*Entry[T]
	ordered []*Entry[T]
	// deleted has the last revision of records that this process deleted, until the watch has
	// reported it: what it reports before is out of date.
	deleted map[string]Revision
	// writing counts the writes of a record under way in this process, and gone has the
	// revisions at which the watch meanwhile reported its deletion: what is written before
	// must not be entered after it.
	writing map[string]int
	gone    map[string]Revision
}

// NewCollection registers a collection with a database, before its start. changed
// may be nil. It must neither block nor call the collection.
func NewCollection[T any](db *Database, kind Kind[T], changed func(Event[T])) *Collection[T] {
	if kind.Slim == nil {
		kind.Slim = func(value T) T { return value }
	}
	if changed == nil {
		changed = func(Event[T]) {}
	}
	c := &Collection[T]{
		db: db, store: db.store, kind: kind, changed: changed, all: make(map[string]*Entry[T]), deleted: make(map[string]Revision),
		writing: make(map[string]int), gone: make(map[string]Revision),
	}
	db.add(kind.Name, c)
	return c
}

// Load returns the latest revision of a record in the store, or ErrMissing. A record that
// the store lost is unavailable until it has been restored.
func (c *Collection[T]) Load(ctx context.Context, id string) (T, error) {
	value, err := c.load(ctx, id)
	if l := c.db.ledger; l != nil && !c.db.Ready() && (err == nil || errors.Is(err, ErrMissing)) {
		noted, known := l.Get(c.kind.key(id))
		if known && (err != nil || uint64(c.kind.Meta(value).Revision) < noted.Revision) {
			return value, c.db.NotReady("records")
		}
	}
	return value, err
}

func (c *Collection[T]) load(ctx context.Context, id string) (T, error) {
	raw, at, err := c.read(ctx, id)
	if err != nil {
		var none T
		return none, err
	}
	value, _, err := c.kind.decode(id, raw, at)
	return value, err
}

// read returns the latest revision of a record. A store that lags is read again until it has
// the revision in the index.
func (c *Collection[T]) read(ctx context.Context, id string) ([]byte, Revision, error) {
	var until time.Time
	if store, ok := c.store.(Lagging); ok {
		until = time.Now().Add(store.Lag())
	}
	for wait := 50 * time.Millisecond; ; wait *= 2 {
		raw, at, err := c.store.Read(ctx, c.kind.key(id))
		behind := (err == nil || errors.Is(err, ErrMissing)) && at < c.indexed(id)
		if !behind || time.Now().Add(wait).After(until) {
			return raw, at, err
		}
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return raw, at, err
		}
	}
}

// indexed returns the revision of a record in the index, or zero.
func (c *Collection[T]) indexed(id string) Revision {
	c.mu.Lock()
	defer c.mu.Unlock()
	if entry, ok := c.all[id]; ok {
		return entry.meta.Revision
	}
	return 0
}

// Create writes a new record. It returns ErrExists if it exists.
func (c *Collection[T]) Create(ctx context.Context, value T) (T, error) {
	if err := c.db.admit(ctx); err != nil {
		return value, err
	}
	return c.create(ctx, value)
}

func (c *Collection[T]) create(ctx context.Context, value T) (T, error) {
	return c.write(value, true, func(key string, raw []byte) (Revision, error) { return c.store.Create(ctx, key, raw) })
}

// Replace replaces a record. It returns ErrConflict if the record is not at the value's
// revision.
func (c *Collection[T]) Replace(ctx context.Context, value T) (T, error) {
	if err := c.db.admit(ctx); err != nil {
		return value, err
	}
	return c.replace(ctx, value)
}

func (c *Collection[T]) replace(ctx context.Context, value T) (T, error) {
	at := c.kind.Meta(value).Revision
	return c.write(value, false, func(key string, raw []byte) (Revision, error) { return c.store.Replace(ctx, key, raw, at) })
}

// write returns the value with its new revision. The record is noted in the ledger
// before others learn of it.
func (c *Collection[T]) write(value T, created bool, put func(key string, raw []byte) (Revision, error)) (T, error) {
	now, meta := time.Now().UTC(), c.kind.Meta(value)
	raw, err := c.kind.encode(value, now)
	if err != nil {
		return value, err
	}
	defer c.underWay(meta.ID)()
	at, err := put(c.kind.key(meta.ID), raw)
	if err != nil {
		return value, err
	}
	meta.Updated, meta.Revision = now, at
	value = c.kind.With(value, meta)
	if l := c.db.ledger; l != nil {
		noted := c.noteOf(value)
		l.Put(noted, created && !c.kind.Repeatable || noted.Final)
	}
	c.enter(value, len(raw), false)
	return value, nil
}

// underWay marks a write of a record until the returned function is called. Others may see
// what it writes, and delete it, before the writer has entered it into the index.
func (c *Collection[T]) underWay(id string) (over func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.writing[id]++
	return func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		if c.writing[id]--; c.writing[id] == 0 {
			delete(c.writing, id)
			delete(c.gone, id)
		}
	}
}

// Edit changes a record by compare-and-set, repeating on conflicts. If change returns
// false, the record is not written.
func (c *Collection[T]) Edit(ctx context.Context, id string, change func(*T) (bool, error)) (T, error) {
	for {
		value, err := c.Load(ctx, id)
		if err != nil {
			return value, err
		}
		if changed, err := change(&value); err != nil || !changed {
			return value, err
		}
		written, err := c.Replace(ctx, value)
		if !errors.Is(err, ErrConflict) {
			return written, err
		}
	}
}

// Delete deletes a record. It returns ErrConflict if the record is not at the value's
// revision.
func (c *Collection[T]) Delete(ctx context.Context, value T) error {
	if err := c.db.admit(ctx); err != nil {
		return err
	}
	return c.delete(ctx, c.kind.Meta(value))
}

// delete drops the record's entry of the ledger first, so that a process that is killed
// in between leaves no entry of a record that was deleted.
func (c *Collection[T]) delete(ctx context.Context, meta Meta) error {
	key := c.kind.key(meta.ID)
	var before ledger.Entry
	dropped := false
	if c.db.ledger != nil {
		before, dropped = c.db.ledger.Drop(key)
	}
	if err := c.store.Delete(ctx, key, meta.Revision); err != nil {
		if dropped {
			c.undrop(ctx, before)
		}
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.all[meta.ID] != nil { // else the watch may have reported it already
		c.deleted[meta.ID] = max(c.deleted[meta.ID], meta.Revision)
	}
	c.drop(meta.ID, meta.Revision)
	return nil
}

// Get returns a record from the index.
func (c *Collection[T]) Get(id string) (T, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	e := c.all[id]
	if e == nil {
		var none T
		return none, false
	}
	return e.Value, true
}

// Each calls visit for every record in the index, the oldest first, until it returns
// false. visit must not call the collection.
func (c *Collection[T]) Each(visit func(Entry[T]) bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, e := range c.ordered {
		if !visit(*e) {
			return
		}
	}
}

// Select returns at most limit matching records from the index, the oldest first.
func (c *Collection[T]) Select(limit int, matches func(T) bool) (found []T) {
	c.Each(func(e Entry[T]) bool {
		if matches(e.Value) {
			found = append(found, e.Value)
		}
		return len(found) < limit
	})
	return found
}

// enter adds a revision to the index unless it has a later one.
func (c *Collection[T]) enter(value T, bytes int, legacy bool) {
	meta := c.kind.Meta(value)
	now := &Entry[T]{Value: c.kind.Slim(value), Bytes: bytes, Seen: time.Now(), meta: meta, legacy: legacy}
	c.mu.Lock()
	defer c.mu.Unlock()
	before := c.all[meta.ID]
	if before != nil && before.meta.Revision >= meta.Revision || max(c.deleted[meta.ID], c.gone[meta.ID]) >= meta.Revision {
		return
	}
	c.all[meta.ID] = now
	if before != nil {
		c.unlist(before)
	}
	at, _ := slices.BinarySearchFunc(c.ordered, now, byCreation[T])
	c.ordered = slices.Insert(c.ordered, at, now)
	c.changed(Event[T]{ID: meta.ID, Before: before, Now: now})
}

// drop removes a record that was deleted at a revision. The caller holds mu.
func (c *Collection[T]) drop(id string, at Revision) {
	if e := c.all[id]; e != nil && e.meta.Revision <= at {
		c.remove(e)
	}
}

// remove removes an entry from the index. The caller holds mu.
func (c *Collection[T]) remove(e *Entry[T]) {
	delete(c.all, e.meta.ID)
	c.unlist(e)
	c.changed(Event[T]{ID: e.meta.ID, Before: e})
}

func (c *Collection[T]) unlist(e *Entry[T]) {
	if at, found := slices.BinarySearchFunc(c.ordered, e, byCreation[T]); found {
		c.ordered = slices.Delete(c.ordered, at, at+1)
	}
}

func byCreation[T any](a, b *Entry[T]) int {
	return cmp.Or(a.meta.Created.Compare(b.meta.Created), cmp.Compare(a.meta.ID, b.meta.ID))
}

// change implements member.
func (c *Collection[T]) change(id string, raw []byte, at Revision) error {
	if raw == nil {
		c.mu.Lock()
		defer c.mu.Unlock()
		if c.deleted[id] <= at {
			delete(c.deleted, id)
		}
		if c.writing[id] > 0 {
			c.gone[id] = max(c.gone[id], at)
		}
		c.drop(id, at)
		return nil
	}
	value, legacy, err := c.kind.decode(id, raw, at)
	if err != nil {
		return err
	}
	c.enter(value, len(raw), legacy)
	return nil
}

// retain implements member.
func (c *Collection[T]) retain(keys map[string]Revision, until Revision) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for id, at := range c.deleted {
		if at <= until {
			delete(c.deleted, id) // the watch has begun after it
		}
	}
	for id := range c.writing {
		if _, exists := keys[c.kind.key(id)]; !exists {
			c.gone[id] = max(c.gone[id], until)
		}
	}
	for id, e := range c.all {
		if _, exists := keys[c.kind.key(id)]; !exists && e.meta.Revision <= until {
			c.remove(e)
		}
	}
}

// upgrade implements member.
func (c *Collection[T]) upgrade(ctx context.Context) (n int, err error) {
	var ids []string
	c.Each(func(e Entry[T]) bool {
		if e.legacy {
			ids = append(ids, e.meta.ID)
		}
		return true
	})
	for _, id := range ids {
		_, err := c.Edit(ctx, id, func(*T) (bool, error) { return true, nil })
		if errors.Is(err, ErrMissing) {
			continue
		}
		if err != nil {
			return n, err
		}
		n++
	}
	return n, nil
}
