package records

import (
	"context"
	"errors"

	"github.com/grym-synth/grym-synth/orchestrator/records/ledger"
	"github.com/grym-synth/grym-synth/services"
)

// noteOf returns the entry of the ledger for a value.
func (c *Collection[T]) noteOf(value T) ledger.Entry {
	meta := c.kind.Meta(value)
	e := ledger.Entry{Key: c.kind.key(meta.ID), Revision: uint64(meta.Revision), Final: c.final(value)}
	if c.kind.Note != nil {
		e.Note = c.kind.Note(value)
	}
	return e
}

func (c *Collection[T]) final(value T) bool { return c.kind.Final != nil && c.kind.Final(value) }

// undrop puts back the entry of a record that was not deleted.
func (c *Collection[T]) undrop(ctx context.Context, before ledger.Entry) {
	if _, _, err := c.store.Read(context.WithoutCancel(ctx), before.Key); err == nil {
		c.db.ledger.Put(before, true)
	}
}

// noted implements recoverer.
func (c *Collection[T]) noted(ctx context.Context, id string) (ledger.Entry, error) {
	value, err := c.load(ctx, id)
	if err == nil {
		return c.noteOf(value), nil
	}
	// A record that cannot be read by this version is still a record.
	_, at, err := c.store.Read(ctx, c.kind.key(id))
	return ledger.Entry{Key: c.kind.key(id), Revision: uint64(at)}, err
}

// restore implements recoverer.
func (c *Collection[T]) restore(ctx context.Context, id string, lost ledger.Entry) error {
	if c.kind.Restore == nil {
		return nil
	}
	noted := Noted{Final: lost.Final, Note: lost.Note}
	stale, err := c.load(ctx, id)
	switch {
	case err == nil:
		value, ok := c.kind.Restore(id, noted, &stale)
		if !ok {
			return nil
		}
		_, err = c.replace(ctx, value)
	case errors.Is(err, ErrMissing):
		value, ok := c.kind.Restore(id, noted, nil)
		if !ok {
			return nil
		}
		_, err = c.create(ctx, value)
	case !unavailable(err):
		return nil // this version cannot read it
	}
	return err
}

// unavailable reports whether an error is one of the store, and not of a record.
func unavailable(err error) bool {
	switch services.KindOf(err) {
	case services.KindUnavailable, services.KindFull, services.KindCancelled, services.KindTimeout:
		return true
	}
	return false
}

// revive implements recoverer.
func (c *Collection[T]) revive(ctx context.Context, id string) (bool, error) {
	value, err := c.load(ctx, id)
	if errors.Is(err, ErrMissing) {
		return false, nil
	}
	if err != nil && unavailable(err) {
		return false, err
	}
	if err != nil || c.kind.Final == nil || c.kind.Final(value) {
		return false, nil //nolint:nilerr // this version cannot read it
	}
	return true, c.delete(ctx, c.kind.Meta(value))
}

// references implements recoverer.
func (c *Collection[T]) references(visit func(key string, at Revision, final bool, object string)) {
	if c.kind.Objects == nil {
		return
	}
	c.Each(func(e Entry[T]) bool {
		for _, object := range c.kind.Objects(e.Value) {
			visit(c.kind.key(e.meta.ID), e.meta.Revision, c.final(e.Value), object)
		}
		return true
	})
}

// revision implements recoverer.
func (c *Collection[T]) revision(id string) Revision {
	c.mu.Lock()
	defer c.mu.Unlock()
	if e := c.all[id]; e != nil {
		return e.meta.Revision
	}
	return 0
}
