package records

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/grym-synth/grym-synth/orchestrator/records/ledger"
	"github.com/grym-synth/grym-synth/services"
)

const (
	// admission is how long a write waits for the comparison with the ledger.
	admission = 10 * time.Second
	// lastRecovery bounds the growing time between two tries to restore records.
	lastRecovery = 15 * time.Second
)

// recoverer is a collection as the comparison with the ledger sees it.
type recoverer interface {
	// noted returns the entry of the ledger for a record in the store, or ErrMissing.
	noted(ctx context.Context, id string) (ledger.Entry, error)
	// restore writes a record in place of a lost one.
	restore(ctx context.Context, id string, lost ledger.Entry) error
	// revive deletes a record that appeared again although it had been deleted, if it
	// would begin again. It reports whether it did.
	revive(ctx context.Context, id string) (bool, error)
	// references calls visit with the objects that each record refers to.
	references(visit func(key string, at Revision, final bool, object string))
	// revision returns the revision of a record in the index, 0 for none.
	revision(id string) Revision
}

// KeepLedger has the database note every record in a ledger, and compare the store with
// it at the start. Until that is done, writes wait. It must be called before the start,
// and not for a store that other processes write to. The database closes the ledger.
func (d *Database) KeepLedger(l *ledger.Ledger) { d.ledger = l }

// Losses returns what the store lost, as far as no operator has acknowledged it.
func (d *Database) Losses() []ledger.Loss {
	if d.ledger == nil {
		return nil
	}
	return d.ledger.Losses()
}

// Acknowledge notes that an operator knows of the losses, and returns how many there
// were.
func (d *Database) Acknowledge() int {
	if d.ledger == nil {
		return 0
	}
	return d.ledger.Acknowledge()
}

// Noted returns the number of records in the ledger.
func (d *Database) Noted() int {
	if d.ledger == nil {
		return 0
	}
	return d.ledger.Len()
}

// Problem returns why the ledger is incomplete, or why lost records could not be
// restored yet; or an empty string.
func (d *Database) Problem() string {
	if obstacle := d.obstacle.Load(); obstacle != nil {
		return *obstacle
	}
	if d.ledger == nil {
		return ""
	}
	return d.ledger.Problem()
}

