package records

import (
	"context"
	"log/slog"
	"math"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/grym-synth/grym-synth/internal/lifecycle"
	"github.com/grym-synth/grym-synth/orchestrator/records/ledger"
	"github.com/grym-synth/grym-synth/services"
)

const (
	// sweepInterval is the time between two sweeps, orphanInterval that between two
	// sweeps that also look for orphaned objects.
	sweepInterval  = time.Minute
	orphanInterval = time.Hour
)

// member is a collection as the database sees it.
type member interface {
	// change applies a change of a record; raw is nil for a deletion.
	change(id string, raw []byte, at Revision) error
	// retain removes the records up to a revision whose keys are not in keys.
	retain(keys map[string]Revision, until Revision)
	// upgrade rewrites the records of version 0.1.0 in the current format.
	upgrade(ctx context.Context) (n int, err error)
	recoverer
}

// Sweep deletes expired data of a part; with orphans also stored objects that no record
// refers to.
type Sweep func(ctx context.Context, orphans bool)

// Database holds the collections of one store. One watch feeds all of them, and sweeps
// delete expired data one after another. Safe for concurrent use.
type Database struct {
	store   Store
	log     *slog.Logger
	members map[string]member
	sweeps  []Sweep
	group   lifecycle.Group
	// Clock measures the age of stored data. It can be replaced before collections are made.
	Clock *Clock
	// ledger lists what the store must have; nil if nothing is compared.
	ledger *ledger.Ledger
	// replayed has the keys of the first complete replay, which are compared with the
	// ledger before the database is ready.
	replayed chan *replay
	// quiet is held while the store is built anew.
	quiet sync.Mutex
	// obstacle is why lost records could not be restored yet.
	obstacle atomic.Pointer[string]

	ready      atomic.Bool
	caughtUp   chan struct{}
	caughtOnce sync.Once

	mu sync.Mutex
	// seen is the last revision that the watch reported; moved is closed at the next one.
	seen  Revision
	moved chan struct{}
}

// NewDatabase returns a database without collections.
func NewDatabase(store Store, log *slog.Logger) *Database {
	return &Database{
		store: store, log: log, members: make(map[string]member), Clock: systemClock(), caughtUp: make(chan struct{}),
		replayed: make(chan *replay, 1), moved: make(chan struct{}),
	}
}

// add registers a collection by the kind of its records.
func (d *Database) add(kind string, m member) { d.members[kind] = m }

// OnSweep registers a sweep, before the start. The last one registered runs first: a
// part is created after its dependencies, and what it deletes releases data of these.
func (d *Database) OnSweep(sweep Sweep) { d.sweeps = append(d.sweeps, sweep) }

// Store returns the store under the collections.
func (d *Database) Store() Store { return d.store }

// Start starts following the store and sweeping. It returns at once.
func (d *Database) Start(ctx context.Context) error {
	return d.group.Start(ctx, d.watch, d.sweep, d.recover)
}

// Stop stops both, waits for them and closes the ledger.
func (d *Database) Stop(ctx context.Context) error {
	err := d.group.Stop(ctx)
	if err == nil && d.ledger != nil {
		err = d.ledger.Close()
	}
	return err
}

// Ready reports whether the indexes hold every record of the store.
func (d *Database) Ready() bool { return d.ready.Load() }

// CaughtUp returns a channel that is closed once Ready reports true.
func (d *Database) CaughtUp() <-chan struct{} { return d.caughtUp }

// AwaitReady waits until Ready reports true. It returns false if ctx ends first.
func (d *Database) AwaitReady(ctx context.Context) bool {
	if d.Ready() {
		return true
	}
	select {
	case <-d.caughtUp:
		return true
	case <-ctx.Done():
		return false
	}
}

// AwaitRevision waits until the indexes have every change up to a revision, by whichever
// process. It returns false if ctx ends first.
func (d *Database) AwaitRevision(ctx context.Context, at Revision) bool {
	for d.AwaitReady(ctx) {
		d.mu.Lock()
		seen, moved := d.seen, d.moved
		d.mu.Unlock()
		if seen >= at {
			return true
		}
		select {
		case <-moved:
		case <-ctx.Done():
			return false
		}
	}
	return false
}

