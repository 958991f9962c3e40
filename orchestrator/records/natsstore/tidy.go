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

// markerAge is how long the marker of a deletion is kept, so that watchers that were
// disconnected see it.
const markerAge = 30 * time.Minute

// Tidy implements records.Store: it removes old markers of deletions and, once after
// each opening, leftover objects of an earlier process.
//
// It does not list by the client's watches: they wait forever if a message is deleted
// during the listing.
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

// marker is the marker of a record's deletion.
type marker struct {
	revision uint64
	made     time.Time
}

// leftovers holds the known markers and unfinished objects, so that tidying need not
// search for them. Safe for concurrent use.
type leftovers struct {
	mu sync.Mutex
	// markers by the key of the deleted record.
	markers map[string]marker
	// writing holds the ids of the objects that this process is writing.
	writing map[string]bool
}

// note records a change reported by the watch.
func (o *leftovers) note(entry jetstream.KeyValueEntry) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if entry.Operation() == jetstream.KeyValuePut {
		delete(o.markers, entry.Key())
		return
	}
	o.markers[entry.Key()] = marker{revision: entry.Revision(), made: entry.Created()}
}

// old returns the markers older than a time.
func (o *leftovers) old(before time.Time) map[string]marker {
	o.mu.Lock()
	defer o.mu.Unlock()
	old := maps.Clone(o.markers)
	maps.DeleteFunc(old, func(_ string, m marker) bool { return !m.made.Before(before) })
	return old
}

// gone forgets a marker that was removed from the store.
func (o *leftovers) gone(key string, m marker) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.markers[key] == m {
		delete(o.markers, key)
	}
}

// writes marks an object as being written until done is called.
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

// purgeMarkers removes the old markers that the watch reported; records created again
// since then are not affected.
func (s *Store) purgeMarkers(ctx context.Context, l *link) error {
	for key, m := range s.left.old(time.Now().Add(-markerAge)) {
		if err := l.purge(ctx, l.table, upTo("$KV."+l.records.Bucket()+"."+key, m.revision)...); err != nil {
			return err
		}
		s.left.gone(key, m)
	}
	return nil
}

// sift removes the pieces without an object, if no other process can be about to name
// them, and the markers that the object store's own client leaves for deleted objects.
//
// The order makes it safe during uploads: an object whose pieces are listed was begun
// before, so it is being written at the second step, or named at the last step, or was
// interrupted.
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
	return l.retryWrite(ctx, func(ctx context.Context) error { return stream.Purge(ctx, what...) })
}

// upTo selects the messages of a subject up to and including a place in the stream.
func upTo(filter string, at uint64) []jetstream.StreamPurgeOpt {
	return []jetstream.StreamPurgeOpt{jetstream.WithPurgeSubject(filter), jetstream.WithPurgeSequence(at + 1)}
}

// subjects returns the last tokens of the subjects that match a pattern with a final
// wildcard.
func (l *link) subjects(ctx context.Context, pattern string) (parts []string, err error) {
	counts, err := l.counts(ctx, pattern)
	for part := range counts {
		parts = append(parts, part)
	}
	return parts, err
}

// counts returns the number of messages by the last token of the subjects that match a
// pattern.
func (l *link) counts(ctx context.Context, pattern string) (map[string]uint64, error) {
	var info *jetstream.StreamInfo
	if err := l.reading(ctx, func(ctx context.Context) (err error) {
		info, err = l.pieces.Info(ctx, jetstream.WithSubjectFilter(pattern))
		return err
	}); err != nil {
		return nil, err
	}
	counts := make(map[string]uint64, len(info.State.Subjects))
	for name, n := range info.State.Subjects {
		counts[name[strings.LastIndexByte(name, '.')+1:]] = n
	}
	return counts, nil
}

// eachObject calls visit with every object's description, in the order of their
// writing. An object replaced during the iteration is visited in its new state.
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
