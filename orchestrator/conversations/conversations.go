package conversations

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"time"

	"github.com/grym-synth/grym-synth/orchestrator/library"
	"github.com/grym-synth/grym-synth/orchestrator/records"
	"github.com/grym-synth/grym-synth/services"
)

// kind is the kind of the records; the routes call conversations contexts.
const kind = "context"

// Conversations implements services.ContextStore. The recordings lie in a library.
// Safe for concurrent use.
type Conversations struct {
	*library.Library
	store records.Store
	clock *records.Clock
	log   *slog.Logger
	all   *records.Collection[services.StoredContext]
}

// New returns the conversations stored in a database, which must not have been started.
func New(db *records.Database, lib *library.Library, log *slog.Logger) *Conversations {
	c := &Conversations{Library: lib, store: db.Store(), clock: db.Clock, log: log}
	c.all = records.NewCollection(db, records.Kind[services.StoredContext]{
		Name: kind,
		Meta: func(s services.StoredContext) records.Meta {
			return records.Meta{ID: s.ID, Owner: s.Owner, Created: s.Created, Expires: s.Expires, Revision: records.Revision(s.Revision)}
		},
		With: func(s services.StoredContext, m records.Meta) services.StoredContext {
			s.ID, s.Owner, s.Created, s.Expires, s.Revision = m.ID, m.Owner, m.Created, m.Expires, uint64(m.Revision)
			return s
		},
		Legacy: legacy,
	}, nil)
	lib.OnNeeds(c.needs)
	lib.OnUses(c.uses)
	db.OnSweep(c.sweep)
	return c
}

// legacy reads a record of version 0.1.0, which stored owner and creation in the
// service's own value.
func legacy(_ string, raw []byte) (services.StoredContext, error) {
	var one services.StoredContext
	if err := json.Unmarshal(raw, &one); err != nil {
		return one, err
	}
	var written struct {
		Owner   string
		Created time.Time
	}
	err := json.Unmarshal(one.Record, &written)
	one.Owner, one.Created = written.Owner, written.Created
	return one, err
}

// needs reports the recordings that conversations use.
func (c *Conversations) needs(need library.Need) {
	for _, one := range c.StoredContexts() {
		need(one.Owner, one.AudioID, "conversation "+one.ID)
	}
}

// uses reports the recordings of conversations, with the conversations' owners: version 0.1.0
// stored recordings without an owner.
func (c *Conversations) uses(found func(library.Ref)) {
	for _, one := range c.StoredContexts() {
		found(library.Ref{Owner: one.Owner, AudioID: one.AudioID, Created: one.Created, Conversational: true})
	}
}

// StoredContexts implements services.ContextStore.
func (c *Conversations) StoredContexts() []services.StoredContext {
	return c.all.Select(math.MaxInt, func(services.StoredContext) bool { return true })
}

// StoredContext implements services.ContextStore.
func (c *Conversations) StoredContext(ctx context.Context, id string) (services.StoredContext, error) {
	one, err := c.all.Load(ctx, id)
	if errors.Is(err, records.ErrMissing) {
		return services.StoredContext{}, &services.Fault{
			Kind: services.KindNotFound, Message: fmt.Sprintf("conversation %q does not exist", id), Err: err,
		}
	}
	return one, err
}

// StoreContext implements services.ContextStore.
func (c *Conversations) StoreContext(ctx context.Context, one services.StoredContext) (services.StoredContext, error) {
	write := c.all.Replace
	if one.Revision == 0 {
		if err := c.store.Room(services.Bytes(len(one.Record))); err != nil {
			return one, err
		}
		write = c.all.Create
	}
	written, err := write(ctx, one)
	if errors.Is(err, records.ErrConflict) || errors.Is(err, records.ErrExists) {
		if _, err := c.StoredContext(ctx, one.ID); err != nil {
			return one, err
		}
		return one, &services.Fault{
			Kind:       services.KindBusy,
			Message:    fmt.Sprintf("conversation %s was changed by another request; try again", one.ID),
			RetryAfter: time.Second, Err: err,
		}
	}
	return written, records.OrFull(c.store, err, services.Bytes(len(one.Record)))
}

// ForgetContext implements services.ContextStore.
func (c *Conversations) ForgetContext(ctx context.Context, id string) error {
	for {
		one, err := c.StoredContext(ctx, id)
		if services.KindOf(err) == services.KindNotFound {
			return nil
		}
		if err != nil {
			return err
		}
		if err = c.all.Delete(ctx, one); !errors.Is(err, records.ErrConflict) {
			return err
		}
	}
}

// sweep deletes expired conversations.
func (c *Conversations) sweep(ctx context.Context, _ bool) {
	for _, one := range c.all.Select(math.MaxInt, func(s services.StoredContext) bool { return c.clock.Passed(s.Expires) }) {
		if err := c.all.Delete(ctx, one); err != nil && !errors.Is(err, records.ErrConflict) && ctx.Err() == nil {
			c.log.Error("an expired conversation could not be deleted", "context", one.ID, "error", err)
		}
	}
}

var _ services.ContextStore = (*Conversations)(nil)
