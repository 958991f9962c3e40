package natsstore

import (
	"context"
	"errors"
	"maps"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// markerAge is how long the mark of a deletion stays, so that watchers that
// were away hear of it.
const markerAge = 30 * time.Minute

// Tidy implements records.Store: it removes old marks of deletions, and, once after
// each opening, what an earlier process left of objects.
//
// It lists nothing by the client's watches: they end at a mark that never comes
// where a message they count on is deleted meanwhile.
func (s *Store) Tidy(ctx context.Context) error {
	l, err := s.current()
	if err != nil {
		return err
	}
	if err := s.purgeMarkers(ctx, l); err != nil {
		return s.fault(l, err)
	}
	if l.sifted.Load() {
		return nil
	}
	err = s.sift(ctx, l)
	l.sifted.Store(err == nil)
	return s.fault(l, err)
}

// marker is the mark of a record's deletion.
type marker struct {
	revision uint64
	made     time.Time
}

// leftovers are what a store knows of marks and of unfinished objects, so that
// tidying need not look for them. Safe for concurrent use.
type leftovers struct {
	mu sync.Mutex
	// markers by the key of the deleted record.
	markers map[string]marker
	// writing are the ids of the objects that this process is writing.
	writing map[string]bool
}

// note takes in a change of a record that the watch reports.
func (o *leftovers) note(entry jetstream.KeyValueEntry) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if entry.Operation() == jetstream.KeyValuePut {
		delete(o.markers, entry.Key())
		return
	}
	o.markers[entry.Key()] = marker{revision: entry.Revision(), made: entry.Created()}
}

// old returns the markers made before a time.
func (o *leftovers) old(before time.Time) map[string]marker {
	o.mu.Lock()
	defer o.mu.Unlock()
	old := maps.Clone(o.markers)
	maps.DeleteFunc(old, func(_ string, m marker) bool { return !m.made.Before(before) })
	return old
}

// gone takes a marker that is no longer in the store.
func (o *leftovers) gone(key string, m marker) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.markers[key] == m {
		delete(o.markers, key)
	}
}

// writes notes an object that is being written until done is called.
func (o *leftovers) writes(id string) (done func()) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.writing[id] = true
	return func() {
		o.mu.Lock()
		defer o.mu.Unlock()
		delete(o.writing, id)
	}
}

func (o *leftovers) beingWritten() map[string]bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return maps.Clone(o.writing)
}

// purgeMarkers removes the marks of records that were deleted long ago, as the
// watch reported them; a record that was made anew since then stays.
func (s *Store) purgeMarkers(ctx context.Context, l *link) error {
	for key, m := range s.left.old(time.Now().Add(-markerAge)) {
		if err := l.purge(ctx, l.table, upTo("$KV."+l.records.Bucket()+"."+key, m.revision)...); err != nil {
			return err
		}
		s.left.gone(key, m)
	}
	return nil
}

// sift removes the pieces that no object names, where no other process can be
// about to name them, and the marks that the object store's own client leaves of
// deleted objects.
//
// The order makes it safe beside uploads: an object whose pieces are listed was
// begun before, so it is either being written at the next look, or named at the
// last, or was cut off.
func (s *Store) sift(ctx context.Context, l *link) error {
	var pieces []string
	if s.Exclusive() {
		var err error
		if pieces, err = l.subjects(ctx, l.pieceSubject("*")); err != nil {
			return err
		}
	}
	needed := s.left.beingWritten()
	if err := l.eachObject(ctx, func(d *described) error {
		if d.Deleted {
			return l.purge(ctx, l.pieces, upTo(l.nameSubject(d.Name), d.at)...)
		}
		needed[d.NUID] = true
		return nil
	}); err != nil {
		return err
	}
	for _, id := range pieces {
		if needed[id] {
			continue
		}
		if err := l.purge(ctx, l.pieces, jetstream.WithPurgeSubject(l.pieceSubject(id))); err != nil {
			return err
		}
	}
	return nil
}

// purge removes messages of a stream.
func (l *link) purge(ctx context.Context, stream jetstream.Stream, what ...jetstream.StreamPurgeOpt) error {
	return l.patiently(ctx, func(ctx context.Context) error { return stream.Purge(ctx, what...) })
}

// upTo selects the messages of a subject up to a place in the stream, that one
// included.
func upTo(subject string, at uint64) []jetstream.StreamPurgeOpt {
	return []jetstream.StreamPurgeOpt{jetstream.WithPurgeSubject(subject), jetstream.WithPurgeSequence(at + 1)}
}

// subjects lists the last parts of the subjects that match a pattern, whose last
// part is open.
func (l *link) subjects(ctx context.Context, pattern string) (parts []string, err error) {
	var info *jetstream.StreamInfo
	if err := l.reading(ctx, func(ctx context.Context) (err error) {
		info, err = l.pieces.Info(ctx, jetstream.WithSubjectFilter(pattern))
		return err
	}); err != nil {
		return nil, err
	}
	for subject := range info.State.Subjects {
		parts = append(parts, subject[strings.LastIndexByte(subject, '.')+1:])
	}
	return parts, nil
}

// eachObject calls visit with every object's description, in the order of their
// writing. One that is replaced meanwhile is visited as it is then.
func (l *link) eachObject(ctx context.Context, visit func(*described) error) error {
	for next := uint64(1); ; {
		var message *jetstream.RawStreamMsg
		err := l.reading(ctx, func(ctx context.Context) (err error) {
			message, err = l.pieces.GetMsg(ctx, next, jetstream.WithGetMsgSubject(l.nameSubjects()))
			return err
		})
		if errors.Is(err, jetstream.ErrMsgNotFound) {
			return nil
		}
		if err != nil {
			return err
		}
		next = message.Sequence + 1
		d, err := describedBy(message)
		if err == nil {
			err = visit(d)
		}
		if err != nil {
			return err
		}
	}
}