// saw records that the watch has reported every change up to a revision.
func (d *Database) saw(at Revision) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if at > d.seen {
		d.seen = at
		close(d.moved)
		d.moved = make(chan struct{})
	}
}

// NotReady returns the fault for a list that would be incomplete.
func (d *Database) NotReady(what string) error {
	if d.Ready() {
		return nil
	}
	return &services.Fault{
		Kind: services.KindUnavailable, Message: "the stored " + what + " are still being loaded", RetryAfter: 2 * time.Second,
	}
}

// watch keeps the collections up to date, and restarts when the connection to the store
// is lost.
func (d *Database) watch(ctx context.Context) {
	for ctx.Err() == nil {
		d.quiet.Lock() // no replay begins while the store is built anew
		d.forget()
		d.quiet.Unlock()
		replay := &replay{database: d, keys: make(map[string]Revision)}
		err := d.store.Watch(ctx, replay.changed)
		if ctx.Err() != nil {
			return
		}
		d.log.Error("the job store is not followed", "error", err)
		Pause(ctx, time.Second)
	}
}

// forget empties the indexes of a database that is not ready: the store may be built
// anew then, with other revisions.
func (d *Database) forget() {
	if d.ledger == nil || d.ready.Load() {
		return
	}
	for _, m := range d.members {
		m.retain(nil, math.MaxUint64)
	}
}

// replay is one watch of the store. Until the initial replay ends it records the keys
// of all records with their revisions, because deletions that happened while no watch was
// running produce no event.
type replay struct {
	database *Database
	keys     map[string]Revision // nil after the initial replay
	last     Revision
}

// changed applies one change of the store.
func (r *replay) changed(change Change) {
	d := r.database
	defer d.saw(change.Revision)
	switch {
	case change.CaughtUp && r.keys == nil:
		return
	case change.CaughtUp:
		for _, m := range d.members {
			m.retain(r.keys, r.last)
		}
		select {
		case d.replayed <- &replay{database: d, keys: r.keys, last: r.last}:
		default: // an earlier one was compared
		}
		r.keys = nil
		if d.ledger == nil {
			d.open()
		}
		return
	case r.keys != nil:
		r.note(change)
	}
	kind, id, _ := strings.Cut(change.Key, ".")
	m := d.members[kind]
	if m == nil {
		return // of a later version, or written by an operator
	}
	if err := m.change(id, change.Value, change.Revision); err != nil {
		d.log.Error("a record cannot be read", "key", change.Key, "error", err)
	}
}

// note records a key of the initial replay.
func (r *replay) note(change Change) {
	r.last = max(r.last, change.Revision)
	if change.Value == nil {
		delete(r.keys, change.Key)
		return
	}
	r.keys[change.Key] = change.Revision
}

// revisions returns the revisions of the records by key, as the ledger has them.
func (r *replay) revisions() map[string]uint64 {
	revisions := make(map[string]uint64, len(r.keys))
	for key, at := range r.keys {
		revisions[key] = uint64(at)
	}
	return revisions
}

// open declares the database ready.
func (d *Database) open() {
	d.ready.Store(true)
	d.caughtOnce.Do(func() { close(d.caughtUp) })
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
		// In a shared store another process may be about to name an object. After a loss
		// the objects of lost records are not deleted before an operator knows of it.
		sweep(ctx, orphans && d.store.Exclusive() && len(d.Losses()) == 0)
	}
	if err := d.store.Tidy(ctx); err != nil && ctx.Err() == nil {
		d.log.Error("the job store could not be tidied", "error", err)
	}
}

// Upgrade rewrites every record of version 0.1.0 in the current format and returns how
// many there were. It can be interrupted and repeated. A store shared with other
// processes is not changed, because they may be of that version.
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

// Pause waits for d or until ctx ends.
func Pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
