package records

import (
	"context"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/grym-synth/grym-synth/internal/lifecycle"
	"github.com/grym-synth/grym-synth/services"
)

const (
	// sweepInterval is between two sweeps, orphanInterval between two of which
	// the store's objects are looked through as well.
	sweepInterval  = time.Minute
	orphanInterval = time.Hour
)

// member is a collection as the database sees it.
type member interface {
	// change takes a record's new state; raw is nil for a deletion.
	change(id string, raw []byte, at Revision) error
	// retain forgets all but the records of these keys that are not newer than a
	// revision.
	retain(keys map[string]bool, until Revision)
	// upgrade writes the records that version 0.1.0 wrote in the form of this one.
	upgrade(ctx context.Context) (n int, err error)
}

// Sweep deletes what a part need not hold any longer; with orphans, also stored
// objects that no record names.
type Sweep func(ctx context.Context, orphans bool)

// Database is the collections of one store: one watch feeds all of them, and one
// sweep after another deletes what has expired. Safe for concurrent use.
type Database struct {
	store   Store
	log     *slog.Logger
	members map[string]member
	sweeps  []Sweep
	group   lifecycle.Group

	ready      atomic.Bool
	caughtUp   chan struct{}
	caughtOnce sync.Once
}

// NewDatabase returns a database without collections.
func NewDatabase(store Store, log *slog.Logger) *Database {
	return &Database{store: store, log: log, members: make(map[string]member), caughtUp: make(chan struct{})}
}

// add registers a collection by the kind of its records.
func (d *Database) add(kind string, m member) { d.members[kind] = m }

// OnSweep registers a sweep, before the start. The last one registered runs
// first: a part is made after those that it depends on, and what it deletes is
// what they need not hold any longer.
func (d *Database) OnSweep(sweep Sweep) { d.sweeps = append(d.sweeps, sweep) }

// Store returns the store under the collections.
func (d *Database) Store() Store { return d.store }

// Start follows the store, and sweeps, until Stop. It returns at once.
func (d *Database) Start(ctx context.Context) error { return d.group.Start(ctx, d.watch, d.sweep) }

// Stop ends what Start began.
func (d *Database) Stop(ctx context.Context) error { return d.group.Stop(ctx) }

// Ready reports whether every record of the store is known here.
func (d *Database) Ready() bool { return d.ready.Load() }

// CaughtUp is closed once every record of the store is known here.
func (d *Database) CaughtUp() <-chan struct{} { return d.caughtUp }

// AwaitReady waits until every record is known, and reports whether ctx lasted
// that long.
func (d *Database) AwaitReady(ctx context.Context) bool {
	select {
	case <-d.caughtUp:
		return true
	case <-ctx.Done():
		return false
	}
}

// NotReady is the fault of a list that would not be whole yet.
func (d *Database) NotReady(what string) error {
	if d.Ready() {
		return nil
	}
	return &services.Fault{
		Kind: services.KindUnavailable, Message: "the stored " + what + " are still to be read", RetryAfter: 2 * time.Second,
	}
}

// watch keeps the collections up to date, and begins anew when the store is lost.
func (d *Database) watch(ctx context.Context) {
	for ctx.Err() == nil {
		replay := &replay{database: d, keys: make(map[string]bool)}
		err := d.store.Watch(ctx, replay.changed)
		if ctx.Err() != nil {
			return
		}
		d.log.Error("the job store is not followed", "error", err)
		Pause(ctx, time.Second)
	}
}

// replay is one watch of the store. Until the initial replay ends it records every
// key it sees, because deletions that happened while no watch was running produce
// no event.
type replay struct {
	database *Database
	keys     map[string]bool // nil after the initial replay
	last     Revision
}

// changed takes one change of the store.
func (r *replay) changed(change Change) {
	d := r.database
	switch {
	case change.CaughtUp && r.keys == nil:
		return
	case change.CaughtUp:
		for _, m := range d.members {
			m.retain(r.keys, r.last)
		}
		r.keys = nil
		d.ready.Store(true)
		d.caughtOnce.Do(func() { close(d.caughtUp) })
		return
	case r.keys != nil:
		r.keys[change.Key], r.last = true, max(r.last, change.Revision)
	}
	kind, id, _ := strings.Cut(change.Key, ".")
	m := d.members[kind]
	if m == nil {
		return // of a later version, or of an operator
	}
	if err := m.change(id, change.Value, change.Revision); err != nil {
		d.log.Error("a record cannot be read", "key", change.Key, "error", err)
	}
}

// sweep runs the sweeps and tidies the store.
func (d *Database) sweep(ctx context.Context) {
	if !d.AwaitReady(ctx) {
		return
	}
	var sifted time.Time
	for ctx.Err() == nil {
		orphans := time.Since(sifted) >= orphanInterval
		if orphans {
			sifted = time.Now()
		}
		d.sweepOnce(ctx, orphans)
		Pause(ctx, sweepInterval)
	}
}

func (d *Database) sweepOnce(ctx context.Context, orphans bool) {
	ctx, cancel := context.WithTimeout(ctx, sweepInterval)
	defer cancel()
	for _, sweep := range slices.Backward(d.sweeps) {
		// Another process of a shared store may be about to name an object.
		sweep(ctx, orphans && d.store.Exclusive())
	}
	if err := d.store.Tidy(ctx); err != nil && ctx.Err() == nil {
		d.log.Error("the job store could not be tidied", "error", err)
	}
}

// Upgrade writes every record that version 0.1.0 wrote in the form of this
// version, and returns how many there were. It changes nothing else, so that it
// can be cut off and repeated. A store that other processes use stays as it is:
// they may be of that version.
func (d *Database) Upgrade(ctx context.Context) (n int, err error) {
	if !d.store.Exclusive() {
		return 0, nil
	}
	for _, m := range d.members {
		upgraded, err := m.upgrade(ctx)
		n += upgraded
		if err != nil {
			return n, err
		}
	}
	return n, nil
}

// Pause waits for a time, or until ctx ends.
func Pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
