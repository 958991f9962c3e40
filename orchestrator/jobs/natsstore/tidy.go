package natsstore

import (
	"context"
	"encoding/base64"
	"errors"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// keptMarkers is how long the mark of a deletion stays, so that watchers that
// were away hear of it.
const keptMarkers = 30 * time.Minute

// Tidy implements jobs.Store: it removes old marks of deletions, and, where the
// store is this process's alone, the pieces of objects whose writing was cut off.
func (s *Store) Tidy(ctx context.Context) error {
	l, err := s.current()
	if err != nil {
		return err
	}
	if err := l.records.PurgeDeletes(ctx, jetstream.DeleteMarkersOlderThan(keptMarkers)); err != nil {
		return s.fault(l, err)
	}
	// Nobody may write an object between the look at what objects name and the
	// removal of the rest: its pieces would be taken for leftovers.
	sift := s.Exclusive() && !l.sifted.Load() && s.uploads.TryLock()
	if sift {
		defer s.uploads.Unlock()
	}
	known, err := l.purgeObjectMarks(ctx)
	if err == nil && sift {
		err = l.purgePieces(ctx, known)
		l.sifted.Store(err == nil)
	}
	return s.fault(l, err)
}

// purgeObjectMarks removes old marks of deleted objects, and gives the ids of
// the pieces that objects name.
func (l *link) purgeObjectMarks(ctx context.Context) (known map[string]bool, err error) {
	known = make(map[string]bool)
	list, err := l.objects.List(ctx, jetstream.ListObjectsShowDeleted())
	if errors.Is(err, jetstream.ErrNoObjectsFound) {
		return known, nil
	}
	if err != nil {
		return nil, err
	}
	for _, info := range list {
		known[info.NUID] = known[info.NUID] || !info.Deleted
		if info.Deleted && time.Since(info.ModTime) > keptMarkers {
			if err := l.pieces.Purge(ctx, jetstream.WithPurgeSubject("$O."+l.bucket+".M."+base64.URLEncoding.EncodeToString([]byte(info.Name)))); err != nil {
				return nil, err
			}
		}
	}
	return known, nil
}

// purgePieces removes the pieces that no object names.
func (l *link) purgePieces(ctx context.Context, known map[string]bool) error {
	subjects := "$O." + l.bucket
	info, err := l.pieces.Info(ctx, jetstream.WithSubjectFilter(subjects+".C.>"))
	if err != nil {
		return err
	}
	for subject := range info.State.Subjects {
		if known[strings.TrimPrefix(subject, subjects+".C.")] {
			continue
		}
		if err := l.pieces.Purge(ctx, jetstream.WithPurgeSubject(subject)); err != nil {
			return err
		}
	}
	return nil
}