// admit waits until the store has been compared with the ledger, because a write before
// that would hide a loss.
func (d *Database) admit(ctx context.Context) error {
	if d.ledger == nil || d.ready.Load() {
		return nil
	}
	limit := time.NewTimer(admission)
	defer limit.Stop()
	ticker := time.NewTicker(100 * time.Millisecond)
	defer ticker.Stop()
	for {
		if err := d.store.Room(0); services.KindOf(err) == services.KindUnavailable {
			return err
		}
		select {
		case <-d.caughtUp:
			return nil
		case <-ticker.C:
		case <-limit.C:
			return d.NotReady("records")
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// recover compares the store with the ledger once the records are known, restores what
// can be restored, and then declares the database ready.
func (d *Database) recover(ctx context.Context) {
	if d.ledger == nil {
		return
	}
	have := d.awaitReplay(ctx)
	if have == nil {
		return
	}
	found := d.ledger.Compare(have.revisions())
	d.lose(found, have)
	if d.rebuild(ctx, found, have) {
		before := have
		if have = d.awaitReplay(ctx); have == nil {
			return
		}
		gone := d.since(&found, before, have)
		d.lose(gone, have)
	}
	for wait := 100 * time.Millisecond; ; wait = min(2*wait, lastRecovery) {
		err := d.reconcile(ctx, found, have)
		if ctx.Err() != nil {
			return
		}
		if err == nil {
			break
		}
		d.obstruct(err, wait)
		Pause(ctx, wait)
	}
	d.obstacle.Store(nil)
	d.open()
	if err := d.surveyObjects(ctx); err != nil && ctx.Err() == nil {
		d.log.Error("the stored objects could not be looked through", "error", err)
	}
}

// since adds to found what changed while the store was built anew, and returns what was
// lost then. The revisions are others now, and do not count.
func (d *Database) since(found *ledger.Found, before, have *replay) (gone ledger.Found) {
	now := d.ledger.Compare(have.revisions())
	for _, e := range now.Missing {
		if _, had := before.keys[e.Key]; had {
			gone.Missing = append(gone.Missing, e)
		}
	}
	found.Missing = append(found.Missing, gone.Missing...)
	// Earlier states may have come back.
	for key := range now.Revived {
		if _, had := before.keys[key]; !had {
			found.Revived[key] = true
		}
	}
	return gone
}

// awaitReplay returns a complete replay of the store, or nil if ctx ends.
func (d *Database) awaitReplay(ctx context.Context) *replay {
	select {
	case found := <-d.replayed:
		return found
	case <-ctx.Done():
		return nil
	}
}

// rebuild makes a store that lost records writable, and reports whether it changed the
// store, which is then replayed again.
func (d *Database) rebuild(ctx context.Context, found ledger.Found, have *replay) bool {
	store, ok := d.store.(Rebuilder)
	if !ok || !found.Lost() {
		return false
	}
	d.quiet.Lock()
	defer d.quiet.Unlock()
	d.log.Warn("the job store lost records, and its index is built anew", "records", len(have.keys))
	for wait := 100 * time.Millisecond; ctx.Err() == nil; wait = min(2*wait, lastRecovery) {
		err := store.Rebuild(ctx, slices.Sorted(maps.Keys(have.keys)))
		if err == nil {
			return true
		}
		if ctx.Err() == nil {
			d.obstruct(err, wait)
		}
		Pause(ctx, wait)
	}
	return true
}

// obstruct records why lost records are not restored yet.
func (d *Database) obstruct(err error, wait time.Duration) {
	text := fmt.Sprintf("lost records could not be restored yet: %v", err)
	d.obstacle.Store(&text)
	d.log.Error("lost records could not be restored; trying again", "error", err, "wait", wait)
}

// lose notes what the store lost. That is done before anything is written, so that a
// process that is killed meanwhile finds the losses again.
func (d *Database) lose(found ledger.Found, have *replay) {
	var losses []ledger.Loss
	for _, e := range found.Missing {
		losses = append(losses, ledger.Loss{Key: e.Key, What: ledger.LostRecord, Final: e.Final})
		d.log.Error("a record is lost", "key", e.Key, "revision", e.Revision, "note", string(e.Note))
	}
	for _, e := range found.Reverted {
		losses = append(losses, ledger.Loss{Key: e.Key, What: ledger.LostChange, Final: e.Final})
		d.log.Error("a record went back to an earlier state", "key", e.Key, "revision", e.Revision, "found", uint64(have.keys[e.Key]),
			"note", string(e.Note))
	}
	d.ledger.Lose(losses)
	if len(losses) > 0 {
		d.log.Error("the job store lost records", "missing", len(found.Missing), "reverted", len(found.Reverted), "noted", d.ledger.Len(),
			"mark", d.ledger.Mark(), "last_revision", uint64(have.last))
	}
}

// reconcile restores what can be restored, and makes the ledger agree with the store. It
// can be repeated.
func (d *Database) reconcile(ctx context.Context, found ledger.Found, have *replay) error {
	l := d.ledger
	for _, e := range append(found.Missing, found.Reverted...) {
		kind, id, _ := strings.Cut(e.Key, ".")
		if m := d.members[kind]; m != nil {
			if err := m.restore(ctx, id, e); err != nil {
				return err
			}
		}
	}
	if err := d.revive(ctx, found); err != nil {
		return err
	}
	if found.Lost() || !l.Current(uint64(have.last)) {
		return d.rebase(ctx, have)
	}
	for _, key := range append(found.Unknown, found.Later...) {
		e, err := d.noted(ctx, key)
		if err != nil && !errors.Is(err, ErrMissing) {
			return err
		}
		if err == nil {
			l.Put(e, false)
		}
	}
	return nil
}

// revive deletes the records that appeared again although they had been deleted.
func (d *Database) revive(ctx context.Context, found ledger.Found) error {
	for key := range found.Revived {
		kind, id, _ := strings.Cut(key, ".")
		m := d.members[kind]
		if m == nil {
			continue
		}
		deleted, err := m.revive(ctx, id)
		if err != nil {
			return err
		}
		if deleted {
			d.log.Warn("a record that had been deleted, or whose writing had not ended, was deleted again", "key", key)
		}
	}
	return nil
}

// rebase replaces the ledger's entries by those of all records in the store.
func (d *Database) rebase(ctx context.Context, have *replay) error {
	keys, last := have.keys, have.last
	for _, loss := range d.ledger.Losses() {
		keys[loss.Key] = 0 // it may have been restored
	}
	var entries []ledger.Entry
	for key := range keys {
		e, err := d.noted(ctx, key)
		if errors.Is(err, ErrMissing) {
			continue
		}
		if err != nil {
			return err
		}
		entries = append(entries, e)
	}
	return d.ledger.Rebase(entries, uint64(last))
}

// noted returns the ledger's entry for a record in the store, or ErrMissing.
func (d *Database) noted(ctx context.Context, key string) (ledger.Entry, error) {
	kind, id, _ := strings.Cut(key, ".")
	if m := d.members[kind]; m != nil {
		return m.noted(ctx, id)
	}
	_, at, err := d.store.Read(ctx, key)
	return ledger.Entry{Key: key, Revision: uint64(at)}, err
}

// surveyObjects notes the records whose objects are missing or incomplete.
func (d *Database) surveyObjects(ctx context.Context) error {
	store, ok := d.store.(Surveyor)
	if !ok {
		return nil
	}
	type reference struct {
		member      recoverer
		key, object string
		at          Revision
		final       bool
	}
	var references []reference
	for _, m := range d.members {
		m.references(func(key string, at Revision, final bool, object string) {
			references = append(references, reference{m, key, object, at, final})
		})
	}
	whole, err := store.Survey(ctx)
	if err != nil {
		return err
	}
	var losses []ledger.Loss
	for _, r := range references {
		_, id, _ := strings.Cut(r.key, ".")
		// A record is deleted before its objects.
		if !whole[r.object] && r.member.revision(id) == r.at {
			losses = append(losses, ledger.Loss{Key: r.key, What: ledger.LostContent, Final: r.final})
			d.log.Error("the content of a record is lost", "key", r.key, "object", r.object)
		}
	}
	d.ledger.Lose(losses)
	return nil
}
